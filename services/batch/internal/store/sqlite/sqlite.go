// Package sqlite keeps batches in one file of SQLite.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

//go:embed schema.sql
var schema string

// schemaVersion is the file's user_version.
const schemaVersion = 1

// ErrInUse is returned by Open where another process uses the file: two would ask lines twice.
var ErrInUse = errors.New("another process uses it")

// Store keeps batches in a file.
type Store struct {
	// write has one connection, read has several that only read.
	write, read *sql.DB
	lock        *os.File
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or creates it for its owner alone, with its directory.
func Open(ctx context.Context, path string) (*Store, error) {
	s := new(Store)
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the batches %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if err := create(path); err != nil {
		return err
	}
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return err
	}
	// synchronous FULL syncs the log at every commit: with NORMAL a power failure would undo that lines were begun, and
	// they would be asked twice.
	if s.write, err = connect(path, "journal_mode(wal)", "synchronous(full)", "busy_timeout(10000)"); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = connect(path, "query_only(1)", "busy_timeout(10000)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	return nil
}

// create makes an empty file with mode 0600; SQLite gives its other files the same.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func connect(path string, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	query := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	return sql.Open("sqlite", name.String())
}

// migrate brings a file to the present schema.
func migrate(ctx context.Context, db *sql.DB) error {
	return within(ctx, db, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		switch {
		case version == schemaVersion:
			return nil
		case version != 0:
			return fmt.Errorf("has version %d, which this build of Headgate doesn't know", version)
		}
		_, err := tx.ExecContext(ctx, schema)
		return err
	})
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

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
