package storetest

import (
	"errors"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// sow seeds a budget with what a ledger said some time ago, and returns what the store says.
func (b *bench) sow(spent int64, age time.Duration, scope store.Scope) error {
	return b.store.Seed(b.Context(), store.Seed{
		Tenant: "acme", Scope: scope, From: store.Began(scope.Limits.Period, b.Now()), Spent: spent, Age: age,
	})
}

// early checks that a seed came too early, and for how long.
func (b *bench) early(err error, wait time.Duration) {
	b.Helper()
	var settling *store.SettlingError
	if !errors.As(err, &settling) || settling.Wait != wait {
		b.Fatalf("%v, want to wait %v", err, wait)
	}
}

var lossCases = []struct {
	name string
	run  func(b *bench)
}{
	{"a store that may have lost all opens nothing until the ledger is complete", func(b *bench) {
		s := budgeted(10, store.Day)
		_, _ = b.store.Alive(b.Context(), "g", nil, time.Minute)
		b.early(b.sow(0, 0, s[0]), store.Settling)
		b.Advance(store.Settling - time.Millisecond)
		b.early(b.sow(0, 0, s[0]), time.Millisecond)
		b.unseeded(b.pay("1", dollar, s...), store.Began(store.Day, b.Now()))
		b.Advance(time.Second)
		b.early(b.sow(0, time.Second, s[0]), time.Millisecond) // asked too early
		b.seed(9*dollar, s[0])
		b.admitted(b.pay("1", dollar, s...))
		b.left(s[0], 0)
	}},
	{"what needs no ledger opens at once", func(b *bench) {
		s := budgeted(10, store.Total)
		if err := b.store.Seed(b.Context(), store.Seed{Tenant: "acme", Scope: s[0], Final: true}); err != nil {
			b.Fatal(err)
		}
		b.early(b.sow(0, 0, budgeted(10, store.Day)[0]), store.Settling)
		b.seed(3*dollar, s[0]) // a known one is raised
		b.left(s[0], 7*dollar)
	}},
	{"a new account of a store that has settled opens at once, also after a while", func(b *bench) {
		settle(b.T, b.store, b)
		b.seed(0, budgeted(10, store.Day)[0])
		b.Advance(time.Hour)
		s := budgeted(10, store.Day)
		s[0].ID = "another"
		b.seed(0, s[0])
		b.admitted(b.pay("1", dollar, s...))
	}},
	{"a loss closes all again", func(b *bench) {
		f, ok := b.store.(forgetful)
		if !ok {
			b.Skip("it can't lose anything")
		}
		s := budgeted(10, store.Day)
		settle(b.T, b.store, b)
		b.seed(0, s[0])
		f.Forget()
		b.early(b.sow(0, 0, s[0]), store.Settling)
	}},
	{"what was settled while all was closed counts once, but for the last of it", func(b *bench) {
		s, other := budgeted(10, store.Day), budgeted(10, store.Day)
		other[0].ID = "other"
		_, _ = b.store.Alive(b.Context(), "g", nil, time.Minute)
		b.paid("1", 2*dollar, s...)
		b.Advance(store.Settling - store.Shipping)
		b.paid("2", 3*dollar, other...)
		b.Advance(store.Shipping - time.Millisecond)
		b.paid("3", dollar, other...)
		b.Advance(time.Millisecond)
		b.seed(2*dollar, s[0])
		b.left(s[0], 8*dollar)
		b.seed(3*dollar, other[0])
		b.left(other[0], 3*dollar)
	}},
}
