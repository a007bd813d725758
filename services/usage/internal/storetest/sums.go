package storetest

import (
	"cmp"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

func sumsLikeReference(t *testing.T, s store.Store) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []*usagev1.Event
	for i := range 1500 {
		events = append(events, random(r, i))
	}
	insert(t, s, events...)
	value := "search"
	for _, test := range []struct {
		name  string
		query store.Query
		keep  func(*usagev1.Event) bool
	}{
		{"all together", store.Query{}, nil},
		{"by tenant", store.Query{Groups: []usagev1.Group{usagev1.Group_GROUP_TENANT}}, nil},
		{"by key and model", store.Query{Groups: []usagev1.Group{usagev1.Group_GROUP_KEY, usagev1.Group_GROUP_MODEL}}, nil},
		{"by tag", store.Query{Groups: []usagev1.Group{usagev1.Group_GROUP_TAG}, TagName: "team"}, nil},
		{"by minute", store.Query{Interval: usagev1.Interval_INTERVAL_MINUTE}, nil},
		{"by hour", store.Query{Interval: usagev1.Interval_INTERVAL_HOUR}, nil},
		{"by day and provider", store.Query{Interval: usagev1.Interval_INTERVAL_DAY, Groups: []usagev1.Group{usagev1.Group_GROUP_PROVIDER}}, nil},
		{"by month and everything", store.Query{Interval: usagev1.Interval_INTERVAL_MONTH, TagName: "feature", Groups: []usagev1.Group{
			usagev1.Group_GROUP_PROVIDER, usagev1.Group_GROUP_TAG, usagev1.Group_GROUP_TENANT, usagev1.Group_GROUP_KEY, usagev1.Group_GROUP_MODEL,
		}}, nil},
		{
			"filtered",
			store.Query{Filter: store.Filter{Tenant: "acme", Tag: &store.Tag{Name: "team", Value: &value}}, Interval: usagev1.Interval_INTERVAL_DAY},
			func(e *usagev1.Event) bool { return e.GetTenant() == "acme" && e.GetTags()["team"] == "search" },
		},
	} {
		var kept []*usagev1.Event
		for _, e := range events {
			if test.keep == nil || test.keep(e) {
				kept = append(kept, e)
			}
		}
		got, want := sums(t, s, test.query), reference(kept, test.query)
		if len(got) != len(want) {
			t.Errorf("%s: %d sums, want %d", test.name, len(got), len(want))
			continue
		}
		for i := range want {
			same(t, test.name, got[i], want[i])
		}
	}
}

// tally is a sum of the reference.
type tally struct {
	sum      *usagev1.Sum
	requests map[string]bool
	pico     *big.Int
}

// reference adds up in the plainest way there is.
func reference(events []*usagev1.Event, q store.Query) (list []*usagev1.Sum) {
	tallies := make(map[string]*tally)
	for _, e := range events {
		group, start := groupOf(e, q), stretch(e, q.Interval)
		key := start.String() + "\x00" + strings.Join(group, "\x00")
		if tallies[key] == nil {
			tallies[key] = &tally{sum: &usagev1.Sum{Group: group}, requests: make(map[string]bool), pico: new(big.Int)}
			if !start.IsZero() {
				tallies[key].sum.Start = timestamppb.New(start)
			}
		}
		tallies[key].add(e)
	}
	var all []*tally
	for _, t := range tallies {
		t.sum.Requests = int64(len(t.requests))
		if t.pico.Sign() != 0 || t.sum.GetUnpriced() == 0 {
			t.sum.CostUsd = dollars(t.pico)
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *tally) int {
		return cmp.Or(a.sum.GetStart().AsTime().Compare(b.sum.GetStart().AsTime()), b.pico.Cmp(a.pico), slices.Compare(a.sum.GetGroup(), b.sum.GetGroup()))
	})
	for _, t := range all {
		list = append(list, t.sum)
	}
	return list
}

func (t *tally) add(e *usagev1.Event) {
	t.requests[e.GetRequestId()] = true
	if e.GetOutcome() == usagev1.Outcome_OUTCOME_CACHED {
		t.sum.Cached++
		return
	}
	t.sum.Attempts++
	if e.GetOutcome() != usagev1.Outcome_OUTCOME_COMPLETE {
		t.sum.Failed++
	}
	u := e.GetTokens()
	t.sum.InputTokens += u.GetInputTokens()
	t.sum.CachedInputTokens += u.GetCachedInputTokens()
	t.sum.CacheWriteTokens += u.GetCacheWriteTokens()
	t.sum.OutputTokens += u.GetOutputTokens()
	t.sum.ReasoningTokens += u.GetReasoningTokens()
	t.pico.Add(t.pico, big.NewInt(e.GetCostPicoUsd()))
	if e.CostPicoUsd == nil && u.GetInputTokens()+u.GetOutputTokens() > 0 {
		t.sum.Unpriced++
	}
	if e.GetEstimated() {
		t.sum.Estimated++
	}
}

func groupOf(e *usagev1.Event, q store.Query) []string {
	group := []string{}
	for _, g := range q.Groups {
		group = append(group, map[usagev1.Group]string{
			usagev1.Group_GROUP_TENANT: e.GetTenant(), usagev1.Group_GROUP_KEY: e.GetKeyId(), usagev1.Group_GROUP_MODEL: e.GetModel(),
			usagev1.Group_GROUP_PROVIDER: e.GetProvider(), usagev1.Group_GROUP_TAG: e.GetTags()[q.TagName],
		}[g])
	}
	return group
}

func stretch(e *usagev1.Event, i usagev1.Interval) time.Time {
	at := e.GetStartedAt().AsTime()
	switch i {
	case usagev1.Interval_INTERVAL_MINUTE:
		return at.Truncate(time.Minute)
	case usagev1.Interval_INTERVAL_HOUR:
		return at.Truncate(time.Hour)
	case usagev1.Interval_INTERVAL_DAY:
		return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	case usagev1.Interval_INTERVAL_MONTH:
		return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// dollars writes pico-dollars by way of an exact fraction.
func dollars(pico *big.Int) string {
	text := new(big.Rat).SetFrac(pico, big.NewInt(1_000_000_000_000)).FloatString(12)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func hugeSums(t *testing.T, s store.Store) {
	for i := range 5 {
		insert(t, s, event(i, func(e *usagev1.Event) {
			e.CostPicoUsd = proto.Int64(math.MaxInt64)
			e.Tokens = &llmv1.TokenUsage{InputTokens: math.MaxInt64, OutputTokens: 1}
		}))
	}
	got := sums(t, s, store.Query{})
	if want := "46116860.184273879035"; len(got) != 1 || got[0].GetCostUsd() != want {
		t.Errorf("sums %v, want %s", got, want)
	}
}

func orderOfSums(t *testing.T, s store.Store) {
	cost := func(n int, tenant string, pico int64) *usagev1.Event {
		return event(n, func(e *usagev1.Event) { e.Tenant, e.CostPicoUsd = tenant, &pico })
	}
	insert(t, s, cost(1, "a", 5), cost(2, "b", 3_000_000), cost(3, "c", 3_000_001), cost(4, "d", 5), cost(5, "e", 2_999_999), cost(6, "e", 3))
	q := store.Query{Groups: []usagev1.Group{usagev1.Group_GROUP_TENANT}, Limit: 5}
	for limit, want := range map[int]string{5: "ecbad", 4: "ecba", 1: "e"} {
		q.Limit = limit
		list, truncated, err := s.Sums(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, sum := range list {
			got += sum.GetGroup()[0]
		}
		if got != want || truncated != (limit < 5) {
			t.Errorf("limit %d: %s, want %s; truncated %t", limit, got, want, truncated)
		}
	}
}

func cached(t *testing.T, s store.Store) {
	insert(t, s,
		event(1),
		event(2, func(e *usagev1.Event) { e.Outcome = usagev1.Outcome_OUTCOME_CACHED }),
		event(3, func(e *usagev1.Event) {
			e.Outcome, e.CostPicoUsd, e.Tokens = usagev1.Outcome_OUTCOME_CACHED, nil, &llmv1.TokenUsage{}
		}))
	same(t, "sum", sums(t, s, store.Query{})[0], &usagev1.Sum{
		Requests: 3, Attempts: 1, Cached: 2, InputTokens: 100, OutputTokens: 10, CostUsd: "0.000001",
	})
}

func noneIsNotZero(t *testing.T, s store.Store) {
	none := event(1, func(e *usagev1.Event) { e.Tokens, e.CostPicoUsd = nil, nil })
	zero := event(2, func(e *usagev1.Event) { e.Tokens, e.CostPicoUsd = &llmv1.TokenUsage{}, proto.Int64(0) })
	unpriced := event(3, func(e *usagev1.Event) { e.CostPicoUsd = nil })
	insert(t, s, none, zero, unpriced)
	got := list(t, s, store.Filter{}, 10)
	for i, want := range []*usagev1.Event{none, zero, unpriced} {
		same(t, "event", got[i], want)
	}
	if sum := sums(t, s, store.Query{})[0]; sum.GetUnpriced() != 1 || sum.GetAttempts() != 3 {
		t.Errorf("sum %v", sum)
	}
}

func empty(t *testing.T, s store.Store) {
	if got := list(t, s, store.Filter{}, 10); len(got) != 0 {
		t.Errorf("%d events", len(got))
	}
	for _, q := range []store.Query{{}, {Groups: []usagev1.Group{usagev1.Group_GROUP_KEY}}, {Interval: usagev1.Interval_INTERVAL_DAY}} {
		if got := sums(t, s, q); len(got) != 0 {
			t.Errorf("%v: %v", q, got)
		}
	}
}
