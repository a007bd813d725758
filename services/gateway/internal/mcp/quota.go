package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
)

var quotaSpec = spec{
	name: "get_quota", title: "Show the quota",
	description: "Tells how the limits of this key and its tenant stand: what is left, and until when.",
}

// whose is get_quota's input.
type whose struct {
	KeyID string `json:"key_id,omitempty" jsonschema:"Another key of the same tenant, for administrators and viewers. Default: this key."`
}

// standing is get_quota's output.
type standing struct {
	KeyID    string    `json:"key_id" jsonschema:"The key."`
	Tenant   string    `json:"tenant" jsonschema:"Its tenant."`
	Balances []balance `json:"balances" jsonschema:"Every limit there is; empty where there is none."`
	Degraded bool      `json:"degraded,omitempty" jsonschema:"Whether the shared store can't be reached, so the numbers are this instance's own."`
}

// balance is how one limit stands.
type balance struct {
	Scope             string  `json:"scope" jsonschema:"Whose limit it is: key or tenant."`
	Dimension         string  `json:"dimension" jsonschema:"What is counted: requests, tokens, concurrency or budget."`
	Limit             int64   `json:"limit" jsonschema:"The limit; of a budget in 10^-12 US dollars."`
	Remaining         int64   `json:"remaining" jsonschema:"What is left of it; negative after an overrun."`
	LimitUSD          string  `json:"limit_usd,omitempty" jsonschema:"A budget's limit in US dollars."`
	RemainingUSD      string  `json:"remaining_usd,omitempty" jsonschema:"What is left of a budget in US dollars; absent while nobody knows, shortly after a start."`
	ResetAfterSeconds float64 `json:"reset_after_seconds" jsonschema:"Until all of it is there again; 0 also for a budget that never begins anew."`
}

// quota shows quotas.
type quota struct {
	service ratelimitv1.RateLimitServiceClient
}

func (q *quota) call(ctx context.Context, _ *mcp.CallToolRequest, in whose) (*standing, error) {
	answer, err := q.service.GetQuota(ctx, &ratelimitv1.GetQuotaRequest{KeyId: in.KeyID})
	if err != nil {
		return nil, err
	}
	s := &standing{
		KeyID: answer.GetKeyId(), Tenant: answer.GetTenant(), Degraded: answer.GetDegraded(),
		Balances: make([]balance, 0, len(answer.GetBalances())),
	}
	for _, b := range answer.GetBalances() {
		s.Balances = append(s.Balances, stands(b))
	}
	return s, nil
}

func stands(b *ratelimitv1.Balance) balance {
	out := balance{
		Scope: word(b.GetScope().String(), "SCOPE_KIND_"), Dimension: word(b.GetDimension().String(), "DIMENSION_"),
		Limit: b.GetLimit(), Remaining: b.GetRemaining(), ResetAfterSeconds: b.GetResetAfter().AsDuration().Seconds(),
	}
	if b.GetDimension() == ratelimitv1.Dimension_DIMENSION_BUDGET {
		out.LimitUSD = money.USD(b.GetLimit())
		if !b.GetUnopened() { // else nobody knows yet
			out.RemainingUSD = money.USD(b.GetRemaining())
		}
	}
	return out
}
