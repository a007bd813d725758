package plan_test

import (
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// server is a self-hosted target that says how busy it is, with calls under way.
func server(name string, s catalog.Strategy, l *provider.Load, maxInFlight int64, underWay int) catalog.Target {
	o := provider.Options{MaxInFlight: maxInFlight, Load: func() (provider.Load, bool) {
		if l == nil {
			return provider.Load{}, false
		}
		return *l, true
	}}
	p := provider.New(provider.Identity{Name: name, Trust: llmv1.Sensitivity_SENSITIVITY_HIGH}, nil, o)
	for range underWay {
		p.Stats().Begin()
	}
	return catalog.Target{Provider: p, Model: "m", Strategy: s}
}

// TestSpareCapacity: what can wait goes where nobody has to wait because of it.
func TestSpareCapacity(t *testing.T) {
	t.Parallel()
	idle, busy := &provider.Load{Running: 3}, &provider.Load{Running: 16, Waiting: 2, Capacity: 16}
	cases := map[string]struct {
		targets []catalog.Target
		want    string // the target that is left; empty where the call is put off
		all     int
	}{
		"nothing known":                  {targets: []catalog.Target{server("a", catalog.Failover, nil, 0, 500)}, want: "a", all: 1},
		"idle":                           {targets: []catalog.Target{server("a", catalog.Failover, idle, 0, 3)}, want: "a", all: 1},
		"somebody queues":                {targets: []catalog.Target{server("a", catalog.Failover, busy, 0, 3)}},
		"nearly full, as it was seen":    {targets: []catalog.Target{server("a", catalog.Failover, &provider.Load{Running: 4, Capacity: 16}, 0, 12)}},
		"others fill it":                 {targets: []catalog.Target{server("a", catalog.Failover, &provider.Load{Running: 12, Capacity: 16}, 0, 1)}},
		"not so full":                    {targets: []catalog.Target{server("a", catalog.Failover, &provider.Load{Running: 4, Capacity: 16}, 0, 11)}, want: "a", all: 1},
		"its cache is full":              {targets: []catalog.Target{server("a", catalog.Failover, &provider.Load{CacheUsage: 0.95}, 0, 0)}},
		"nearly at its max_in_flight":    {targets: []catalog.Target{server("a", catalog.Failover, nil, 8, 6)}},
		"one call at a time":             {targets: []catalog.Target{server("a", catalog.Failover, nil, 1, 0)}, want: "a", all: 1},
		"the first choice is busy":       {targets: []catalog.Target{server("a", catalog.Failover, busy, 0, 0), server("b", catalog.Failover, idle, 0, 0)}},
		"the second choice is busy":      {targets: []catalog.Target{server("a", catalog.Failover, idle, 0, 0), server("b", catalog.Failover, busy, 0, 0)}, want: "a", all: 2},
		"one of several equals is busy":  {targets: []catalog.Target{server("a", catalog.LeastLoaded, busy, 0, 0), server("b", catalog.LeastLoaded, idle, 0, 0)}, want: "b", all: 1},
		"all of several equals are busy": {targets: []catalog.Target{server("a", catalog.Weighted, busy, 0, 0), server("b", catalog.Weighted, busy, 0, 0)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan.New(serving(t, c.targets), plan.Options{})
			ask, _ := asked("here", "Hi")
			if _, err := p.Make(t.Context(), ask); err != nil {
				t.Errorf("a call that can't wait: %v", err)
			}
			got, err := p.Make(steered(t.Context(), "x-headgate-priority", "batch"), ask)
			if c.want == "" {
				if reasonOf(err) != errorsv1.Reason_REASON_OVERLOADED {
					t.Errorf("%v, %v", got.Targets, err)
				}
				return
			}
			if err != nil || len(got.Targets) != c.all || got.Targets[0].Provider.Name != c.want {
				t.Errorf("%v, %v", got.Targets, err)
			}
		})
	}
}

// serving has the one model here.
func serving(t *testing.T, targets []catalog.Target) *plan.Setup {
	t.Helper()
	rules, err := policy.Compile(nil, policy.Names{})
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := sensitive.New(sensitive.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Setup{Policy: rules, Scanner: scanner, Catalog: catalog.New([]catalog.Model{{Name: "here", Targets: targets}}, nil)}
}
