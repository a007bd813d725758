package router

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/spool"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/ledger"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// books are what the router keeps of calls beside their answers; each is nil where its service isn't there.
type books struct {
	spool   *spool.Spool
	ledger  *ledger.Ledger
	quota   *quota.Keeper
	answers *answers.Answers
	// terms are those of the configuration in force.
	terms atomic.Pointer[terms]
}

// terms are what a configuration says of money and limits.
type terms struct {
	tenants map[string]*ratelimitv1.Limits
	prices  *price.Table
}

// Cost implements account.Prices.
func (b *books) Cost(kind, model string, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	if prices := b.terms.Load().prices; prices != nil {
		return prices.Cost(kind, model, u)
	}
	return 0, "", false
}

// CostIn implements account.Prices.
func (b *books) CostIn(kind, model string, tier price.Tier, u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	if prices := b.terms.Load().prices; prices != nil {
		return prices.CostIn(kind, model, tier, u)
	}
	return 0, "", false
}

// use brings the terms of another configuration in force.
func (b *books) use(cfg Config, prices *price.Table) {
	b.terms.Store(&terms{tenants: cfg.Tenants, prices: prices})
	b.answers.SetGeneration(generation(cfg))
}

// openBooks opens the local log and what reaches the services.
func openBooks(cfg Config, deps Deps) (*books, error) {
	b := &books{}
	if deps.RateLimit != nil {
		b.quota = quota.New(ratelimitv1.NewRateLimitServiceClient(deps.RateLimit), quota.Options{Holder: "router", Logger: deps.Logger})
	}
	if deps.Cache != nil {
		b.answers = answers.New(cachev1.NewCacheServiceClient(deps.Cache), answers.Options{
			Secret: deps.Secret.Derive("cache key"), Generation: generation(cfg),
		})
	}
	b.use(cfg, deps.Prices)
	if deps.Usage == nil {
		return b, nil
	}
	dir := filepath.Join(deps.DataDir, "usage-log")
	var err error
	b.spool, err = spool.Open(dir, spool.Options{MaxBytes: int64(cfg.UsageLog.MaxBytes), Logger: deps.Logger})
	if errors.Is(err, spool.ErrInUse) {
		return nil, fmt.Errorf("another router writes to %s; give each a data directory of its own: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the usage log: %w", err)
	}
	b.ledger = ledger.New(b.spool, usagev1.NewUsageServiceClient(deps.Usage), ledger.Options{Logger: deps.Logger})
	return b, nil
}

// generation stands for what decides which model answers to a name, but for the targets, which are part of each question.
func generation(cfg Config) string {
	sum := sha256.New()
	for name, p := range cfg.Providers.All() {
		fmt.Fprintf(sum, "%q %q %q %q %q %q %t\n", name, p.Kind, p.Preset, p.BaseURL, strings.Join(p.Endpoints, " "), p.API, p.MessagesAPI)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// desk is where calls are opened.
func (b *books) desk(deps Deps, o *observe.Observer) *account.Desk {
	d := &account.Desk{
		Observer: o, Logger: deps.Logger, Prices: b,
		Limits: func(tenant string) *ratelimitv1.Limits { return b.terms.Load().tenants[tenant] },
	}
	if b.ledger != nil {
		d.Ledger = b.ledger
	}
	if b.quota != nil {
		d.Quota = b.quota
	}
	return d
}

// Ready is nil once calls can be held to their limits.
func (s *Service) Ready() error {
	if s.books.quota == nil {
		return nil
	}
	return s.books.quota.Ready()
}

// run keeps the books until ctx ends, and closes them.
func (b *books) run(ctx context.Context) error {
	var wg sync.WaitGroup
	var quotaErr, ledgerErr error
	if b.quota != nil {
		wg.Go(func() { quotaErr = b.quota.Run(ctx) })
	}
	if b.ledger != nil {
		wg.Go(func() { ledgerErr = b.ledger.Run(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	b.answers.Close()
	if b.spool == nil {
		return errors.Join(quotaErr, ledgerErr)
	}
	return errors.Join(quotaErr, ledgerErr, b.spool.Close())
}
