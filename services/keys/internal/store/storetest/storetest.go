// Package storetest proves that a store keeps its promises. Every backend runs the same suite.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Run proves the stores that newStore makes: each empty, and closed by the suite.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"a key comes back as it went in", roundTrip},
		{"absent keys", absent},
		{"taken ids and hashes", taken},
		{"revoking", revoking},
		{"changing", changing},
		{"a change that fails", failing},
		{"changes at the same time", together},
		{"finding by hash", finding},
		{"hashes that are taken, old ones too", takenHashes},
		{"listing by tenant and validity", listing},
		{"paging", paging},
		{"paging while keys come and end", pagingWhileChanging},
		{"concurrent use", concurrent},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			c.test(t, s)
		})
	}
}

// Now is the time at which the suite's keys are made.
func Now() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 891_000, time.UTC) }

// Key returns a key with the given number in its id and hash.
func Key(n int) store.Key {
	return store.Key{
		ID: fmt.Sprintf("key_%020d", n), Name: fmt.Sprintf("key %d", n), Tenant: "acme", Role: accessv1.Role_ROLE_CLIENT,
		Created: Now(), CreatedBy: "admin", Hint: "hg_live_0123", Hash: apikey.Hash{byte(n), byte(n >> 8), 1},
	}
}

func create(t *testing.T, s store.Store, keys ...store.Key) {
	t.Helper()
	for _, k := range keys {
		if err := s.Create(t.Context(), k); err != nil {
			t.Fatalf("Create %s: %v", k.ID, err)
		}
	}
}

func roundTrip(t *testing.T, s store.Store) {
	full := Key(1)
	full.Name, full.Role = `naïve "key"; 'n' <b>`, accessv1.Role_ROLE_ADMIN
	full.Models = []string{"claude-*", "gpt-5"}
	full.Limits = store.Limits{
		RequestsPerMinute: 1, TokensPerMinute: 1 << 40, ConcurrentRequests: 3,
		Budget: 9_223_372_000_000_000_000, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL,
	}
	full.Expires = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	full.Rotated, full.OldUntil = Now().Add(time.Hour), Now().Add(2*time.Hour)
	for i := range full.Hash {
		full.Hash[i], full.OldHash[i] = byte(i*8), byte(i*8+1)
	}
	for _, k := range []store.Key{full, Key(2)} {
		create(t, s, k)
		if got, err := s.Get(t.Context(), k.ID); err != nil || !reflect.DeepEqual(got, k) {
			t.Errorf("Get: %+v, %v\nwant %+v", got, err, k)
		}
	}
	if got, err := s.List(t.Context(), store.Query{Limit: 10}); err != nil || len(got) != 2 || !reflect.DeepEqual(got[0], full) {
		t.Errorf("List: %+v, %v", got, err)
	}
}

func absent(t *testing.T, s store.Store) {
	create(t, s, Key(1))
	for _, id := range []string{"", "key_", Key(2).ID, Key(1).ID + " ", "' OR 1=1 --"} {
		if _, err := s.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get %q: %v", id, err)
		}
		if _, err := s.Revoke(t.Context(), id, Now()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Revoke %q: %v", id, err)
		}
		if _, err := s.Change(t.Context(), id, func(*store.Key) error { return nil }); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Change %q: %v", id, err)
		}
	}
	if _, err := s.List(t.Context(), store.Query{After: "key_none", Limit: 1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("List after an unknown key: %v", err)
	}
}

func taken(t *testing.T, s store.Store) {
	create(t, s, Key(1))
	sameID, sameHash := Key(2), Key(3)
	sameID.ID, sameHash.Hash = Key(1).ID, Key(1).Hash
	for name, k := range map[string]store.Key{"id": sameID, "hash": sameHash} {
		if err := s.Create(t.Context(), k); !errors.Is(err, store.ErrExists) {
			t.Errorf("the same %s: %v", name, err)
		}
	}
	if got, err := s.Get(t.Context(), Key(1).ID); err != nil || got.Name != Key(1).Name {
		t.Errorf("the first key: %+v, %v", got, err)
	}
	if _, err := s.Get(t.Context(), sameHash.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that wasn't made: %v", err)
	}
}

func revoking(t *testing.T, s store.Store) {
	create(t, s, Key(1), Key(2))
	first := Now().Add(time.Second)
	want := Key(1)
	want.Revoked = first
	for _, at := range []time.Time{first, first.Add(time.Hour), first.Add(-time.Hour)} {
		if got, err := s.Revoke(t.Context(), want.ID, at); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Revoke at %v: %+v, %v", at, got, err)
		}
		if got, err := s.Get(t.Context(), want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Get: %+v, %v", got, err)
		}
	}
	if got, err := s.Get(t.Context(), Key(2).ID); err != nil || !got.Revoked.IsZero() {
		t.Errorf("another key: %+v, %v", got, err)
	}
}

// ids are those of a page.
func ids(t *testing.T, s store.Store, q store.Query) []string {
	t.Helper()
	page, err := s.List(t.Context(), q)
	if err != nil {
		t.Errorf("List %+v: %v", q, err)
	}
	list := make([]string, 0, len(page))
	for _, k := range page {
		list = append(list, k.ID)
	}
	return list
}

func listing(t *testing.T, s store.Store) {
	other, ended, expiring, forever := Key(1), Key(2), Key(3), Key(4)
	other.Tenant = "other"
	expiring.Expires = Now().Add(time.Hour)
	create(t, s, other, ended, expiring, forever)
	if _, err := s.Revoke(t.Context(), ended.ID, Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	before, after := Now(), expiring.Expires
	cases := []struct {
		name string
		q    store.Query
		want []string
	}{
		{"everything", store.Query{}, []string{other.ID, ended.ID, expiring.ID, forever.ID}},
		{"of a tenant", store.Query{Tenant: "acme"}, []string{ended.ID, expiring.ID, forever.ID}},
		{"of a tenant without keys", store.Query{Tenant: "nobody"}, []string{}},
		{"valid now", store.Query{ValidAt: before}, []string{other.ID, expiring.ID, forever.ID}},
		{"valid just before one expires", store.Query{ValidAt: after.Add(-time.Microsecond)}, []string{other.ID, expiring.ID, forever.ID}},
		{"valid when one expires", store.Query{ValidAt: after}, []string{other.ID, forever.ID}},
		{"valid, of a tenant", store.Query{Tenant: "acme", ValidAt: after}, []string{forever.ID}},
		{"after a key", store.Query{After: ended.ID}, []string{expiring.ID, forever.ID}},
		{"after another tenant's key", store.Query{Tenant: "acme", After: other.ID}, []string{ended.ID, expiring.ID, forever.ID}},
		{"after an ended key that isn't shown", store.Query{ValidAt: before, After: ended.ID}, []string{expiring.ID, forever.ID}},
		{"after the last", store.Query{After: forever.ID}, []string{}},
	}
	for _, c := range cases {
		c.q.Limit = 10
		if got := ids(t, s, c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func paging(t *testing.T, s store.Store) {
	var want []string
	for n := 25; n > 0; n-- { // ids run against the order of creation, and all times are the same
		create(t, s, Key(n))
		want = append(want, Key(n).ID)
	}
	for _, limit := range []int{1, 7, 24, 25, 26, 1000} {
		var got []string
		q := store.Query{Limit: limit}
		for {
			page := ids(t, s, q)
			if len(page) > limit {
				t.Fatalf("%d keys on a page of %d", len(page), limit)
			}
			if got = append(got, page...); len(page) < limit {
				break
			}
			q.After = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

func pagingWhileChanging(t *testing.T, s store.Store) {
	create(t, s, Key(1), Key(2), Key(3))
	first := ids(t, s, store.Query{ValidAt: Now(), Limit: 2})
	if _, err := s.Revoke(t.Context(), first[1], Now()); err != nil {
		t.Fatal(err)
	}
	create(t, s, Key(4))
	if got := ids(t, s, store.Query{ValidAt: Now(), After: first[1], Limit: 9}); !slices.Equal(got, []string{Key(3).ID, Key(4).ID}) {
		t.Errorf("the next page: %v", got)
	}
}

func concurrent(t *testing.T, s store.Store) {
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := churn(t.Context(), s, Key(1+w*each+i), i%2 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(ids(t, s, store.Query{Limit: 1000})); n != workers*each {
		t.Errorf("%d keys", n)
	}
	if n := len(ids(t, s, store.Query{ValidAt: Now(), Limit: 1000})); n != workers*each/2 {
		t.Errorf("%d valid keys", n)
	}
}

func churn(ctx context.Context, s store.Store, k store.Key, end bool) error {
	if err := s.Create(ctx, k); err != nil {
		return err
	}
	if got, err := s.Get(ctx, k.ID); err != nil || got.Hash != k.Hash {
		return fmt.Errorf("read after write: %+v, %w", got, err)
	}
	if !end {
		return nil
	}
	if _, err := s.Revoke(ctx, k.ID, Now()); err != nil {
		return err
	}
	if got, err := s.Get(ctx, k.ID); err != nil || got.Revoked.IsZero() {
		return fmt.Errorf("read after revoking: %+v, %w", got, err)
	}
	return nil
}
