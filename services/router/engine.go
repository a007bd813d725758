package router

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

// engine is one configuration, ready to plan calls by.
type engine struct {
	setup   *plan.Setup
	book    *standing.Book
	members map[string]*member
}

// member is a provider of a configuration; it stays the same as long as its part of the configuration does.
type member struct {
	name     string
	cfg      Provider
	timeouts Timeouts
	provider catalog.Provider
	// background runs beside it; nil where nothing has to.
	background func(context.Context)
}

// build is what all providers are built with.
type build struct {
	// version names the build of Headgate; marks is the secret that keys are marked with.
	version string
	marks   []byte
}

// newEngine builds a valid configuration. What the engine before knows of targets that stay is kept, and so are the
// connections of providers that stay as they are.
func newEngine(cfg Config, about build, before *engine) (*engine, error) {
	e := &engine{setup: &plan.Setup{}, book: standing.NewBook(before.book), members: make(map[string]*member)}
	var err error
	if e.setup.Catalog, err = e.build(cfg, about, before); err != nil {
		return nil, err
	}
	if e.setup.Policy, err = policy.Compile(cfg.Rules, cfg.ruleNames()); err != nil {
		return nil, err
	}
	if e.setup.Scanner, err = sensitive.New(cfg.Sensitivity); err != nil {
		return nil, fmt.Errorf("sensitivity: %w", err)
	}
	return e, nil
}

// build makes the catalog.
func (e *engine) build(cfg Config, about build, before *engine) (*catalog.Catalog, error) {
	base := cfg.Timeouts.Over(DefaultTimeouts())
	named := make(map[string]catalog.Provider)
	var providers []catalog.Provider
	for name, p := range cfg.Providers.All() {
		m := &member{name: name, cfg: p, timeouts: p.Timeouts.Over(base)}
		known := e.book.Provider(name, p.identity())
		keys := known.Keys(p.keys())
		if old := before.members[name]; old != nil && old.same(m) {
			m = old
		} else {
			built, run, err := p.build(name, about, m.timeouts, keys)
			if err != nil {
				return nil, fmt.Errorf("provider %s: %w", name, err)
			}
			m.background = run
			m.provider = catalog.Provider{Provider: built, Silences: silences(m.timeouts), Total: m.timeouts.Total}
		}
		e.members[name] = m
		listed := m.provider
		listed.Standing = known
		named[name] = listed
		providers = append(providers, listed)
	}
	var models []catalog.Model
	for name, m := range cfg.Models.All() {
		models = append(models, newModel(name, m, named, cfg, base))
	}
	e.book.Settled()
	return catalog.New(models, providers), nil
}

// same reports whether two members would be the same provider.
func (m *member) same(other *member) bool {
	return m.timeouts == other.timeouts && reflect.DeepEqual(m.cfg, other.cfg)
}

// run runs what belongs to the provider until ctx ends, and then gives up what it holds once nobody uses it any more, or
// the whole service ends.
func (m *member) run(ctx, service context.Context) {
	if m.background != nil {
		m.background(ctx)
	}
	<-ctx.Done()
	m.unused(service)
	m.provider.Provider.Close()
}

// unused waits until no attempt at the provider is under way.
func (m *member) unused(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if n, _, _ := m.provider.Provider.Stats().Read(); n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
