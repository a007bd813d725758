package memory

import (
	"context"
	"slices"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Change changes a key.
func (s *Store) Change(_ context.Context, id string, f func(*store.Key) error) (store.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.byID[id]
	if !ok {
		return store.Key{}, store.ErrNotFound
	}
	before, after := s.keys[i], s.keys[i]
	if err := f(&after); err != nil {
		return store.Key{}, err
	}
	if s.taken(after.Hash, i) || s.taken(after.OldHash, i) {
		return store.Key{}, store.ErrExists
	}
	delete(s.byHash, before.Hash)
	delete(s.byHash, before.OldHash)
	s.keys[i] = changed(before, after)
	s.index(i)
	return s.keys[i], nil
}

// changed is a key with what may change taken from another.
func changed(k, from store.Key) store.Key {
	k.Name, k.Models, k.Limits, k.Expires = from.Name, slices.Clone(from.Models), from.Limits, from.Expires
	k.Rotated, k.Hint, k.Hash, k.OldHash, k.OldUntil = from.Rotated, from.Hint, from.Hash, from.OldHash, from.OldUntil
	return k
}
