package chat

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// ListModels implements RouterService: what the caller's key may ask for. A provider that can't be asked is left out: the names of the others still work.
func (s *Server) ListModels(ctx context.Context, r *routerv1.ListModelsRequest) (*routerv1.ListModelsResponse, error) {
	models := configured(s.planner.Catalog().Models())
	for _, offered := range s.offered(ctx) {
		models = append(models, offered...)
	}
	caller, _ := auth.FromContext(ctx)
	seen := make(map[string]bool, len(models))
	models = slices.DeleteFunc(models, func(m *llmv1.Model) bool {
		if !speaks(m, r.GetDialect()) || seen[m.GetId()] || !caller.MayAsk(m.GetId()) {
			return true
		}
		seen[m.GetId()] = true
		return false
	})
	return &routerv1.ListModelsResponse{Models: models}, nil
}

func configured(models []catalog.Model) []*llmv1.Model {
	list := make([]*llmv1.Model, 0, len(models))
	for _, m := range models {
		list = append(list, &llmv1.Model{
			Id: m.Name, Provider: m.Targets[0].Provider.Name, OwnedBy: "headgate", DisplayName: m.Name, Dialects: provider.Dialects,
		})
	}
	return list
}

// offered asks all providers at once and returns their lists in the order of the configuration.
func (s *Server) offered(ctx context.Context) [][]*llmv1.Model {
	providers := s.planner.Catalog().Providers()
	lists := make([][]*llmv1.Model, len(providers))
	var wg sync.WaitGroup
	for i, p := range providers {
		wg.Go(func() {
			if models, err := p.Provider.Models(ctx); err == nil {
				lists[i] = models
			}
		})
	}
	wg.Wait()
	return lists
}

func speaks(m *llmv1.Model, d llmv1.Dialect) bool {
	return d == llmv1.Dialect_DIALECT_UNSPECIFIED || slices.Contains(m.GetDialects(), d)
}

// ListTargets implements RouterService.
func (s *Server) ListTargets(context.Context, *routerv1.ListTargetsRequest) (*routerv1.ListTargetsResponse, error) {
	var list []*routerv1.Target
	now := time.Now()
	for _, m := range s.planner.Catalog().Models() {
		for _, t := range m.Targets {
			list = append(list, Target(m.Name, t, now))
		}
	}
	for _, p := range s.planner.Catalog().Providers() {
		list = append(list, Target("", catalog.Target{Provider: p.Provider}, now))
	}
	return &routerv1.ListTargetsResponse{Targets: list}, nil
}

// Target tells how a target is doing; name is the configured model's, empty for a provider's catch-all.
func Target(name string, t catalog.Target, now time.Time) *routerv1.Target {
	inFlight, attempts, failures := t.Provider.Stats().Read()
	out := &routerv1.Target{
		Model: name, Provider: t.Provider.Name, Kind: t.Provider.Kind, UpstreamModel: t.Model,
		Dialect: t.Provider.Dialect, Trust: t.Provider.Trust,
		InFlight: inFlight, Attempts: attempts, Failures: failures,
	}
	if load, ok := t.Provider.Load(); ok {
		out.Load = &routerv1.Load{Running: load.Running, Waiting: load.Waiting, CacheUsage: load.CacheUsage}
	}
	describe(out, t, now)
	return out
}

// describe fills in what lets calls through, and what doesn't.
func describe(out *routerv1.Target, t catalog.Target, now time.Time) {
	s := t.State(now)
	out.KeysCooling, out.Keys = int32(s.KeysCooling), int32(s.Keys) //nolint:gosec // a handful
	if t.Model == "" {
		out.KeysCooling = int32(t.Provider.Keys().Resting(now)) //nolint:gosec // a handful
	}
	if s.Asked {
		out.Breaker = breakerStates[s.Breaker]
	}
	if s.Breaker == breaker.Open {
		out.BreakerUntil = timestamppb.New(s.Until)
	}
	if s.FirstContent > 0 {
		out.FirstContent = durationpb.New(s.FirstContent)
	}
	if s.Checked {
		out.Healthy = &s.Healthy
	}
	if t.Strategy == catalog.Weighted {
		out.Weight = int32(t.Weight) //nolint:gosec // at most a million
	}
}

var breakerStates = map[breaker.State]routerv1.BreakerState{
	breaker.Closed:   routerv1.BreakerState_BREAKER_STATE_CLOSED,
	breaker.Open:     routerv1.BreakerState_BREAKER_STATE_OPEN,
	breaker.HalfOpen: routerv1.BreakerState_BREAKER_STATE_HALF_OPEN,
}
