package ratelimit_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/ratelimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys are callers by their key.
type keys map[string]auth.Principal

func (k keys) Verify(_ context.Context, key string) (auth.Principal, error) { return k[key], nil }

var callers = keys{
	"client": {KeyID: "k1", Tenant: "acme", Role: accessv1.Role_ROLE_CLIENT, Limits: &ratelimitv1.Limits{RequestsPerMinute: 10}},
	"admin":  {KeyID: "a1", Tenant: "acme", Role: accessv1.Role_ROLE_ADMIN},
	"other":  {KeyID: "o1", Tenant: "other", Role: accessv1.Role_ROLE_ADMIN},
}

func lookup(_ context.Context, id string) (auth.Principal, bool) {
	for _, p := range callers {
		if p.KeyID == id {
			return p, true
		}
	}
	return auth.Principal{}, false
}

// start runs a service behind a server of the mesh and returns what routers call it by, and the service.
func start(t *testing.T, cfg ratelimit.Config, clock func() time.Time) (ratelimitv1.RateLimitServiceClient, *ratelimit.Service) {
	t.Helper()
	return startWith(t, cfg, ratelimit.Deps{Clock: clock})
}

func startWith(t testing.TB, cfg ratelimit.Config, deps ratelimit.Deps) (ratelimitv1.RateLimitServiceClient, *ratelimit.Service) {
	t.Helper()
	if deps.Lookup = lookup; deps.Logger == nil {
		deps.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := ratelimit.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	secret := auth.Secret(strings.Repeat("s", 32))
	server := rpc.NewServer(rpc.Options{
		Name: "ratelimit", Peers: auth.NewPeerVerifier(secret), Verifier: callers,
		Validate: func(_ string, m proto.Message) error { return s.Validate(m) },
	})
	s.Register(server)
	conn := peer.InProcess(server.InProcess(), peer.Options{Credentials: auth.PeerCredentials("router", secret)})
	return ratelimitv1.NewRateLimitServiceClient(conn), s
}

func scope(l *ratelimitv1.Limits) []*ratelimitv1.Scope {
	return []*ratelimitv1.Scope{{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, Id: "k1", Limits: l}}
}

func TestOneCall(t *testing.T) {
	t.Parallel()
	client, _ := start(t, ratelimit.Config{}, nil)
	request := &ratelimitv1.ReserveRequest{
		ReservationId: "1", Holder: "r", Tenant: "acme", Tokens: 60, Scopes: scope(&ratelimitv1.Limits{RequestsPerMinute: 10, TokensPerMinute: 100}),
	}
	a, err := client.Reserve(t.Context(), request)
	if err != nil || a.GetRefusal() != nil || a.GetDegraded() || len(a.GetBalances()) != 2 || a.GetBalances()[1].GetRemaining() != 40 {
		t.Fatalf("%v %v", a, err)
	}
	request.ReservationId = "2"
	a, err = client.Reserve(t.Context(), request)
	if err != nil || a.GetRefusal().GetBalance().GetDimension() != ratelimitv1.Dimension_DIMENSION_TOKENS ||
		a.GetRefusal().GetRetryAfter().AsDuration() < 11*time.Second {
		t.Fatalf("%v %v", a, err)
	}
	_, err = client.Settle(t.Context(), &ratelimitv1.SettleRequest{ReservationId: "1", Holder: "r", Tenant: "acme", Scopes: request.GetScopes(), Tokens: 10})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = client.Reserve(t.Context(), request); err != nil || a.GetRefusal() != nil {
		t.Fatalf("%v %v", a, err)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	client, service := start(t, ratelimit.Config{}, nil)
	stream, err := client.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	limits := &ratelimitv1.Limits{RequestsPerMinute: 3200}
	message := &ratelimitv1.LeaseRequest{Holder: "r", Sequence: 1, Stocks: []*ratelimitv1.Stock{
		{Tenant: "a", Scope: scope(limits)[0], WantRequests: 1000},
		{Tenant: "b", Scope: scope(limits)[0], WantRequests: 7},
		{Tenant: "a", Scope: &ratelimitv1.Scope{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, Id: "a", Limits: limits}, WantRequests: 8},
	}}
	for range 2 { // the second time it was seen
		if err := stream.Send(message); err != nil {
			t.Fatal(err)
		}
		a, err := stream.Recv()
		if err != nil || a.GetSequence() != 1 || a.GetLiveHolders() != 1 || a.GetValidFor().AsDuration() != 2*time.Second {
			t.Fatalf("%v %v", a, err)
		}
		for i, want := range []int64{100, 7, 8} {
			if got := a.GetStocks()[i]; got.GetRequests() != want || got.GetTenant() != message.GetStocks()[i].GetTenant() {
				t.Errorf("stock %d: %v, want %d", i, got, want)
			}
		}
	}
	service.Drain()
	if err := stream.Send(message); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("no last answer: %v", err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream goes on: %v", err)
	}
}

// Grants that are next to nothing of every limit are valid for longer, whoever else holds some: what is told twice is the same.
func TestLeaseOfLittle(t *testing.T) {
	t.Parallel()
	limits := &ratelimitv1.Limits{RequestsPerMinute: 2000, TokensPerMinute: 200_000, ConcurrentRequests: 400}
	for name, c := range map[string]struct {
		stock *ratelimitv1.Stock
		valid time.Duration
	}{
		"little of all":    {&ratelimitv1.Stock{WantRequests: 10, WantTokens: 1000, Places: 5, PlacesUsed: 3}, 8 * time.Second},
		"nothing":          {&ratelimitv1.Stock{}, 8 * time.Second},
		"some requests":    {&ratelimitv1.Stock{WantRequests: 11}, 2 * time.Second},
		"some tokens":      {&ratelimitv1.Stock{WantTokens: 1001}, 2 * time.Second},
		"some of the rest": {&ratelimitv1.Stock{Places: 6, PlacesUsed: 3}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			client, _ := start(t, ratelimit.Config{}, func() time.Time { return now })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream, err := client.Lease(ctx)
			if err != nil {
				t.Fatal(err)
			}
			c.stock.Tenant, c.stock.Scope = "a", scope(limits)[0]
			if err := stream.Send(&ratelimitv1.LeaseRequest{Holder: "r", Sequence: 1, Stocks: []*ratelimitv1.Stock{c.stock}}); err != nil {
				t.Fatal(err)
			}
			if a, err := stream.Recv(); err != nil || a.GetValidFor().AsDuration() != c.valid {
				t.Errorf("%v %v, want it valid for %v", a, err, c.valid)
			}
		})
	}
}

func TestGetQuota(t *testing.T) {
	t.Parallel()
	client, _ := start(t, ratelimit.Config{Tenants: map[string]ratelimit.Limits{"acme": {TokensPerMinute: 500}}}, nil)
	for _, c := range []struct {
		name, key, ask string
		balances       int
		reason         string
	}{
		{"own", "client", "", 2, ""},
		{"own by name", "client", "k1", 2, ""},
		{"another's, as a client", "client", "a1", 0, "PERMISSION_DENIED"},
		{"another's, as an administrator", "admin", "k1", 2, ""},
		{"another tenant's", "other", "k1", 0, "NOT_FOUND"},
		{"nobody's", "admin", "x", 0, "NOT_FOUND"},
		{"without limits of its own", "admin", "", 1, ""},
		{"too long", "admin", strings.Repeat("x", 201), 0, "INVALID_FIELD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := client.GetQuota(auth.WithKey(t.Context(), c.key), &ratelimitv1.GetQuotaRequest{KeyId: c.ask})
			if c.reason != "" {
				if f := fault.From(err); err == nil || fault.Code(f.Reason) != c.reason {
					t.Errorf("%v, want %s", err, c.reason)
				}
				return
			}
			if err != nil || len(a.GetBalances()) != c.balances {
				t.Errorf("%v %v, want %d balances", a, err, c.balances)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	client, _ := start(t, ratelimit.Config{}, nil)
	for _, c := range []struct {
		field  string
		change func(r *ratelimitv1.ReserveRequest)
	}{
		{"reservation_id", func(r *ratelimitv1.ReserveRequest) { r.ReservationId = "" }},
		{"reservation_id", func(r *ratelimitv1.ReserveRequest) { r.ReservationId = strings.Repeat("x", 201) }},
		{"holder", func(r *ratelimitv1.ReserveRequest) { r.Holder = "" }},
		{"tenant", func(r *ratelimitv1.ReserveRequest) { r.Tenant = "" }},
		{"scopes", func(r *ratelimitv1.ReserveRequest) { r.Scopes = nil }},
		{"scopes", func(r *ratelimitv1.ReserveRequest) { r.Scopes = make([]*ratelimitv1.Scope, 5) }},
		{"scopes[0].kind", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Kind = 0 }},
		{"scopes[0].id", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Id = "" }},
		{"scopes[0].limits.tokens_per_minute", func(r *ratelimitv1.ReserveRequest) { r.Scopes[0].Limits.TokensPerMinute = -1 }},
		{"tokens", func(r *ratelimitv1.ReserveRequest) { r.Tokens = -1 }},
		{"hold", func(r *ratelimitv1.ReserveRequest) { r.Hold = durationpb.New(-1) }},
	} {
		r := &ratelimitv1.ReserveRequest{ReservationId: "1", Holder: "r", Tenant: "acme", Scopes: scope(&ratelimitv1.Limits{TokensPerMinute: 5})}
		c.change(r)
		_, err := client.Reserve(t.Context(), r)
		if f := fault.From(err); status.Code(err) != codes.InvalidArgument || f.Metadata["field"] != c.field {
			t.Errorf("%v, want INVALID_ARGUMENT of %s", err, c.field)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var c ratelimit.Config
	text := `
backend: redis
timeout: 2s
lease_time: 5s
instances: -1
key_prefix: "a{b}"
tenants: {acme: {requests_per_minute: -5}}
`
	err := conf.Parse("headgate.yaml", []byte(text), &c, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"headgate.yaml:3: timeout", "headgate.yaml:4: lease_time", "headgate.yaml:5: instances", "headgate.yaml:6: key_prefix",
		"headgate.yaml:7: tenants.acme.requests_per_minute", "redis_url: is required",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if err := (&ratelimit.Config{}).Validate(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	if _, err := ratelimit.New(ratelimit.Config{Backend: "redis", RedisURL: "http://user:hunter2@x"}, ratelimit.Deps{}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
