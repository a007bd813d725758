package storetest

import (
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

// changing changes all that may change, and tries the rest.
func changing(t *testing.T, s store.Store) {
	create(t, s, Key(1), Key(2), Key(3))
	want := Key(2)
	want.Name, want.Models, want.Expires, want.Hint = "another", []string{"a*", "b"}, Now().Add(time.Hour), "hg_live_9999"
	want.Limits = store.Limits{
		RequestsPerMinute: 1, TokensPerMinute: 2, ConcurrentRequests: 3, Budget: 4, BudgetPeriod: ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY,
	}
	want.Hash, want.OldHash = apikey.Hash{9}, Key(2).Hash
	want.Rotated, want.OldUntil = Now().Add(time.Second), Now().Add(time.Minute)
	attempt := want
	attempt.ID, attempt.Tenant, attempt.Role, attempt.CreatedBy = Key(7).ID, "other", accessv1.Role_ROLE_ADMIN, "somebody"
	attempt.Created, attempt.Revoked = Now().Add(time.Hour), Now()
	for i, to := range []store.Key{attempt, Key(2)} {
		got, err := s.Change(t.Context(), Key(2).ID, func(k *store.Key) error {
			if want := []store.Key{Key(2), want}[i]; !reflect.DeepEqual(*k, want) {
				t.Errorf("before change %d: %+v, want %+v", i, *k, want)
			}
			*k = to
			return nil
		})
		if want := []store.Key{want, Key(2)}[i]; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("change %d: %+v, %v\nwant %+v", i, got, err, want)
		}
		if kept, err := s.Get(t.Context(), Key(2).ID); err != nil || !reflect.DeepEqual(kept, got) {
			t.Errorf("kept by change %d: %+v, %v", i, kept, err)
		}
	}
	if list := ids(t, s, store.Query{Limit: 9}); !slices.Equal(list, []string{Key(1).ID, Key(2).ID, Key(3).ID}) {
		t.Errorf("the order of keys: %v", list)
	}
	if other, err := s.Get(t.Context(), Key(1).ID); err != nil || !reflect.DeepEqual(other, Key(1)) {
		t.Errorf("another key: %+v, %v", other, err)
	}
}

// failing changes nothing and passes the error on.
func failing(t *testing.T, s store.Store) {
	create(t, s, Key(1))
	own := errors.New("no")
	_, err := s.Change(t.Context(), Key(1).ID, func(k *store.Key) error {
		k.Name, k.Hash, k.OldHash = "another", apikey.Hash{9}, k.Hash
		return own
	})
	if err != own { //nolint:errorlint // as it is
		t.Errorf("Change: %v", err)
	}
	if got, err := s.Get(t.Context(), Key(1).ID); err != nil || !reflect.DeepEqual(got, Key(1)) {
		t.Errorf("Get: %+v, %v", got, err)
	}
	if _, err := s.Find(t.Context(), apikey.Hash{9}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Find: %v", err)
	}
}

// together: each change builds on what it saw, some end the key meanwhile, and nothing is lost.
func together(t *testing.T, s store.Store) {
	const workers, each = 8, 25
	create(t, s, Key(1))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				_, err := s.Change(t.Context(), Key(1).ID, func(k *store.Key) error {
					k.Limits.RequestsPerMinute++
					k.Models = append(slices.Clone(k.Models), fmt.Sprintf("m-%d-%d", w, i))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		if _, err := s.Revoke(t.Context(), Key(1).ID, Now()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	k, err := s.Get(t.Context(), Key(1).ID)
	slices.Sort(k.Models)
	if err != nil || k.Limits.RequestsPerMinute != workers*each || len(slices.Compact(k.Models)) != workers*each || k.Revoked.IsZero() {
		t.Errorf("%d changes, %d models, revoked %v: %v", k.Limits.RequestsPerMinute, len(k.Models), k.Revoked, err)
	}
}

// rotate gives a key another hash; none keeps the one before.
func rotate(t *testing.T, s store.Store, id string, to apikey.Hash, until time.Time) (store.Key, error) {
	t.Helper()
	return s.Change(t.Context(), id, func(k *store.Key) error {
		k.OldHash, k.OldUntil, k.Hash = k.Hash, until, to
		if until.IsZero() {
			k.OldHash = apikey.Hash{}
		}
		return nil
	})
}

func finding(t *testing.T, s store.Store) {
	create(t, s, Key(1), Key(2))
	finds := func(when string, want map[apikey.Hash]string) {
		t.Helper()
		for hash, id := range want {
			if got, err := s.Find(t.Context(), hash); got.ID != id || (err == nil) != (id != "") || (id == "" && !errors.Is(err, store.ErrNotFound)) {
				t.Errorf("%s: %x finds %q, %v; want %q", when, hash[:3], got.ID, err, id)
			}
		}
	}
	first, second, third := Key(1).Hash, apikey.Hash{7, 7}, apikey.Hash{8, 8}
	finds("at first", map[apikey.Hash]string{first: Key(1).ID, Key(2).Hash: Key(2).ID, second: "", {}: ""})
	for _, step := range []struct {
		to    apikey.Hash
		until time.Time
		want  map[apikey.Hash]string
	}{
		{second, Now(), map[apikey.Hash]string{first: Key(1).ID, second: Key(1).ID, third: "", {}: ""}},
		{third, Now(), map[apikey.Hash]string{first: "", second: Key(1).ID, third: Key(1).ID}},
		{first, time.Time{}, map[apikey.Hash]string{first: Key(1).ID, second: "", third: "", {}: ""}},
	} {
		k, err := rotate(t, s, Key(1).ID, step.to, step.until)
		if err != nil || k.Hash != step.to {
			t.Fatalf("%+v, %v", k, err)
		}
		finds(fmt.Sprintf("after %x", step.to[:2]), step.want)
	}
	if _, err := s.Revoke(t.Context(), Key(2).ID, Now()); err != nil {
		t.Fatal(err)
	}
	finds("ended", map[apikey.Hash]string{Key(2).Hash: Key(2).ID})
}

func takenHashes(t *testing.T, s store.Store) {
	create(t, s, Key(1), Key(2))
	if _, err := rotate(t, s, Key(1).ID, apikey.Hash{7}, Now()); err != nil {
		t.Fatal(err)
	}
	for name, hash := range map[string]apikey.Hash{"present": {7}, "old": Key(1).Hash} {
		k := Key(3)
		k.Hash = hash
		if err := s.Create(t.Context(), k); !errors.Is(err, store.ErrExists) {
			t.Errorf("a new key with another's %s hash: %v", name, err)
		}
		if _, err := rotate(t, s, Key(2).ID, hash, time.Time{}); !errors.Is(err, store.ErrExists) {
			t.Errorf("a change to another's %s hash: %v", name, err)
		}
		if found, err := s.Find(t.Context(), hash); err != nil || found.ID != Key(1).ID {
			t.Errorf("the %s hash: %+v, %v", name, found, err)
		}
	}
	if got, err := s.Get(t.Context(), Key(2).ID); err != nil || !reflect.DeepEqual(got, Key(2)) {
		t.Errorf("a key whose change was refused: %+v, %v", got, err)
	}
	if _, err := s.Get(t.Context(), Key(3).ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that wasn't made: %v", err)
	}
}
