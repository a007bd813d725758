package chat

import (
	"context"
	"slices"
	"sync"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// ListModels implements RouterService: what the caller's key may ask for. A provider that can't be asked is left out: the names of the others still work.
func (s *Server) ListModels(ctx context.Context, r *routerv1.ListModelsRequest) (*routerv1.ListModelsResponse, error) {
	models := configured(s.catalog.Models())
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
	providers := s.catalog.Providers()
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
	for _, m := range s.catalog.Models() {
		for _, t := range m.Targets {
			list = append(list, target(m.Name, t))
		}
	}
	for _, p := range s.catalog.Providers() {
		list = append(list, target("", catalog.Target{Provider: p.Provider}))
	}
	return &routerv1.ListTargetsResponse{Targets: list}, nil
}

func target(name string, t catalog.Target) *routerv1.Target {
	inFlight, attempts, failures := t.Provider.Stats().Read()
	out := &routerv1.Target{
		Model: name, Provider: t.Provider.Name, Kind: t.Provider.Kind, UpstreamModel: t.Model,
		Dialect: t.Provider.Dialect, Trust: t.Provider.Trust,
		InFlight: inFlight, Attempts: attempts, Failures: failures,
	}
	if load, ok := t.Provider.Load(); ok {
		out.Load = &routerv1.Load{Running: load.Running, Waiting: load.Waiting, CacheUsage: load.CacheUsage}
	}
	return out
}
