// Package storetest is the suite that every backend of the ledger passes.
package storetest

import (
	"context"
	"testing"

	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// Run checks a backend's promises. newStore returns an empty store, which the suite closes.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"every field comes back", everyField},
		{"text of any kind comes back", anyText},
		{"once by id", once},
		{"once, many at a time", onceConcurrently},
		{"all or none", allOrNone},
		{"filters", filters},
		{"pages", pages},
		{"pages while rows arrive", pagesMeanwhile},
		{"sums equal a simple reference", sumsLikeReference},
		{"sums beyond 64 bits", hugeSums},
		{"order and limit of sums", orderOfSums},
		{"what came from the cache", cached},
		{"counts: none isn't zero", noneIsNotZero},
		{"an empty store", empty},
		{"prune", prune},
		{"spent equals a simple reference", spentLikeReference},
		{"spent once by id", spentOnce},
		{"spent while rows arrive", spentMeanwhile},
		{"spent beyond 64 bits", spentBeyond},
		{"spent nothing", spentNothing},
		{"spent by accounts of any name", spentByAnyName},
		{"spent stays where rows are deleted", spentStays},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, s)
		})
	}
}

// closed is a context that has ended.
func closed(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
