// Package redis keeps accounts in Redis, for any number of instances. Each operation is one script, so it is atomic; time
// is the server's; all keys of an operation carry the tenant as their hash tag, so that a cluster finds them in one place;
// every key runs out by itself.
package redis

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Options configure a Store.
type Options struct {
	// URL is redis://user:password@host:port/db.
	URL string
	// Cluster says that URL is a node of a cluster.
	Cluster bool
	// Prefix begins every key; without braces.
	Prefix string
	// PoolSize bounds the connections.
	PoolSize int
	// Network bounds dialling, reading and writing; the context of an operation bounds it further.
	Network time.Duration
}

// Store keeps accounts in Redis. Close it. Safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	prefix  string
	cluster bool
	scripts scripts
}

// errURL doesn't quote the address: it holds a password.
var errURL = errors.New("redis_url isn't a Redis address: write redis://user:password@host:port/db")

// Open returns a Store; it doesn't connect.
func Open(o Options) (*Store, error) {
	client, err := dial(o)
	if err != nil {
		return nil, err
	}
	return &Store{
		client: client, prefix: o.Prefix + ":limits" + version + ":", cluster: o.Cluster, scripts: newScripts(serverTime),
	}, nil
}

// dial sets what keeps a silent server from holding up a decision: go-redis would otherwise ignore the context's deadline
// and repeat what may have happened. It says nothing to the server on its own account, and nothing to standard error.
func dial(o Options) (redis.UniversalClient, error) {
	logging.Disable()
	network := o.Network
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if o.Cluster {
		c, err := redis.ParseClusterURL(o.URL)
		if err != nil {
			return nil, errURL
		}
		c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = network, network, network, network
		c.ContextTimeoutEnabled, c.MaxRetries, c.MaxRedirects, c.DialerRetries = true, -1, 3, 1
		c.PoolSize, c.MaxActiveConns = o.PoolSize, o.PoolSize
		c.DisableIdentity, c.MaintNotificationsConfig = true, quiet
		return redis.NewClusterClient(c), nil
	}
	c, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errURL
	}
	c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = network, network, network, network
	c.ContextTimeoutEnabled, c.MaxRetries, c.DialerRetries = true, -1, 1
	c.PoolSize, c.MaxActiveConns = o.PoolSize, o.PoolSize
	c.DisableIdentity, c.MaintNotificationsConfig = true, quiet
	return redis.NewClient(c), nil
}

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

// key names something of a tenant. What is escaped holds neither braces nor colons.
func (s *Store) key(tenant, kind, id string) string {
	return s.prefix + "{" + url.QueryEscape(tenant) + "}:" + kind + ":" + id
}

// keys are the account of a scope and its places.
func (s *Store) keys(tenant string, scope store.Scope) (account, places string) {
	kind := "k"
	if scope.Kind == ratelimitv1.ScopeKind_SCOPE_KIND_TENANT {
		kind = "t"
	}
	return s.key(tenant, kind, scope.ID), s.key(tenant, kind+"p", scope.ID)
}

// scoped appends the keys and the arguments of scopes.
func (s *Store) scoped(keys []string, args []any, tenant string, scopes []store.Scope) ([]string, []any) {
	for _, scope := range scopes {
		account, places := s.keys(tenant, scope)
		keys = append(keys, account, places)
		args = append(args, int64(scope.Kind), scope.Limits.Requests, scope.Limits.Tokens, scope.Limits.Concurrency,
			scope.Limits.Budget, int64(scope.Limits.Period))
	}
	return keys, args
}

// Reserve takes what a call may use.
func (s *Store) Reserve(ctx context.Context, c store.Call) (store.Answer, error) {
	keys, args := s.scoped(
		[]string{s.key(c.Tenant, "r", c.ID)},
		[]any{c.Holder, c.ID, c.Tokens, max(1, c.Hold.Milliseconds()), c.Cost, flag(c.Deferred), flag(c.Forced), c.Attempt}, c.Tenant, c.Scopes)
	n, err := s.scripts.reserve.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return store.Answer{}, err
	}
	return answer(n)
}

// flag is a truth as the scripts read it.
func flag(v bool) string {
	if v {
		return "1"
	}
	return "0"
}

// Settle ends a call with what it used.
func (s *Store) Settle(ctx context.Context, x store.Settlement) error {
	keys, args := s.scoped(
		[]string{s.key(x.Tenant, "r", x.ID)},
		[]any{
			x.Holder, x.ID, x.Tokens, flag(x.Unused), store.Keep.Milliseconds(), x.Cost, store.KeepMoney.Milliseconds(), x.Attempt,
		}, x.Tenant, x.Scopes)
	return s.scripts.settle.Run(ctx, s.client, keys, args...).Err()
}

// Lease takes back a holder's stock and grants anew.
func (s *Store) Lease(ctx context.Context, r store.Renewal) ([]store.Grant, error) {
	keys := make([]string, 0, 2*len(r.Stocks))
	args := append(make([]any, 0, 3+12*len(r.Stocks)), r.Holder, r.Sequence, (r.Valid + store.Margin).Microseconds())
	for _, stock := range r.Stocks {
		keys, args = s.scoped(keys, args, r.Tenant, []store.Scope{stock.Scope})
		args = append(args, stock.Requests, stock.Tokens, stock.Places, stock.PlacesUsed, stock.WantRequests, stock.WantTokens)
	}
	n, err := s.scripts.lease.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return nil, err
	}
	return grants(n, len(r.Stocks))
}

// Seed opens a budget with what was spent of it.
func (s *Store) Seed(ctx context.Context, x store.Seed) error {
	keys, args := s.scoped(nil, nil, x.Tenant, []store.Scope{x.Scope})
	var from int64
	if !x.From.IsZero() {
		from = x.From.Unix()
	}
	args = append(args, from, x.Spent, x.Age.Microseconds(), flag(x.Final))
	since, err := s.scripts.seed.Run(ctx, s.client, append(keys, s.epoch(x.Tenant)), args...).Int64()
	if err != nil || since < 0 {
		return err
	}
	return x.Settle(time.Duration(since) * time.Microsecond)
}

// epoch is the key of since when nothing was lost: one for all tenants. In a cluster, which may lose a part of its keys and
// keep the others, each tenant has one, and its first budget opens a little later.
func (s *Store) epoch(tenant string) string {
	if s.cluster {
		return s.key(tenant, "e", "")
	}
	return s.prefix + "epoch"
}

// Balances tells how limits stand.
func (s *Store) Balances(ctx context.Context, tenant string, scopes []store.Scope) ([]store.Balance, error) {
	keys, args := s.scoped(nil, nil, tenant, scopes)
	if len(keys) == 0 {
		return nil, nil
	}
	n, err := s.scripts.balances.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return nil, err
	}
	return balances(n)
}

// Alive counts the members of a group.
func (s *Store) Alive(ctx context.Context, group string, members []string, ttl time.Duration) (int64, error) {
	args := append(make([]any, 0, 1+len(members)), strconv.FormatInt(ttl.Milliseconds(), 10))
	for _, m := range members {
		args = append(args, m)
	}
	keys := []string{s.prefix + "{" + group + "}:alive"}
	if !s.cluster {
		keys = append(keys, s.epoch(""))
	}
	return s.scripts.alive.Run(ctx, s.client, keys, args...).Int64()
}

var _ store.Store = (*Store)(nil)
