package ledger_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/ledger"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/seed"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// usage is a ledger of three keys.
type usage struct {
	usagev1.UnimplementedUsageServiceServer

	down, short bool
	asked       []string
	from        time.Time
}

var rows = map[string]int64{
	"acme/": 10_000_125_000_001, "acme/k1": 125_000_000, "acme/k2": 10_000_000_000_000,
	"rich/": math.MaxInt64, "rich/k3": store.MaxMoney + 1, "odd/": -1,
}

func (u *usage) GetSpent(ctx context.Context, r *usagev1.GetSpentRequest) (*usagev1.GetSpentResponse, error) {
	if u.down {
		return nil, status.Error(codes.Unavailable, "down")
	}
	p, someone := auth.FromContext(ctx)
	who := "nobody"
	if someone {
		who = p.KeyID
	}
	var names []string
	answer := new(usagev1.GetSpentResponse)
	for _, a := range r.GetAccounts() {
		name := a.GetTenant() + "/" + a.GetKeyId()
		names, answer.CostPicoUsd = append(names, name), append(answer.CostPicoUsd, rows[name])
	}
	u.asked, u.from = append(u.asked, strings.Join(names, " ")+" for "+who), r.GetStart().AsTime()
	if u.short {
		answer.CostPicoUsd = answer.GetCostPicoUsd()[1:]
	}
	return answer, nil
}

// open leads to a usage service that knows no key at all, not even an administrator's.
func open(u *usage) *ledger.Ledger {
	secret := auth.Secret(strings.Repeat("s", 32))
	server := rpc.NewServer(rpc.Options{Name: "usage", Peers: auth.NewPeerVerifier(secret), Verifier: auth.NewAdminKey("")})
	usagev1.RegisterUsageServiceServer(server, u)
	return ledger.New(peer.InProcess(server.InProcess(), peer.Options{Credentials: auth.PeerCredentials("ratelimit", secret)}))
}

func key(tenant, id string) seed.Account {
	return seed.Account{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, Tenant: tenant, ID: id}
}

func tenant(name string) seed.Account {
	return seed.Account{Kind: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, Tenant: name, ID: name}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		from     time.Time
		accounts []seed.Account
		want     []int64
		asked    []string
		since    time.Time
	}{
		{
			name: "one", from: day, accounts: []seed.Account{key("acme", "k1")},
			want: []int64{125_000_000}, asked: []string{"acme/k1 for nobody"}, since: day,
		},
		{
			name: "a tenant, since ever", accounts: []seed.Account{tenant("none")},
			want: []int64{0}, asked: []string{"none/ for nobody"}, since: time.Unix(0, 0),
		},
		{
			name: "several in one question", from: day, since: day,
			accounts: []seed.Account{tenant("acme"), key("acme", "k2"), key("acme", "new"), key("rich", "k3"), tenant("rich")},
			want:     []int64{10_000_125_000_001, 10_000_000_000_000, 0, store.MaxMoney, store.MaxMoney},
			asked:    []string{"acme/ acme/k2 acme/new rich/k3 rich/ for nobody"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := new(usage)
			got, err := open(u).Spent(t.Context(), c.from, c.accounts)
			if err != nil || !slices.Equal(got, c.want) || !slices.Equal(u.asked, c.asked) || !u.from.Equal(c.since) {
				t.Errorf("%v, %v, asked %q since %v", got, err, u.asked, u.from)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		usage usage
		of    seed.Account
	}{
		{"down", usage{down: true}, tenant("acme")},
		{"a sum is missing", usage{short: true}, tenant("acme")},
		{"a sum below zero", usage{}, tenant("odd")},
	} {
		if got, err := open(&c.usage).Spent(t.Context(), time.Time{}, []seed.Account{key("acme", "k1"), c.of}); err == nil {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
