// Package memory keeps keys until the process ends: for trials and tests.
package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Store implements store.Store. Make it with [New].
type Store struct {
	mu     sync.Mutex
	keys   []store.Key
	byID   map[string]int
	byHash map[apikey.Hash]int // old ones too
}

// New returns an empty store.
func New() *Store {
	return &Store{byID: make(map[string]int), byHash: make(map[apikey.Hash]int)}
}

// Create keeps a new key.
func (s *Store) Create(_ context.Context, k store.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.keys)
	if _, taken := s.byID[k.ID]; taken || s.taken(k.Hash, i) || s.taken(k.OldHash, i) {
		return store.ErrExists
	}
	k.Models = slices.Clone(k.Models)
	s.byID[k.ID] = i
	s.keys = append(s.keys, k)
	s.index(i)
	return nil
}

// taken reports whether another key has a hash.
func (s *Store) taken(h apikey.Hash, i int) bool {
	of, ok := s.byHash[h]
	return ok && of != i
}

// index notes the hashes of a key.
func (s *Store) index(i int) {
	for _, h := range []apikey.Hash{s.keys[i].Hash, s.keys[i].OldHash} {
		if h != (apikey.Hash{}) {
			s.byHash[h] = i
		}
	}
}

// Get returns a key.
func (s *Store) Get(_ context.Context, id string) (store.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.byID[id]
	if !ok {
		return store.Key{}, store.ErrNotFound
	}
	return s.keys[i], nil
}

// Find returns the key with a hash.
func (s *Store) Find(_ context.Context, hash apikey.Hash) (store.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.byHash[hash]
	if !ok {
		return store.Key{}, store.ErrNotFound
	}
	return s.keys[i], nil
}

// List returns a page of keys.
func (s *Store) List(_ context.Context, q store.Query) ([]store.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	if q.After != "" {
		last, ok := s.byID[q.After]
		if !ok {
			return nil, store.ErrNotFound
		}
		from = last + 1
	}
	var page []store.Key
	for _, k := range s.keys[from:] {
		if len(page) == q.Limit {
			break
		}
		if (q.Tenant == "" || k.Tenant == q.Tenant) && (q.ValidAt.IsZero() || k.Valid(q.ValidAt)) {
			page = append(page, k)
		}
	}
	return page, nil
}

// Revoke ends a key.
func (s *Store) Revoke(_ context.Context, id string, at time.Time) (store.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.byID[id]
	if !ok {
		return store.Key{}, store.ErrNotFound
	}
	if s.keys[i].Revoked.IsZero() {
		s.keys[i].Revoked = at
	}
	return s.keys[i], nil
}

// Close does nothing.
func (s *Store) Close() error { return nil }
