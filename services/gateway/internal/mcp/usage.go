package mcp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
)

var usageSpec = spec{
	name: "query_usage", title: "Query usage",
	description: "Adds up what was consumed and what it cost, by groups and stretches of time. A client's key sees its own calls, " +
		"an administrator's or a viewer's those of its tenant.",
}

type (
	group    string
	interval string
	// moment is a time in RFC 3339.
	moment string
)

var (
	groupNames    = names("GROUP_", usagev1.Group_name)
	intervalNames = names("INTERVAL_", usagev1.Interval_name)
)

// names are an enum's values as tools spell them, in order, but for the unset one.
func names(prefix string, values map[int32]string) []string {
	list := make([]string, 0, len(values))
	for n := range len(values) {
		if w := word(values[int32(n)], prefix); w != "unspecified" {
			list = append(list, w)
		}
	}
	return list
}

// sought is query_usage's input.
type sought struct {
	Start     moment   `json:"start,omitempty" jsonschema:"Calls begun at this time or later, such as 2026-01-31T00:00:00Z."`
	End       moment   `json:"end,omitempty" jsonschema:"Calls begun before this time."`
	Model     string   `json:"model,omitempty" jsonschema:"Only of this model, as clients name it."`
	Provider  string   `json:"provider,omitempty" jsonschema:"Only of this configured provider."`
	KeyID     string   `json:"key_id,omitempty" jsonschema:"Only of this key."`
	Tenant    string   `json:"tenant,omitempty" jsonschema:"Only of this tenant."`
	Tag       string   `json:"tag,omitempty" jsonschema:"Only with this tag: name=value, or a name alone for any value."`
	RequestID string   `json:"request_id,omitempty" jsonschema:"Only of this request."`
	GroupBy   []group  `json:"group_by,omitempty" jsonschema:"What to add up by; none means all together."`
	TagName   string   `json:"tag_name,omitempty" jsonschema:"The tag to group by, where group_by has tag."`
	Interval  interval `json:"interval,omitempty" jsonschema:"How long each stretch of time is. Default: all in one."`
	Limit     int32    `json:"limit,omitempty" jsonschema:"At most this many sums, up to 10000. Default 100."`
}

// sums is query_usage's output.
type sums struct {
	Sums      []sum `json:"sums" jsonschema:"One for each stretch of time and group, largest cost first within a stretch."`
	Truncated bool  `json:"truncated" jsonschema:"Whether there are more than the limit."`
}

// sum is what the calls of one group consumed.
type sum struct {
	Start             string   `json:"start,omitempty" jsonschema:"When the stretch of time begins."`
	Group             []string `json:"group,omitempty" jsonschema:"The group's values, in the order of group_by."`
	Requests          int64    `json:"requests" jsonschema:"Calls."`
	Attempts          int64    `json:"attempts" jsonschema:"Attempts at providers."`
	Cached            int64    `json:"cached,omitempty" jsonschema:"Answers from the cache."`
	Failed            int64    `json:"failed,omitempty" jsonschema:"Attempts that weren't complete."`
	InputTokens       int64    `json:"input_tokens" jsonschema:"All input tokens."`
	CachedInputTokens int64    `json:"cached_input_tokens,omitempty" jsonschema:"The part read from providers' prompt caches."`
	CacheWriteTokens  int64    `json:"cache_write_tokens,omitempty" jsonschema:"The part written to providers' prompt caches."`
	OutputTokens      int64    `json:"output_tokens" jsonschema:"All output tokens."`
	ReasoningTokens   int64    `json:"reasoning_tokens,omitempty" jsonschema:"The part spent on reasoning."`
	CostUSD           string   `json:"cost_usd,omitempty" jsonschema:"The cost in US dollars, an exact decimal, of the attempts whose price is known; absent where none is."`
	Unpriced          int64    `json:"unpriced,omitempty" jsonschema:"Attempts whose price isn't known."`
	Estimated         int64    `json:"estimated,omitempty" jsonschema:"Attempts whose tokens are an estimate."`
}

// usage answers questions about the ledger.
type usage struct{ service usagev1.UsageServiceClient }

// defaultSums is fewer than the service's own default: a model reads them.
const defaultSums = 100

func (u *usage) call(ctx context.Context, _ *mcp.CallToolRequest, in sought) (*sums, error) {
	m, err := in.request()
	if err != nil {
		return nil, err
	}
	return u.query(ctx, m)
}

func (u *usage) query(ctx context.Context, m *usagev1.QueryUsageRequest) (*sums, error) {
	answer, err := u.service.QueryUsage(ctx, m)
	if err != nil {
		return nil, err
	}
	s := &sums{Sums: make([]sum, 0, len(answer.GetSums())), Truncated: answer.GetTruncated()}
	for _, one := range answer.GetSums() {
		s.Sums = append(s.Sums, summed(one))
	}
	return s, nil
}

func summed(m *usagev1.Sum) sum {
	s := sum{
		Group: m.GetGroup(), Requests: m.GetRequests(), Attempts: m.GetAttempts(), Cached: m.GetCached(), Failed: m.GetFailed(),
		InputTokens: m.GetInputTokens(), CachedInputTokens: m.GetCachedInputTokens(), CacheWriteTokens: m.GetCacheWriteTokens(),
		OutputTokens: m.GetOutputTokens(), ReasoningTokens: m.GetReasoningTokens(),
		CostUSD: m.GetCostUsd(), Unpriced: m.GetUnpriced(), Estimated: m.GetEstimated(),
	}
	if m.GetStart() != nil {
		s.Start = m.GetStart().AsTime().Format(time.RFC3339)
	}
	return s
}

func (in sought) request() (*usagev1.QueryUsageRequest, error) {
	m := &usagev1.QueryUsageRequest{
		Filter: &usagev1.Filter{
			Tenant: in.Tenant, KeyId: in.KeyID, Model: in.Model, Provider: in.Provider, Tag: in.Tag, RequestId: in.RequestID,
		},
		TagName: in.TagName, Limit: in.Limit,
	}
	if m.GetLimit() == 0 {
		m.Limit = defaultSums
	}
	var err error
	if m.Filter.Start, err = in.Start.time("start"); err != nil {
		return nil, err
	}
	if m.Filter.End, err = in.End.time("end"); err != nil {
		return nil, err
	}
	return m, in.stretch(m)
}

// stretch reads what to add up by.
func (in sought) stretch(m *usagev1.QueryUsageRequest) error {
	for i, g := range in.GroupBy {
		n, ok := usagev1.Group_value["GROUP_"+strings.ToUpper(string(g))]
		if !ok || n == 0 {
			return invalid(fmt.Sprintf("group_by[%d]", i), "must be one of "+strings.Join(groupNames, ", "))
		}
		m.GroupBy = append(m.GroupBy, usagev1.Group(n))
	}
	if in.Interval == "" {
		return nil
	}
	n, ok := usagev1.Interval_value["INTERVAL_"+strings.ToUpper(string(in.Interval))]
	if !ok || n == 0 {
		return invalid("interval", "must be one of "+strings.Join(intervalNames, ", "))
	}
	m.Interval = usagev1.Interval(n)
	return nil
}

func (t moment) time(field string) (*timestamppb.Timestamp, error) {
	if t == "" {
		return nil, nil
	}
	read, err := time.Parse(time.RFC3339, string(t))
	if err != nil {
		return nil, invalid(field, "must be a time such as 2026-01-31T00:00:00Z")
	}
	return timestamppb.New(read), nil
}
