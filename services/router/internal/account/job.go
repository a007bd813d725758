package account

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// handed is for how long money is reserved for a line that is handed over: a provider's day, and some time to fetch.
const handed = 30 * time.Hour

// Hand holds a line that is handed to a target's batch API to its key's limits: it counts with its estimate, now, as nobody
// knows when it will be asked. Of an account with a budget the money is reserved until Finish, or Drop, gets what Hand
// returned; it is empty where nobody has a budget. The errors are those of Open.
func (d *Desk) Hand(ctx context.Context, ask Ask, t catalog.Target) (reservation []byte, err error) {
	p, _ := auth.FromContext(ctx)
	if d.Quota == nil || !d.accountOf(p).Budgeted() {
		return nil, d.handOver(ctx, ask)
	}
	if d.Ledger != nil {
		if err := d.Ledger.Room(); err != nil {
			return nil, err
		}
	}
	if err := d.caughtUp(); err != nil {
		return nil, err
	}
	cost, known := most(ask, t, d.batchCost)
	if !known {
		return nil, priceUnknown()
	}
	r, err := d.Quota.Defer(ctx, d.accountOf(p), meta.RequestID(ctx), quota.Amount{Tokens: ask.tokens(), PicoUSD: cost}, handed)
	if err != nil || r == nil {
		return nil, err
	}
	return proto.Marshal(r)
}

// handOver counts a line of an account without a budget.
func (d *Desk) handOver(ctx context.Context, ask Ask) error {
	c, err := d.Open(ctx, ask)
	if err != nil {
		return err
	}
	c.tokens, c.attempts = ask.tokens(), 1
	c.Close()
	return nil
}

// batchCost is Prices.Cost in the batch tier.
func (d *Desk) batchCost(kind, model string, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	if d.Prices == nil {
		return 0, "", false
	}
	return d.Prices.CostIn(kind, model, price.Batch, u)
}

// Drop gives back what Hand reserved for a line that nobody asked.
func (d *Desk) Drop(reservation []byte) {
	if r := d.reserved(reservation); r != nil {
		d.Quota.SettleDeferred(r, quota.Amount{}, true)
	}
}

// settle ends what Hand reserved with what the line used: where its cost isn't known, all that was reserved.
func (d *Desk) settle(reservation []byte, e *usagev1.Event) {
	r := d.reserved(reservation)
	if r == nil {
		return
	}
	used := quota.Amount{Tokens: e.GetTokens().GetInputTokens() + e.GetTokens().GetOutputTokens(), PicoUSD: e.GetCostPicoUsd()}
	if e.GetTokens() != nil && e.CostPicoUsd == nil {
		used.PicoUSD = r.GetCostPicoUsd()
	}
	d.Quota.SettleDeferred(r, used, false)
}

func (d *Desk) reserved(reservation []byte) *ratelimitv1.ReserveRequest {
	if len(reservation) == 0 || d.Quota == nil {
		return nil
	}
	r := &ratelimitv1.ReserveRequest{}
	if err := proto.Unmarshal(reservation, r); err != nil {
		d.Logger.Warn("what a line had reserved can't be read: it stays spent until it runs out", "error", err)
		return nil
	}
	return r
}

// Line is the answer to a line that was handed to a provider's batch API.
type Line struct {
	// Ask is what was asked; RequestID its call's, JobID the job's, unique together.
	Ask              Ask
	RequestID, JobID string
	// KeyID and Tenant are charged.
	KeyID, Tenant string
	// Provider is the configured name, Kind its wire protocol, empty where nobody knows any more; Model is the one sent.
	Provider, Kind, Model string
	// Began is when the line was handed over.
	Began time.Time
	// Status and UpstreamRequestID are the provider's.
	Status            int
	UpstreamRequestID string
	// Reservation is what Hand returned.
	Reservation []byte
	// Reading is what the answer told, Err the failure that it is; nil for a complete answer.
	Reading dialect.Reading
	Err     error
}

// Finish writes a line down, at the batch tier's price. The row's id is made of the line's and the job's, so that a line
// that is finished twice has one row. The errors are USAGE_LOG_FULL and those of the disk: then nothing was written.
func (d *Desk) Finish(l Line) error {
	if d.Ledger != nil {
		if err := d.Ledger.Room(); err != nil {
			return err
		}
	}
	c := &Call{
		desk: d, ask: l.Ask, requestID: l.RequestID, nonce: l.JobID,
		principal: auth.Principal{KeyID: l.KeyID, Tenant: l.Tenant},
	}
	a := &Attempt{
		call: c, began: l.Began, reading: l.Reading, status: l.Status, id: l.UpstreamRequestID,
		target: catalog.Target{Model: l.Model, Provider: &provider.Provider{Identity: provider.Identity{Name: l.Provider, Kind: l.Kind}}},
	}
	e := c.event(1)
	c.time(e, l.Began)
	e.Provider, e.UpstreamModel, e.ResponseModel = l.Provider, l.Model, l.Reading.Model
	e.HttpStatus, e.UpstreamRequestId = int32(l.Status), l.UpstreamRequestID //nolint:gosec // an HTTP status
	e.FinishReason = l.Reading.Finish
	e.Tokens, e.Estimated = a.consumed(l.Err)
	a.judge(e, l.Err)
	d.priceLine(l, e)
	if d.Ledger != nil {
		if err := d.Ledger.Record(e); err != nil {
			return err
		}
	}
	d.settle(l.Reservation, e)
	return nil
}

// priceLine writes what a line costs, by the model that answered or else the one that was asked for.
func (d *Desk) priceLine(l Line, e *usagev1.Event) {
	if e.GetTokens() == nil || l.Kind == "" {
		return
	}
	for _, model := range []string{l.Reading.Model, l.Model} {
		if cost, version, ok := d.batchCost(l.Kind, model, e.GetTokens()); ok {
			e.CostPicoUsd, e.PriceVersion = &cost, version
			return
		}
	}
}
