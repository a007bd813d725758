package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// declined is what a lease's key holds instead of a holder, which is longer.
const declined = "-"

// leaseKey is where an entry's fill lease lies, in the same slot. No entry's key ends like it.
func leaseKey(k store.Key) string { return entryKey(k) + ":fill" }

// acquireScript returns who has the lease afterwards.
const acquireScript = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`

// releaseScript ends the lease of its holder.
var releaseScript = goredis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, k store.Key, h store.Holder) (r store.Result, l store.Lease, err error) {
	err = s.guarded(ctx, func() error {
		r, l, err = s.acquire(ctx, k, h)
		return err
	})
	return r, l, err
}

func (s *Store) acquire(ctx context.Context, k store.Key, h store.Holder) (r store.Result, l store.Lease, err error) {
	pipe := s.client.Pipeline()
	// The lease and the entry lie in one slot, so that the entry is read after the lease was taken.
	taken := pipe.Eval(ctx, acquireScript, []string{leaseKey(k)}, h[:], store.LeaseTTL.Milliseconds())
	r, err = s.getWith(ctx, pipe, k)
	if err != nil {
		return r, l, err
	}
	holder, err := taken.Text()
	if err != nil {
		return r, l, fmt.Errorf("acquire: %w", err)
	}
	if l = leaseOf(holder, h); r.Found {
		if l == store.Granted {
			err = s.release(ctx, k, h, "")
		}
		l = store.Free
	}
	return r, l, err
}

func leaseOf(text string, h store.Holder) store.Lease {
	switch text {
	case string(h[:]):
		return store.Granted
	case declined:
		return store.Declined
	}
	return store.Filling
}

// Lease implements store.Store.
func (s *Store) Lease(ctx context.Context, k store.Key) (l store.Lease, err error) {
	err = s.guarded(ctx, func() error {
		text, err := s.client.Get(ctx, leaseKey(k)).Result()
		switch {
		case errors.Is(err, goredis.Nil):
			l = store.Free
			return nil
		case err != nil:
			return fmt.Errorf("look at a lease: %w", err)
		}
		l = leaseOf(text, store.Holder{}) // nobody is called that
		return nil
	})
	return l, err
}

// Release implements store.Store.
func (s *Store) Release(ctx context.Context, k store.Key, h store.Holder, decline bool) error {
	leave := ""
	if decline {
		leave = declined
	}
	return s.guarded(ctx, func() error { return s.release(ctx, k, h, leave) })
}

func (s *Store) release(ctx context.Context, k store.Key, h store.Holder, leave string) error {
	if err := releaseScript.Run(ctx, s.client, []string{leaseKey(k)}, h[:], leave, store.DeclinedTTL.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}
