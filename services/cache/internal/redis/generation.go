package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

const (
	// prefix begins every key; what stands in braces decides the slot.
	prefix = "headgate:cache:"
	// allKey is the hash for all tenants, nodeKey what is remembered of the server beside it.
	allKey  = prefix + "{*}:all"
	nodeKey = prefix + "{*}:node"
	// root is the field that stands for everything in a hash's scope.
	root = "*"
	// maxModels is how many models a hash tells apart. One more, and everything in its scope is withdrawn: too much,
	// never too little.
	maxModels = 1000
)

func tenantKey(tenant string) string { return prefix + "{" + tenant + "}:withdrawn" }

func modelField(model string) string { return "m:" + model }

// fresh is an id that never was.
func fresh() string { return rand.Text() }

// askGenerations asks for what a generation is made of.
func askGenerations(ctx context.Context, pipe goredis.Pipeliner, k store.Key) (all, own *goredis.SliceCmd) {
	model := modelField(k.Model)
	return pipe.HMGet(ctx, allKey, root, model), pipe.HMGet(ctx, tenantKey(k.Tenant), root, model)
}

// generation puts one together; whole is false where a root is missing.
func generation(all, own []any) (g store.Generation, whole bool) {
	h := sha256.New()
	for _, pair := range [][]any{all, own} {
		if len(pair) != 2 || pair[0] == nil {
			return g, false
		}
		for _, id := range pair {
			text, _ := id.(string)
			h.Write([]byte{byte(len(text))})
			h.Write([]byte(text))
		}
	}
	copy(g[:], h.Sum(nil))
	return g, true
}

// begin makes the roots that are missing, and returns the generation then. Whoever comes first makes them for all.
func (s *Store) begin(ctx context.Context, k store.Key) (store.Generation, error) {
	var pairs [2][]any
	for i, key := range []string{allKey, tenantKey(k.Tenant)} {
		pipe := s.client.TxPipeline()
		pipe.HSetNX(ctx, key, root, fresh())
		pipe.Expire(ctx, key, withdrawalTTL)
		ids := pipe.HMGet(ctx, key, root, modelField(k.Model))
		if _, err := pipe.Exec(ctx); err != nil {
			return store.Generation{}, fmt.Errorf("begin a generation: %w", err)
		}
		pairs[i] = ids.Val()
	}
	g, _ := generation(pairs[0], pairs[1])
	return g, nil
}

// withdrawScript replaces a root, or one model's id.
var withdrawScript = goredis.NewScript(`
if ARGV[2] == '' or redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '*', ARGV[1])
else
  redis.call('HSETNX', KEYS[1], '*', ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1`)

func (s *Store) withdraw(ctx context.Context, scope store.Scope) error {
	key, field := allKey, ""
	if scope.Tenant != "" {
		key = tenantKey(scope.Tenant)
	}
	if scope.Model != "" {
		field = modelField(scope.Model)
	}
	return withdrawScript.Run(ctx, s.client, []string{key}, fresh(), field, int(withdrawalTTL.Seconds()), maxModels).Err()
}
