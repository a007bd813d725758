package redis_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/redis"
)

// twin asks two stores and wants the same answers.
type twin struct {
	t    *testing.T
	a, b store.Store
}

func same[T any](t *testing.T, what string, ask any, a, b T, errs ...error) (T, error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s %+v:\nmemory %+v\nredis  %+v", what, ask, a, b)
	}
	return a, nil
}

func (w *twin) Reserve(ctx context.Context, c store.Call) (store.Answer, error) {
	a, err1 := w.a.Reserve(ctx, c)
	b, err2 := w.b.Reserve(ctx, c)
	if (a.Refusal == nil) != (b.Refusal == nil) || (a.Refusal != nil && *a.Refusal != *b.Refusal) {
		w.t.Fatalf("Reserve %+v:\nmemory %+v\nredis  %+v", c, a.Refusal, b.Refusal)
	}
	_, _ = same(w.t, "Reserve", c, a.Balances, b.Balances, err1, err2)
	return a, nil
}

func (w *twin) Settle(ctx context.Context, s store.Settlement) error {
	_, err := same(w.t, "Settle", s, 0, 0, w.a.Settle(ctx, s), w.b.Settle(ctx, s))
	return err
}

func (w *twin) Lease(ctx context.Context, r store.Renewal) ([]store.Grant, error) {
	a, err1 := w.a.Lease(ctx, r)
	b, err2 := w.b.Lease(ctx, r)
	return same(w.t, "Lease", r, a, b, err1, err2)
}

func (w *twin) Seed(ctx context.Context, s store.Seed) error {
	err1, err2 := w.a.Seed(ctx, s), w.b.Seed(ctx, s)
	if !reflect.DeepEqual(err1, err2) {
		w.t.Fatalf("Seed %+v: memory %v, redis %v", s, err1, err2)
	}
	return err1
}

func (w *twin) Balances(ctx context.Context, tenant string, scopes []store.Scope) ([]store.Balance, error) {
	a, err1 := w.a.Balances(ctx, tenant, scopes)
	b, err2 := w.b.Balances(ctx, tenant, scopes)
	return same(w.t, "Balances", tenant, a, b, err1, err2)
}

func (w *twin) Alive(ctx context.Context, group string, members []string, ttl time.Duration) (int64, error) {
	a, err1 := w.a.Alive(ctx, group, members, ttl)
	b, err2 := w.b.Alive(ctx, group, members, ttl)
	return same(w.t, "Alive", group, a, b, err1, err2)
}

// Forget has both lose everything.
func (w *twin) Forget() {
	w.a.(interface{ Forget() }).Forget()
	if err := w.b.(*redis.Store).Client().FlushAll(w.t.Context()).Err(); err != nil {
		w.t.Fatal(err)
	}
}
