// Package sqlite keeps keys in one SQLite file. One process uses it at a time: the running service holds every valid key
// in memory, so a second writer's changes would stay unseen. A lock beside the file keeps it out.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/filelock"
	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// ErrInUse is what Open returns for a file that another process has open.
var ErrInUse = filelock.ErrInUse

// Store implements store.Store. Make it with [Open].
type Store struct {
	handles     *sqlfile.File
	write, read *sql.DB
}

// Open opens the file, which only its owner can read, and makes it and its directory where there is none. A revocation
// survives a power cut: every commit is synced.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := sqlfile.Open(ctx, path, sqlfile.Options{Alone: true, Changes: schema})
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("open the keys %s: %w: one keys service per file", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the keys %s: %w", path, err)
	}
	return &Store{handles: f, write: f.Write, read: f.Read}, nil
}

// Get returns a key.
func (s *Store) Get(ctx context.Context, id string) (store.Key, error) {
	return scanOne(s.read.QueryRowContext(ctx, `SELECT `+columns+` FROM keys WHERE id = ?`, id))
}

// Find returns the key with a hash.
func (s *Store) Find(ctx context.Context, hash apikey.Hash) (store.Key, error) {
	if hash == (apikey.Hash{}) {
		return store.Key{}, store.ErrNotFound
	}
	return scanOne(s.read.QueryRowContext(ctx, `SELECT `+columns+` FROM keys WHERE hash = ?1 OR old_hash = ?1`, hash[:]))
}

// Close closes the file and lets another process have it.
func (s *Store) Close() error { return s.handles.Close() }
