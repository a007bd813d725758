// Package memory keeps answers in this process, bounded in bytes: what is asked for again stays, what was asked for once
// makes room first (S3-FIFO, Yang et al., SOSP 2023).
package memory

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// Options bound the store.
type Options struct {
	// MaxBytes is what it holds at most, overheads included; MaxEntry the largest value.
	MaxBytes, MaxEntry int64
	// Now is the clock.
	Now func() time.Time
}

const (
	maxShards = 16
	// perShard is how many of the largest entries a shard has room for at least.
	perShard = 8
	// overhead is what an entry takes beside its texts: itself, its place in the map and in a queue, in bytes.
	overhead = 256
	// sweepEvery is how often what is old is cleared out.
	sweepEvery = 30 * time.Second
)

// Store implements store.Store.
type Store struct {
	shards      []*shard
	withdrawals *withdrawals
	leases      *leases
	now         func() time.Time
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New(o Options) *Store {
	n := int64(1)
	for n < maxShards && o.MaxBytes/(2*n) >= perShard*(o.MaxEntry+overhead) {
		n *= 2
	}
	s := &Store{withdrawals: newWithdrawals(), leases: newLeases(), now: o.Now}
	for range n {
		s.shards = append(s.shards, newShard(o.MaxBytes/n))
	}
	return s
}

// shard picks by the digest: it is a MAC, evenly spread and not to be chosen by anyone.
func (s *Store) shard(k store.Key) *shard { return s.shards[int(k.Digest[0])%len(s.shards)] }

// Get implements store.Store.
func (s *Store) Get(_ context.Context, k store.Key) (store.Result, error) {
	present := s.withdrawals.current(k.Tenant, k.Model)
	r := store.Result{Generation: s.withdrawals.generation(present)}
	r.Entry, r.Found = s.shard(k).get(k, present, s.now())
	return r, nil
}

// Put implements store.Store.
func (s *Store) Put(_ context.Context, e store.Entry, ttl time.Duration, g store.Generation) error {
	present := s.withdrawals.current(e.Key.Tenant, e.Key.Model)
	if g != s.withdrawals.generation(present) {
		return store.ErrWithdrawn
	}
	if !s.shard(e.Key).put(&entry{Entry: e, stamp: present, expires: s.now().Add(ttl)}) {
		return store.ErrTooLarge
	}
	return nil
}

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, k store.Key, h store.Holder) (store.Result, store.Lease, error) {
	lease := s.leases.acquire(k, h, s.now())
	r, err := s.Get(ctx, k)
	if err != nil || !r.Found {
		return r, lease, err
	}
	s.leases.release(k, h, false, s.now())
	return r, store.Free, nil
}

// Lease implements store.Store.
func (s *Store) Lease(_ context.Context, k store.Key) (store.Lease, error) {
	return s.leases.read(k, s.now()), nil
}

// Release implements store.Store.
func (s *Store) Release(_ context.Context, k store.Key, h store.Holder, declined bool) error {
	s.leases.release(k, h, declined, s.now())
	return nil
}

// Withdraw implements store.Store. What it withdraws takes room until it is asked for or swept.
func (s *Store) Withdraw(_ context.Context, scope store.Scope) error {
	s.withdrawals.add(scope)
	return nil
}

// Size implements store.Store.
func (s *Store) Size() store.Size {
	size := store.Size{Known: true}
	for _, sh := range s.shards {
		sh.size(&size)
	}
	return size
}

// Name implements store.Store.
func (s *Store) Name() string { return "memory" }

// Run sweeps until ctx ends.
func (s *Store) Run(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.Sweep()
		}
	}
}

// Sweep lets go of what is old or withdrawn.
func (s *Store) Sweep() {
	now := s.now()
	for _, sh := range s.shards {
		sh.sweep(func(e *entry) bool {
			return !e.good(s.withdrawals.current(e.Key.Tenant, e.Key.Model), now)
		})
	}
	s.leases.sweep(now)
}

// Close implements store.Store.
func (s *Store) Close() error { return nil }

// entry is an answer in a queue.
type entry struct {
	store.Entry

	stamp   uint64
	expires time.Time
	// prev and next are its neighbours in the queue it stands in.
	prev, next *entry
	in         *queue
	// uses counts up to maxUses; it is changed under the shard's lock.
	uses uint8
}

// good reports whether it may be given out.
func (e *entry) good(present uint64, now time.Time) bool {
	return e.stamp == present && now.Before(e.expires)
}

func (e *entry) cost() int64 {
	return int64(len(e.Value)+len(e.Key.Tenant)+len(e.Key.Model)) + overhead
}

// fingerprint is what is remembered of a key that had to go.
func fingerprint(k store.Key) uint64 { return binary.BigEndian.Uint64(k.Digest[8:]) | 1 }
