// Package sqlite keeps the ledger in one file of SQLite.
//
// The table is clustered by start and id, and that is its only index: rows arrive almost in that order, so an insert
// touches the last pages only, however large the ledger grows, and a query reads just the stretch of time it is about.
// An index on the ids alone, which are random, makes inserts ten times as expensive at a million rows.
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

	_ "modernc.org/sqlite" // the driver

	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

//go:embed schema.sql
var schema string

// schemaVersion is the file's user_version.
const schemaVersion = 1

// Store is a ledger in a file.
type Store struct {
	// write has one connection, read has several that only read.
	write, read *sql.DB
	insertMany  *sql.Stmt
	insertOne   *sql.Stmt
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or creates it for its owner alone, with its directory.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create the ledger %s: %w", path, err)
	}
	s := new(Store)
	err := s.open(ctx, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", path, err), s.Close())
	}
	return s, nil
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

func (s *Store) open(ctx context.Context, path string) (err error) {
	// synchronous FULL syncs the log at every commit: with NORMAL a power failure would undo commits that routers were
	// told of, and have deleted. One commit holds hundreds of rows, so it costs little.
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
	if s.insertMany, err = s.write.PrepareContext(ctx, insertSQL(rowsAtOnce)); err != nil {
		return err
	}
	s.insertOne, err = s.write.PrepareContext(ctx, insertSQL(1))
	return err
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
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
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
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.insertMany, s.insertOne} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
