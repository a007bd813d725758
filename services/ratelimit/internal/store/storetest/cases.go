package storetest

import (
	"strconv"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

var cases = []struct {
	name string
	run  func(b *bench)
}{
	{"a burst is the limit, and it refills continuously", func(b *bench) {
		s := one(store.Limits{Requests: 60})
		for i := range 60 {
			b.admitted(b.reserve(strconv.Itoa(i), 0, s...))
		}
		b.refused(b.reserve("x", 0, s...), key, requests, time.Second)
		b.Advance(500 * time.Millisecond)
		b.refused(b.reserve("x", 0, s...), key, requests, 500*time.Millisecond)
		b.Advance(500 * time.Millisecond)
		b.admitted(b.reserve("x", 0, s...))
		b.refused(b.reserve("y", 0, s...), key, requests, time.Second)
		b.Advance(time.Hour)
		b.left(s[0], 60)
	}},
	{"all accounts or none", func(b *bench) {
		s := []store.Scope{{Kind: key, ID: "k", Limits: store.Limits{Requests: 10}}, {Kind: tenant, ID: "acme", Limits: store.Limits{Tokens: 100}}}
		b.admitted(b.reserve("1", 90, s...))
		b.refused(b.reserve("2", 20, s...), tenant, tokens, 6*time.Second)
		b.left(s[0], 9)
		b.left(s[1], 10)
	}},
	{"the longest wait is told", func(b *bench) {
		s := []store.Scope{{Kind: key, ID: "k", Limits: store.Limits{Requests: 1}}, {Kind: tenant, ID: "acme", Limits: store.Limits{Requests: 2, Tokens: 60, Concurrency: 1}}}
		b.admitted(b.reserve("1", 60, s...))
		b.refused(b.reserve("2", 10, s...), key, requests, time.Minute)
	}},
	{"larger than the limit is never", func(b *bench) {
		s := one(store.Limits{Tokens: 100})
		a := b.reserve("1", 101, s...)
		if a.Refusal == nil || !a.Refusal.Never || a.Refusal.Balance.Limit != 100 {
			b.Fatalf("%+v", a.Refusal)
		}
		b.admitted(b.reserve("1", 100, s...))
	}},
	{"a repeated reservation takes once and answers the same", func(b *bench) {
		s := one(store.Limits{Requests: 10, Tokens: 100, Concurrency: 5})
		first := b.reserve("1", 10, s...)
		b.Advance(time.Second)
		second := b.reserve("1", 10, s...)
		if len(first.Balances) != 3 || len(second.Balances) != 3 || first.Balances[0] != second.Balances[0] || first.Balances[1] != second.Balances[1] {
			b.Errorf("%+v, then %+v", first, second)
		}
		b.settle("1", 10, false, s...)
		b.admitted(b.reserve("1", 10, s...))
		b.left(s[0], 9, 91, 5)
	}},
	{"settling brings back what wasn't used, once", func(b *bench) {
		s := one(store.Limits{Requests: 10, Tokens: 100})
		b.admitted(b.reserve("1", 80, s...))
		b.settle("1", 30, false, s...)
		b.settle("1", 0, true, s...)
		b.left(s[0], 9, 70)
		b.admitted(b.reserve("2", 70, s...))
		b.settle("2", 0, true, s...)
		b.left(s[0], 9, 70)
	}},
	{"zero is a number", func(b *bench) {
		s := one(store.Limits{Requests: 10, Tokens: 100})
		b.admitted(b.reserve("1", 80, s...))
		b.settle("1", 0, false, s...)
		b.left(s[0], 9, 100)
	}},
	{"an overrun blocks what follows", func(b *bench) {
		s := one(store.Limits{Tokens: 60})
		b.admitted(b.reserve("1", 30, s...))
		b.settle("1", 90, false, s...)
		b.left(s[0], -30)
		b.refused(b.reserve("2", 1, s...), key, tokens, 31*time.Second)
		b.Advance(31 * time.Second)
		b.admitted(b.reserve("2", 1, s...))
	}},
	{"what comes back late makes no second burst", func(b *bench) {
		s := one(store.Limits{Tokens: 60})
		b.admitted(b.reserve("old", 60, s...))
		b.Advance(time.Minute)
		b.admitted(b.reserve("new", 60, s...))
		b.settle("old", 0, false, s...)
		b.left(s[0], 0)
		b.settle("new", 0, false, s...)
		b.left(s[0], 60)
	}},
	{"settled before it was reserved", func(b *bench) {
		s := one(store.Limits{Requests: 10, Tokens: 100, Concurrency: 1})
		b.settle("1", 0, true, s...)
		b.admitted(b.reserve("1", 80, s...))
		b.left(s[0], 10, 100, 1)
	}},
	{"an open reservation runs out as spent, and frees its place", func(b *bench) {
		s := one(store.Limits{Requests: 10, Tokens: 100, Concurrency: 1})
		b.admitted(b.reserveAs("h", "1", 60, 5*time.Second, s...))
		b.refused(b.reserve("2", 0, s...), key, concurrency, time.Second)
		b.Advance(5 * time.Second)
		b.left(s[0], 9, 48, 1)
		b.settle("1", 0, true, s...)
		b.left(s[0], 9, 48, 1)
		b.admitted(b.reserve("2", 0, s...))
	}},
	{"places of a silent holder are free", func(b *bench) {
		s := one(store.Limits{Concurrency: 2})
		b.admitted(b.reserveAs("dead", "1", 0, time.Hour, s...))
		b.Advance(5 * time.Second)
		b.admitted(b.reserveAs("alive", "2", 0, time.Hour, s...))
		b.refused(b.reserve("3", 0, s...), key, concurrency, time.Second)
		b.Advance(5 * time.Second)
		b.admitted(b.reserveAs("alive", "3", 0, time.Hour, s...))
		b.refused(b.reserve("4", 0, s...), key, concurrency, time.Second)
		b.Advance(6 * time.Second)
		b.lease("alive", 1, store.Stock{Scope: s[0]})
		b.Advance(9 * time.Second)
		b.refused(b.reserve("4", 0, s...), key, concurrency, time.Second)
	}},
	{"a grant is a part of what is left", func(b *bench) {
		s := one(store.Limits{Requests: 3200, Tokens: 320_000, Concurrency: 3200})
		g := b.lease("h", 1, store.Stock{Scope: s[0], WantRequests: 1000, WantTokens: 1000, Places: 900, PlacesUsed: 3})
		if g[0].Requests != 100 || g[0].Tokens != 1000 || g[0].Places != 103 || g[0].RequestsLeft != 3100 {
			b.Errorf("%+v", g[0])
		}
		b.left(s[0], 3100, 319_000, 3097)
		again := b.lease("h", 1, store.Stock{Scope: s[0], Requests: 100, WantRequests: 1000})
		if again[0] != g[0] {
			b.Errorf("repeated: %+v, want %+v", again[0], g[0])
		}
		b.lease("h", 2, store.Stock{Scope: s[0], Requests: 100, Tokens: 400})
		b.left(s[0], 3200, 319_400, 3200)
	}},
	{"where little is left nothing is granted", func(b *bench) {
		s := one(store.Limits{Requests: 99, Tokens: 1000, Concurrency: 99})
		b.admitted(b.reserve("1", 901, s...))
		g := b.lease("h", 1, store.Stock{Scope: s[0], WantRequests: 10, WantTokens: 10, Places: 10, PlacesUsed: 4})
		if g[0].Requests != 0 || g[0].Tokens != 0 || g[0].Places != 4 {
			b.Errorf("%+v", g[0])
		}
	}},
	{"what is held leaves no room for a refill", func(b *bench) {
		s := one(store.Limits{Requests: 3200})
		b.lease("h", 1, store.Stock{Scope: s[0], WantRequests: 100})
		b.Advance(time.Second)
		b.left(s[0], 3100)
		b.Advance(1500 * time.Millisecond) // the grant runs out, as spent
		b.left(s[0], 3100)
		b.Advance(time.Second)
		b.left(s[0], 3153)
		b.lease("h", 2, store.Stock{Scope: s[0], Requests: 100})
		b.left(s[0], 3153)
	}},
	{"more spent than granted is taken", func(b *bench) {
		s := one(store.Limits{Tokens: 3200})
		b.lease("h", 1, store.Stock{Scope: s[0], WantTokens: 100})
		b.lease("h", 2, store.Stock{Scope: s[0], Tokens: -50})
		b.left(s[0], 3050)
	}},
	{"tokens of calls under way come back through the holder", func(b *bench) {
		s := one(store.Limits{Tokens: 3200})
		b.lease("h", 1, store.Stock{Scope: s[0], WantTokens: 100})
		g := b.lease("h", 2, store.Stock{Scope: s[0], Tokens: 20})
		if g[0].Returnable != 80 {
			b.Errorf("%+v", g[0])
		}
		b.left(s[0], 3120)
		g = b.lease("h", 3, store.Stock{Scope: s[0], Tokens: 50})
		if g[0].Returnable != 30 {
			b.Errorf("%+v", g[0])
		}
		b.left(s[0], 3170)
		b.Advance(time.Minute)
		g = b.lease("h", 4, store.Stock{Scope: s[0], Tokens: 30})
		if g[0].Returnable != 0 {
			b.Errorf("after a whole refill: %+v", g[0])
		}
		b.left(s[0], 3200)
	}},
	{"a scope that names the tokens alone counts no request and takes no place", func(b *bench) {
		s, alone := one(store.Limits{Requests: 10, Tokens: 100, Concurrency: 1}), one(store.Limits{Tokens: 100})
		b.admitted(b.reserve("1", 20, s...))
		b.admitted(b.reserve("1a", 30, alone...))
		b.admitted(b.reserve("1b", 40, alone...))
		b.refused(b.reserve("1c", 11, alone...), key, tokens, 600*time.Millisecond)
		b.left(s[0], 9, 10, 0)
		b.settle("1b", 15, false, alone...)
		b.left(s[0], 9, 35, 0)
		b.settle("1a", 35, false, alone...) // an overrun
		b.left(s[0], 9, 30, 0)
		b.settle("1", 20, false, s...)
		b.left(s[0], 9, 30, 1)
	}},
	{"a scope that doesn't name a limit leaves what is held of it", func(b *bench) {
		s, alone := one(store.Limits{Requests: 3200, Tokens: 100}), one(store.Limits{Tokens: 100})
		b.lease("h", 1, store.Stock{Scope: s[0], WantRequests: 100})
		b.Advance(3 * time.Second) // the grant ran out half a second ago: it leaves room since then
		b.admitted(b.reserve("1", 100, alone...))
		b.Advance(500 * time.Millisecond)
		b.left(s[0], 3153, 0)
	}},
	{"limits may change", func(b *bench) {
		b.admitted(b.reserve("1", 60, one(store.Limits{Tokens: 100})...))
		b.left(one(store.Limits{Tokens: 200})[0], 140)
		b.left(one(store.Limits{Tokens: 50})[0], -10)
		b.left(one(store.Limits{Tokens: 100})[0], 40)
		b.settle("1", 0, false, one(store.Limits{Tokens: 50})...)
		b.left(one(store.Limits{Tokens: 50})[0], 50)
		b.admitted(b.reserve("2", 5, one(store.Limits{})...))
	}},
	{"accounts are apart", func(b *bench) {
		b.admitted(b.reserve("1", 0, store.Scope{Kind: key, ID: "x", Limits: store.Limits{Requests: 1}}))
		b.admitted(b.reserve("2", 0, store.Scope{Kind: tenant, ID: "x", Limits: store.Limits{Requests: 1}}))
		b.admitted(b.reserve("3", 0, store.Scope{Kind: key, ID: "y", Limits: store.Limits{Requests: 1}}))
	}},
	{"the living are counted", func(b *bench) {
		count := func(group string, want int64, members ...string) {
			b.Helper()
			if n, err := b.store.Alive(b.Context(), group, members, 5*time.Second); err != nil || n != want {
				b.Errorf("%d %v, want %d", n, err, want)
			}
		}
		count("g", 1, "a")
		count("g", 2, "b")
		count("other", 1)
		b.Advance(4 * time.Second)
		count("g", 2, "b")
		b.Advance(4 * time.Second)
		count("g", 1)
	}},
}
