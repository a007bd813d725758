// Package storetest is the suite that every backend of store.Store passes: the only truth about what a store does.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Backend is one place for entries, empty at first, and what a test may do to it.
type Backend struct {
	// Open returns an instance on the backend; all of them share it. A backend of one process returns the same each time.
	Open func() store.Store
	// Pass lets time pass for everything that is kept.
	Pass func(d time.Duration)
}

// Run runs the suite; newBackend is called for every test.
func Run(t *testing.T, newBackend func(t *testing.T) Backend) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, b Backend){
		"FindsWhatWasPut":               findsWhatWasPut,
		"FindsNothingElse":              findsNothingElse,
		"NamesDontMeet":                 namesDontMeet,
		"Replaces":                      replaces,
		"EndsWithItsTime":               endsWithItsTime,
		"RefusesOldGenerations":         refusesOldGenerations,
		"WithdrawsTheScope":             withdrawsTheScope,
		"KeepsWhatComesAfterwards":      keepsWhatComesAfterwards,
		"WithdrawsAtEveryInstance":      withdrawsAtEveryInstance,
		"WithdrawsEndlesslyManyModels":  withdrawsManyModels,
		"PurgesRacingFills":             purgesRacingFills,
		"AnswersDontCrossUnderPressure": dontCross,
		"LeasesAreOfOneHolder":          leasesAreOfOne,
		"LeasesLapse":                   leasesLapse,
		"LeasesAreDeclined":             leasesAreDeclined,
		"LeasesEndWithAnEntry":          leasesEndWithAnEntry,
		"LeasesOfNamesDontMeet":         leasesOfNames,
		"OneFillHoweverMany":            oneFill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBackend(t))
		})
	}
}

func key(tenant, model string, n byte) store.Key {
	k := store.Key{Tenant: tenant, Model: model}
	for i := range k.Digest {
		k.Digest[i] = n + byte(i)
	}
	return k
}

func get(t *testing.T, s store.Store, k store.Key) store.Result {
	t.Helper()
	r, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if r.Damaged || r.Generation == (store.Generation{}) {
		t.Fatalf("get: %+v", r)
	}
	return r
}

// put keeps a value under the present generation.
func put(t *testing.T, s store.Store, k store.Key, value string) {
	t.Helper()
	g := get(t, s, k).Generation
	e := store.Entry{Key: k, Value: []byte(value), StoredAt: time.Unix(1, 2)}
	if err := s.Put(t.Context(), e, time.Minute, g); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func wantFound(t *testing.T, s store.Store, k store.Key, value string) {
	t.Helper()
	if r := get(t, s, k); !r.Found || string(r.Entry.Value) != value || r.Entry.Key != k {
		t.Fatalf("%s/%s: found %v, a value of %d bytes", k.Tenant, k.Model, r.Found, len(r.Entry.Value))
	}
}

func wantMissing(t *testing.T, s store.Store, k store.Key) {
	t.Helper()
	if r := get(t, s, k); r.Found || r.Entry.Value != nil {
		t.Fatalf("%s/%s: found, and shouldn't be", k.Tenant, k.Model)
	}
}

func findsWhatWasPut(t *testing.T, b Backend) {
	s := b.Open()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	values := []string{"x", string(every), strings.Repeat("long ", 50_000)}
	for i, v := range values {
		k := key("t", "m", byte(i))
		wantMissing(t, s, k)
		put(t, s, k, v)
		wantFound(t, s, k, v)
		if r := get(t, s, k); !r.Entry.StoredAt.Equal(time.Unix(1, 2)) {
			t.Errorf("stored at %v", r.Entry.StoredAt)
		}
	}
	for i, v := range values {
		wantFound(t, b.Open(), key("t", "m", byte(i)), v)
	}
}

func findsNothingElse(t *testing.T, b Backend) {
	s := b.Open()
	put(t, s, key("t", "m", 0), "x")
	for _, k := range []store.Key{key("t", "m", 1), key("u", "m", 0), key("t", "n", 0), key("T", "m", 0), key("t", "", 0)} {
		if r, err := s.Get(t.Context(), k); err != nil || r.Found {
			t.Errorf("%s/%s: %v, %v", k.Tenant, k.Model, r.Found, err)
		}
	}
}

// names try to look like one another's keys.
func names() []string {
	return []string{
		"*", "a", "a}", "{a}", "a}:x", "a:all", "*}:all", "a}:withdrawn", "}", "{", "{}", "a b", "a\x00", "é", strings.Repeat("n", 256), "m:a",
	}
}

// namesDontMeet: whatever a tenant is called, its answers are its own.
func namesDontMeet(t *testing.T, b Backend) {
	s := b.Open()
	names := names()
	for i, tenant := range names {
		for j, model := range names {
			k := key(tenant, model, byte(j))
			wantMissing(t, s, k)
			put(t, s, k, fmt.Sprintf("%d/%d", i, j))
		}
	}
	for i, tenant := range names {
		for j, model := range names {
			wantFound(t, s, key(tenant, model, byte(j)), fmt.Sprintf("%d/%d", i, j))
		}
	}
	if err := s.Withdraw(t.Context(), store.Scope{Tenant: "a}"}); err != nil {
		t.Fatal(err)
	}
	for i, tenant := range names {
		for j, model := range names {
			if k := key(tenant, model, byte(j)); tenant == "a}" {
				wantMissing(t, s, k)
			} else {
				wantFound(t, s, k, fmt.Sprintf("%d/%d", i, j))
			}
		}
	}
}

func replaces(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	for _, v := range []string{"one", "two", "3"} {
		put(t, s, k, v)
		wantFound(t, s, k, v)
	}
	if size := s.Size(); size.Known && size.Entries != 1 {
		t.Errorf("%d entries", size.Entries)
	}
}

func endsWithItsTime(t *testing.T, b Backend) {
	s := b.Open()
	short, long := key("t", "m", 0), key("t", "m", 1)
	for k, ttl := range map[store.Key]time.Duration{short: 30 * time.Second, long: time.Hour} {
		e := store.Entry{Key: k, Value: []byte("x")}
		if err := s.Put(t.Context(), e, ttl, get(t, s, k).Generation); err != nil {
			t.Fatal(err)
		}
	}
	b.Pass(29 * time.Second)
	wantFound(t, s, short, "x")
	b.Pass(2 * time.Second)
	wantMissing(t, s, short)
	wantFound(t, s, long, "x")
	b.Pass(time.Hour)
	wantMissing(t, s, long)
}

func refusesOldGenerations(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	e := store.Entry{Key: k, Value: []byte("x")}
	old := get(t, s, k).Generation
	if again := get(t, s, k).Generation; again != old {
		t.Error("the generation moved by itself")
	}
	for _, scope := range []store.Scope{{Tenant: "t", Model: "m"}, {Model: "m"}, {Tenant: "t"}, {}} {
		before := get(t, s, k).Generation
		if err := s.Withdraw(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		for _, g := range []store.Generation{before, old, {}} {
			if err := s.Put(t.Context(), e, time.Minute, g); !errors.Is(err, store.ErrWithdrawn) {
				t.Errorf("after %+v: %v", scope, err)
			}
			wantMissing(t, s, k)
		}
	}
	other := get(t, s, key("u", "n", 0)).Generation
	if err := s.Put(t.Context(), e, time.Minute, other); err == nil {
		wantMissingOrOwn(t, s, k)
	}
}

// wantMissingOrOwn: where generations of different tenants happen to be equal, an entry may be found, and is whole.
func wantMissingOrOwn(t *testing.T, s store.Store, k store.Key) {
	t.Helper()
	if r := get(t, s, k); r.Found && (r.Entry.Key != k || string(r.Entry.Value) != "x") {
		t.Errorf("found %+v", r.Entry.Key)
	}
}

func withdrawsTheScope(t *testing.T, b Backend) {
	s := b.Open()
	cases := []struct {
		name  string
		scope store.Scope
		stay  []string
	}{
		{"a model", store.Scope{Model: "m"}, []string{"t/n", "u/n"}},
		{"a tenant", store.Scope{Tenant: "t"}, []string{"u/m", "u/n"}},
		{"a tenant's model", store.Scope{Tenant: "t", Model: "m"}, []string{"t/n", "u/m", "u/n"}},
		{"what nobody has", store.Scope{Tenant: "v", Model: "m"}, []string{"t/m", "t/n", "u/m", "u/n"}},
		{"everything", store.Scope{}, nil},
	}
	for i, c := range cases {
		for _, name := range []string{"t/m", "t/n", "u/m", "u/n"} {
			tenant, model, _ := strings.Cut(name, "/")
			put(t, s, key(tenant, model, byte(i)), name)
		}
		if err := s.Withdraw(t.Context(), c.scope); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"t/m", "t/n", "u/m", "u/n"} {
			tenant, model, _ := strings.Cut(name, "/")
			if r := get(t, s, key(tenant, model, byte(i))); r.Found != slices.Contains(c.stay, name) {
				t.Errorf("%s: %s is found: %v", c.name, name, r.Found)
			}
		}
	}
}

func keepsWhatComesAfterwards(t *testing.T, b Backend) {
	s := b.Open()
	k := key("t", "m", 0)
	for i := range 20 {
		if err := s.Withdraw(t.Context(), []store.Scope{{}, {Tenant: "t"}, {Model: "m"}, {Tenant: "t", Model: "m"}}[i%4]); err != nil {
			t.Fatal(err)
		}
		wantMissing(t, s, k)
		put(t, s, k, "x")
		wantFound(t, s, k, "x")
	}
}

func withdrawsAtEveryInstance(t *testing.T, b Backend) {
	one, two := b.Open(), b.Open()
	k := key("t", "m", 0)
	for i := range 20 {
		put(t, one, k, "x")
		wantFound(t, two, k, "x")
		old := get(t, one, k).Generation
		if err := two.Withdraw(t.Context(), []store.Scope{{}, {Tenant: "t"}, {Model: "m"}, {Tenant: "t", Model: "m"}}[i%4]); err != nil {
			t.Fatal(err)
		}
		wantMissing(t, one, k)
		if err := one.Put(t.Context(), store.Entry{Key: k, Value: []byte("x")}, time.Minute, old); !errors.Is(err, store.ErrWithdrawn) {
			t.Errorf("put: %v", err)
		}
		wantMissing(t, two, k)
	}
}

// withdrawsManyModels: however many withdrawals there are, each holds, and no tenant's are another's.
func withdrawsManyModels(t *testing.T, b Backend) {
	s := b.Open()
	mine, others := key("t", "m", 0), key("u", "m", 0)
	put(t, s, others, "x")
	for i := range 2100 {
		model := fmt.Sprint("model ", i)
		k := key("t", model, 0)
		if i%100 == 0 {
			put(t, s, k, "x")
		}
		if err := s.Withdraw(t.Context(), store.Scope{Tenant: "t", Model: model}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			wantMissing(t, s, k)
		}
	}
	for i := range 2100 {
		wantMissing(t, s, key("t", fmt.Sprint("model ", i), 0))
	}
	put(t, s, mine, "x")
	wantFound(t, s, mine, "x")
	wantFound(t, s, others, "x")
}

func canary(k store.Key) []byte {
	return bytes.Repeat([]byte(k.Tenant+"|"+k.Model+"|"+string(k.Digest[:])), 20)
}
