package router

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

// engine is one configuration, ready to plan calls by.
type engine struct {
	setup *plan.Setup
	book  *standing.Book
	// background runs beside it.
	background []func(context.Context)
}

// newEngine builds a valid configuration. What the book of the one before knows of targets that stay is kept.
func newEngine(cfg Config, version string, before *standing.Book) (*engine, error) {
	e := &engine{setup: &plan.Setup{}, book: standing.NewBook(before)}
	var err error
	if e.setup.Catalog, e.background, err = build(cfg, version, e.book); err != nil {
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

// run runs what belongs to the configuration until ctx ends, and then gives up what its providers hold once nobody uses
// them any more, or the whole service ends.
func (e *engine) run(ctx, service context.Context) {
	var wg sync.WaitGroup
	for _, run := range e.background {
		wg.Go(func() { run(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	for _, p := range e.setup.Catalog.Providers() {
		unused(service, p)
		p.Provider.Close()
	}
}

// unused waits until no attempt at a provider is under way.
func unused(ctx context.Context, p catalog.Provider) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if n, _, _ := p.Provider.Stats().Read(); n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
