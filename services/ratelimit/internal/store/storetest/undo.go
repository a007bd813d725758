package storetest

import (
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// all has every kind of limit.
var all = store.Limits{Requests: 10, Tokens: 100, Concurrency: 5, Budget: 10 * dollar, Period: store.Total}

// try makes an attempt to reserve a call of a dollar.
func (b *bench) try(id, attempt string, scopes ...store.Scope) store.Answer {
	b.Helper()
	c := b.call(id, dollar, scopes...)
	c.Attempt, c.Tokens = attempt, 10
	return b.made(c)
}

// undo undoes one.
func (b *bench) undo(id, attempt string, scopes ...store.Scope) {
	b.Helper()
	b.settled(store.Settlement{ID: id, Attempt: attempt, Holder: "h", Tenant: "acme", Scopes: scopes, Unused: true})
}

var undoCases = []struct {
	name string
	run  func(b *bench)
}{
	{"an attempt that is undone was never made", func(b *bench) {
		s := one(all)
		b.seed(0, s[0])
		b.admitted(b.try("1", "a", s...))
		b.left(s[0], 9, 90, 4, 9*dollar)
		b.undo("1", "a", s...)
		b.undo("1", "a", s...)
		b.left(s[0], 10, 100, 5, 10*dollar)
		b.admitted(b.try("1", "b", s...)) // another reserves anew
		b.left(s[0], 9, 90, 4, 9*dollar)
		b.paid("1", 2*dollar, s...)
		b.left(s[0], 9, 100, 5, 8*dollar)
	}},
	{"what another attempt reserved stays, in whatever order", func(b *bench) {
		s := one(all)
		b.seed(0, s[0])
		for _, order := range []struct {
			id  string
			run func(id string)
		}{
			{"late", func(id string) { b.try(id, "b", s...); b.try(id, "a", s...); b.undo(id, "a", s...) }},
			{"first", func(id string) { b.try(id, "a", s...); b.try(id, "b", s...); b.undo(id, "a", s...) }},
			{"undone before", func(id string) { b.undo(id, "a", s...); b.try(id, "b", s...); b.try(id, "a", s...) }},
			{"undone between", func(id string) { b.try(id, "b", s...); b.undo(id, "a", s...); b.try(id, "a", s...) }},
			{"undone first", func(id string) { b.try(id, "a", s...); b.undo(id, "a", s...); b.try(id, "b", s...) }},
			{"without a name", func(id string) { b.try(id, "", s...); b.try(id, "a", s...); b.undo(id, "a", s...) }},
		} {
			order.run(order.id)
			b.left(s[0], 9, 90, 4, 9*dollar)
			b.undo(order.id, "b", s...)
			if order.id == "without a name" {
				continue
			}
			b.left(s[0], 10, 100, 5, 10*dollar)
		}
	}},
	{"what comes after it was undone takes nothing", func(b *bench) {
		s := one(all)
		b.seed(0, s[0])
		b.undo("1", "a", s...)
		b.try("1", "a", s...)
		b.left(s[0], 10, 100, 5, 10*dollar)
		b.paid("1", dollar, s...) // nobody was admitted, so it was lost
		b.left(s[0], 10, 100, 5, 9*dollar)
	}},
	{"a settled call has nothing to undo", func(b *bench) {
		s := one(all)
		b.seed(0, s[0])
		b.admitted(b.try("1", "a", s...))
		b.paid("1", 3*dollar, s...)
		b.undo("1", "a", s...)
		b.try("1", "b", s...)
		b.left(s[0], 9, 100, 5, 7*dollar)
	}},
	{"what expired stays spent", func(b *bench) {
		s := budgeted(10, store.Total)
		b.seed(0, s[0])
		b.admitted(b.try("1", "a", s...))
		b.admitted(b.try("1", "b", s...))
		b.Advance(2 * time.Hour)
		b.undo("1", "a", s...)
		b.undo("1", "b", s...)
		b.left(s[0], 9*dollar)
		b.paid("1", 3*dollar, s...)
		b.left(s[0], 7*dollar)
	}},
}
