// Package router is the service that finds a model for a request and carries the answer back: typed over RouterService,
// in the client's own dialect over RelayService. It alone knows the providers' credentials.
package router

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/chat"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/relay"
)

// Deps are what the router is given; all are required.
type Deps struct {
	Logger *slog.Logger
	Tracer trace.Tracer
	Meter  metric.Meter
	// Version names the build; providers see it in the user agent.
	Version string
}

// Service is the router. Safe for concurrent use.
type Service struct {
	catalog *catalog.Catalog
	chat    *chat.Server
	relay   *relay.Server
}

// New builds the router of a valid configuration.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	observer, err := observe.New(deps.Logger, deps.Tracer, deps.Meter)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	c, err := newCatalog(cfg, deps.Version)
	if err != nil {
		return nil, err
	}
	return &Service{catalog: c, chat: chat.New(c, observer), relay: relay.New(c, observer)}, nil
}

// Register adds RouterService and RelayService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	routerv1.RegisterRouterServiceServer(r, s.chat)
	routerv1.RegisterRelayServiceServer(r, s.relay)
}

// Validate checks a request message of the router's services; other messages pass.
func (s *Service) Validate(m proto.Message) error { return chat.Validate(m) }

// Run returns when ctx ends, after giving up idle connections to providers.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	for _, p := range s.catalog.Providers() {
		p.Adapter.Close()
	}
	return nil
}

func newCatalog(cfg Config, version string) (*catalog.Catalog, error) {
	base := cfg.Timeouts.Over(DefaultTimeouts())
	adapters := make(map[string]catalog.Provider)
	var providers []catalog.Provider
	for name, p := range cfg.Providers.All() {
		t := p.Timeouts.Over(base)
		a, err := newAdapter(name, p, t, version)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", name, err)
		}
		adapters[name] = catalog.Provider{Adapter: a, Silences: silences(t), Total: t.Total}
		providers = append(providers, adapters[name])
	}
	var models []catalog.Model
	for name, m := range cfg.Models.All() {
		models = append(models, newModel(name, m, adapters, cfg, base))
	}
	return catalog.New(models, providers), nil
}

func newModel(name string, m Model, adapters map[string]catalog.Provider, cfg Config, base Timeouts) catalog.Model {
	model := catalog.Model{Name: name}
	for _, target := range m.Targets {
		p, _ := cfg.Providers.Get(target.Provider)
		t := m.Timeouts.Over(p.Timeouts.Over(base))
		model.Targets = append(model.Targets, catalog.Target{
			Provider: adapters[target.Provider].Adapter, Model: target.Model,
			Silences: silences(t), Total: t.Total,
		})
	}
	return model
}

func silences(t Timeouts) adapter.Silences {
	return adapter.Silences{FirstContent: t.FirstContent, Gap: t.Gap}
}

func newAdapter(name string, p Provider, t Timeouts, version string) (*adapter.Adapter, error) {
	cfg := adapter.Config{
		Name: name, BaseURL: p.BaseURL, Key: p.APIKey.Reveal(), Trust: trusts[p.Trust],
		Connect: t.Connect, UserAgent: "headgate/" + version,
	}
	if p.Kind == anthropic.Kind {
		return anthropic.New(cfg)
	}
	return openai.New(cfg)
}
