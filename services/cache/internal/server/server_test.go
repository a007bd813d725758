package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/cache/internal/memory"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

func newServer(t *testing.T, s store.Store) *Server {
	t.Helper()
	server, err := New(s, Options{
		MaxEntry: 1 << 10, TTL: time.Minute, MaxTTL: time.Hour, LookupTimeout: 25 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func inMemory() store.Store {
	return memory.New(memory.Options{MaxBytes: 1 << 20, MaxEntry: 1 << 10, Now: time.Now})
}

func digest(n byte) []byte { return append(make([]byte, 31), n) }

func lookup(t *testing.T, s *Server, tenant string, n byte) *cachev1.LookupResponse {
	t.Helper()
	r, err := s.Lookup(t.Context(), &cachev1.LookupRequest{Digest: digest(n), Tenant: tenant, Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keep(t *testing.T, s *Server, tenant string, n byte, value string) bool {
	t.Helper()
	r, err := s.Store(t.Context(), &cachev1.StoreRequest{
		Digest: digest(n), Tenant: tenant, Model: "m", Value: []byte(value), Generation: lookup(t, s, tenant, n).GetGeneration(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetStored()
}

func figures(t *testing.T, s *Server) *cachev1.GetStatsResponse {
	t.Helper()
	r, err := s.GetStats(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookupAndStore(t *testing.T) {
	t.Parallel()
	s := newServer(t, inMemory())
	if !keep(t, s, "t", 1, "answer") || keep(t, s, "t", 2, strings.Repeat("x", 1<<10+1)) {
		t.Error("the small answer is kept, the large one isn't")
	}
	if r := lookup(t, s, "t", 1); !r.GetFound() || string(r.GetValue()) != "answer" || time.Since(r.GetStoredAt().AsTime()) > time.Minute {
		t.Errorf("got %v", r)
	}
	if r := lookup(t, s, "u", 1); r.GetFound() || r.GetValue() != nil {
		t.Errorf("another tenant's: %v", r)
	}
	got := figures(t, s)
	want := &cachev1.GetStatsResponse{Backend: "memory", Hits: 1, Misses: 3, Stores: 1, Rejected: 1, Entries: 1, Bytes: got.GetBytes()}
	if !proto.Equal(got, want) || got.GetBytes() < 6 {
		t.Errorf("got %v", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	stored := func(change func(r *cachev1.StoreRequest)) *cachev1.StoreRequest {
		r := &cachev1.StoreRequest{Digest: digest(0), Tenant: "t", Model: "m", Value: []byte("x"), Generation: make([]byte, 16)}
		change(r)
		return r
	}
	held := func(change func(r *cachev1.HoldRequest)) *cachev1.HoldRequest {
		r := &cachev1.HoldRequest{Digest: digest(0), Tenant: "t", Model: "m", Holder: named(0)}
		change(r)
		return r
	}
	long := strings.Repeat("x", 257)
	cases := map[string]struct {
		m     proto.Message
		field string
	}{
		"lookup":           {&cachev1.LookupRequest{Digest: digest(0), Tenant: "t", Model: "m"}, ""},
		"lookup and lease": {&cachev1.LookupRequest{Digest: digest(0), Tenant: "t", Model: "m", Holder: named(0)}, ""},
		"short holder":     {&cachev1.LookupRequest{Digest: digest(0), Tenant: "t", Model: "m", Holder: []byte("x")}, "holder"},
		"store, a holder":  {stored(func(r *cachev1.StoreRequest) { r.Holder = []byte("x") }), "holder"},
		"hold":             {held(func(r *cachev1.HoldRequest) { r.Wait = durationpb.New(10 * time.Second) }), ""},
		"hold, no holder":  {held(func(r *cachev1.HoldRequest) { r.Holder = nil }), "holder"},
		"hold, no tenant":  {held(func(r *cachev1.HoldRequest) { r.Tenant = "" }), "tenant"},
		"hold for ever":    {held(func(r *cachev1.HoldRequest) { r.Wait = durationpb.New(11 * time.Second) }), "wait"},
		"hold backwards":   {held(func(r *cachev1.HoldRequest) { r.Wait = durationpb.New(-1) }), "wait"},
		"release":          {&cachev1.ReleaseRequest{Digest: digest(0), Tenant: "t", Model: "m", Holder: named(0)}, ""},
		"release whose":    {&cachev1.ReleaseRequest{Digest: digest(0), Tenant: "t", Model: "m"}, "holder"},
		"release what":     {&cachev1.ReleaseRequest{Tenant: "t", Model: "m", Holder: named(0)}, "digest"},
		"short digest":     {&cachev1.LookupRequest{Digest: []byte("x"), Tenant: "t", Model: "m"}, "digest"},
		"no tenant":        {&cachev1.LookupRequest{Digest: digest(0), Model: "m"}, "tenant"},
		"no model":         {&cachev1.LookupRequest{Digest: digest(0), Tenant: "t"}, "model"},
		"long tenant":      {&cachev1.LookupRequest{Digest: digest(0), Tenant: long, Model: "m"}, "tenant"},
		"long model":       {&cachev1.LookupRequest{Digest: digest(0), Tenant: "t", Model: long}, "model"},
		"store":            {stored(func(*cachev1.StoreRequest) {}), ""},
		"no value":         {stored(func(r *cachev1.StoreRequest) { r.Value = nil }), "value"},
		"no generation":    {stored(func(r *cachev1.StoreRequest) { r.Generation = nil }), "generation"},
		"a minute":         {stored(func(r *cachev1.StoreRequest) { r.Ttl = durationpb.New(time.Minute) }), ""},
		"a millisecond":    {stored(func(r *cachev1.StoreRequest) { r.Ttl = durationpb.New(time.Millisecond) }), "ttl"},
		"negative":         {stored(func(r *cachev1.StoreRequest) { r.Ttl = durationpb.New(-time.Hour) }), "ttl"},
		"no duration":      {stored(func(r *cachev1.StoreRequest) { r.Ttl = &durationpb.Duration{Seconds: 1, Nanos: -1} }), "ttl"},
		"invalidate":       {&cachev1.InvalidateRequest{All: true}, ""},
		"invalidate what?": {&cachev1.InvalidateRequest{}, "model"},
		"invalidate long":  {&cachev1.InvalidateRequest{Tenant: long}, "tenant"},
		"another message":  {&cachev1.GetStatsRequest{}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Validate(c.m)
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := fault.From(err); err == nil || f.Metadata["field"] != c.field || f.GRPCCode().String() != "InvalidArgument" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// as is the context of a call with a key of this tenant.
func as(ctx context.Context, role accessv1.Role, tenant string) context.Context {
	return auth.NewContext(ctx, auth.Principal{Role: role, Tenant: tenant})
}

func TestInvalidateReachesOnesOwn(t *testing.T) {
	t.Parallel()
	admin, viewer := accessv1.Role_ROLE_ADMIN, accessv1.Role_ROLE_VIEWER
	cases := []struct {
		name    string
		ctx     context.Context
		r       *cachev1.InvalidateRequest
		refused bool
		gone    string
	}{
		{"operator, all", as(t.Context(), admin, ""), &cachev1.InvalidateRequest{All: true}, false, "t u"},
		{"operator, a model", as(t.Context(), admin, ""), &cachev1.InvalidateRequest{Model: "m"}, false, "t u"},
		{"operator, a tenant", as(t.Context(), admin, ""), &cachev1.InvalidateRequest{Tenant: "u"}, false, "u"},
		{"operator, all of a tenant", as(t.Context(), admin, ""), &cachev1.InvalidateRequest{All: true, Tenant: "u"}, false, "u"},
		{"operator, another model", as(t.Context(), admin, ""), &cachev1.InvalidateRequest{Model: "n"}, false, ""},
		{"tenant, all", as(t.Context(), admin, "t"), &cachev1.InvalidateRequest{All: true}, false, "t"},
		{"tenant, a model", as(t.Context(), admin, "t"), &cachev1.InvalidateRequest{Model: "m"}, false, "t"},
		{"tenant, itself", as(t.Context(), admin, "t"), &cachev1.InvalidateRequest{Tenant: "t", Model: "m"}, false, "t"},
		{"tenant, another", as(t.Context(), admin, "t"), &cachev1.InvalidateRequest{Tenant: "u"}, true, ""},
		{"tenant, all of another", as(t.Context(), admin, "t"), &cachev1.InvalidateRequest{Tenant: "u", All: true}, true, ""},
		{"viewer", as(t.Context(), viewer, "t"), &cachev1.InvalidateRequest{All: true}, true, ""},
		{"nobody", t.Context(), &cachev1.InvalidateRequest{All: true}, true, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, inMemory())
			keep(t, s, "t", 1, "x")
			keep(t, s, "u", 1, "x")
			_, err := s.Invalidate(c.ctx, c.r)
			if c.refused != (fault.From(err) != nil && fault.From(err).Reason == errorsv1.Reason_REASON_PERMISSION_DENIED) {
				t.Errorf("got %v", err)
			}
			for _, tenant := range []string{"t", "u"} {
				if lookup(t, s, tenant, 1).GetFound() == strings.Contains(c.gone, tenant) {
					t.Errorf("%s is found: %v", tenant, !strings.Contains(c.gone, tenant))
				}
			}
		})
	}
}

// TestKeysOfOthers: a call that carries a key is refused where the key is of another tenant than the call.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	s := newServer(t, inMemory())
	for tenant, want := range map[string]bool{"t": true, "u": false, "": false} {
		ctx := as(t.Context(), accessv1.Role_ROLE_CLIENT, tenant)
		_, err := s.Lookup(ctx, &cachev1.LookupRequest{Digest: digest(1), Tenant: "t", Model: "m"})
		if (err == nil) != want {
			t.Errorf("lookup by %q: %v", tenant, err)
		}
		_, err = s.Store(ctx, &cachev1.StoreRequest{Digest: digest(1), Tenant: "t", Model: "m", Value: []byte("x"), Generation: make([]byte, 16)})
		if (err == nil) != want {
			t.Errorf("store by %q: %v", tenant, err)
		}
	}
	if _, err := s.Lookup(as(t.Context(), accessv1.Role_ROLE_ADMIN, ""), &cachev1.LookupRequest{Digest: digest(1), Tenant: auth.DefaultTenant, Model: "m"}); err != nil {
		t.Errorf("an operator's own call: %v", err)
	}
}

// broken is a backend that misbehaves.
type broken struct {
	store.Store

	result store.Result
	err    error
	wait   bool
}

func (b broken) Get(ctx context.Context, _ store.Key) (store.Result, error) {
	if b.wait {
		<-ctx.Done()
		return store.Result{}, ctx.Err()
	}
	return b.result, b.err
}

func (b broken) Acquire(ctx context.Context, k store.Key, _ store.Holder) (store.Result, store.Lease, error) {
	r, err := b.Get(ctx, k)
	return r, store.Free, err
}

func (b broken) Lease(context.Context, store.Key) (store.Lease, error)        { return store.Free, b.err }
func (b broken) Release(context.Context, store.Key, store.Holder, bool) error { return b.err }
func (b broken) Put(context.Context, store.Entry, time.Duration, store.Generation) error {
	return b.err
}
func (b broken) Withdraw(context.Context, store.Scope) error { return b.err }
func (b broken) Size() store.Size                            { return store.Size{} }
func (b broken) Name() string                                { return "redis" }

func TestBackendDown(t *testing.T) {
	t.Parallel()
	s := newServer(t, broken{err: errors.New("dial tcp 10.0.0.1:6379: refused")})
	if r := lookup(t, s, "t", 1); r.GetFound() || len(r.GetGeneration()) != 0 {
		t.Errorf("lookup: %v", r)
	}
	r, err := s.Store(t.Context(), &cachev1.StoreRequest{Digest: digest(1), Tenant: "t", Model: "m", Value: []byte("x"), Generation: make([]byte, 16)})
	if err != nil || r.GetStored() {
		t.Errorf("store: %v, %v", r, err)
	}
	_, err = s.Invalidate(as(t.Context(), accessv1.Role_ROLE_ADMIN, ""), &cachev1.InvalidateRequest{All: true})
	if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_SERVICE_UNAVAILABLE || strings.Contains(f.Message, "10.0.0.1") {
		t.Errorf("invalidate: %v", err)
	}
	if got, want := figures(t, s), (&cachev1.GetStatsResponse{Backend: "redis", Misses: 1, Errors: 3}); !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestBackendSlow(t *testing.T) {
	t.Parallel()
	s := newServer(t, broken{wait: true})
	start := time.Now()
	if r := lookup(t, s, "t", 1); r.GetFound() || time.Since(start) > time.Second {
		t.Errorf("%v after %v", r, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lookup(ctx, &cachev1.LookupRequest{Digest: digest(1), Tenant: "t", Model: "m"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
	if got := figures(t, s); got.GetErrors() != 1 {
		t.Errorf("got %v", got)
	}
}

// TestBackendMixesUp: an entry that isn't the one that was asked for is a miss, and counted.
func TestBackendMixesUp(t *testing.T) {
	t.Parallel()
	right := store.Key{Tenant: "t", Model: "m", Digest: store.Digest(digest(1))}
	for name, k := range map[string]store.Key{
		"tenant": {Tenant: "u", Model: right.Model, Digest: right.Digest},
		"model":  {Tenant: right.Tenant, Model: "n", Digest: right.Digest},
		"digest": {Tenant: right.Tenant, Model: right.Model},
	} {
		s := newServer(t, broken{result: store.Result{Found: true, Generation: store.Generation{1}, Entry: store.Entry{Key: k, Value: []byte("canary")}}})
		if r := lookup(t, s, "t", 1); r.GetFound() || r.GetValue() != nil || len(r.GetGeneration()) == 0 {
			t.Errorf("another %s: %v", name, r)
		}
		if got := figures(t, s); got.GetErrors() != 1 || got.GetMisses() != 1 || got.GetHits() != 0 {
			t.Errorf("another %s: %v", name, got)
		}
	}
}
