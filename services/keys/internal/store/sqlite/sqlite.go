// Package sqlite keeps keys in one SQLite file. One process uses it at a time: the running service holds every valid key
// in memory, so a second writer's changes would stay unseen. A lock beside the file keeps it out.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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

// Create keeps a new key.
func (s *Store) Create(ctx context.Context, k store.Key) error {
	r, err := rowOf(k)
	if err != nil {
		return err
	}
	_, err = s.write.ExecContext(ctx, `INSERT INTO keys (`+columns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, r.values()...)
	var failure *sqlite.Error
	if errors.As(err, &failure) && failure.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return store.ErrExists
	}
	return err
}

// Get returns a key.
func (s *Store) Get(ctx context.Context, id string) (store.Key, error) {
	return scanOne(s.read.QueryRowContext(ctx, `SELECT `+columns+` FROM keys WHERE id = ?`, id))
}

// Revoke ends a key. The commit is a step of its own, so that its failure isn't missed.
func (s *Store) Revoke(ctx context.Context, id string, at time.Time) (store.Key, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return store.Key{}, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	k, err := scanOne(tx.QueryRowContext(ctx,
		`UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING `+columns, at.UnixMicro(), id))
	if err != nil {
		return store.Key{}, err
	}
	return k, tx.Commit()
}

// Close closes the file and lets another process have it.
func (s *Store) Close() error { return s.handles.Close() }
