// Package sqlite keeps batches in one file of SQLite.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed" // the schemas
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/headgate-mesh/headgate/kit/filelock"
	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

//go:embed schema.sql
var schema string

//go:embed jobs.sql
var jobs string

//go:embed holds.sql
var holds string

// ErrInUse is returned by Open where another process uses the file: two would ask lines twice.
var ErrInUse = filelock.ErrInUse

// Store keeps batches in a file.
type Store struct {
	handles     *sqlfile.File
	write, read *sql.DB
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or creates it for its owner alone, with its directory.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := sqlfile.Open(ctx, path, sqlfile.Options{Alone: true, Changes: []string{schema, jobs, holds}})
	if err != nil {
		return nil, fmt.Errorf("open the batches %s: %w", path, err)
	}
	return &Store{handles: f, write: f.Write, read: f.Read}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.handles.Close() }

// within runs f in one transaction. A change that has begun isn't given up when its caller leaves: what then became of it
// would be unknown.
func within(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// change runs f in one transaction of the writer, and says what it was about where it failed.
func (s *Store) change(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) error {
	err := within(ctx, s.write, func(tx *sql.Tx) error { return f(context.WithoutCancel(ctx), tx) })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// nanos is a time as it is kept.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the reverse of nanos.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
