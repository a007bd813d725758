// Package sqlite keeps the ledger in one file of SQLite.
//
// The table is clustered by start and id, and that is its only index: rows arrive almost in that order, so an insert
// touches the last pages only, however large the ledger grows, and a query reads just the stretch of time it is about.
// An index on the ids alone, which are random, makes inserts ten times as expensive at a million rows.
//
// What keys have spent is added up beside it, by day, so that budgets are opened in milliseconds. An insert writes down
// what its events cost as one row more; those rows are folded into the sums when there are thousands of costs in them.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"errors"
	"fmt"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver

	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

//go:embed schema.sql
var schema string

//go:embed spent.sql
var spentSchema string

// Store is a ledger in a file.
type Store struct {
	handles     *sqlfile.File
	write, read *sql.DB
	insertMany  *sql.Stmt
	insertOne   *sql.Stmt
	insertCosts *sql.Stmt
	// unfolded is about how many costs wait to be folded. Another process that has the file counts its own.
	unfolded atomic.Int64
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or creates it for its owner alone, with its directory. One commit holds hundreds of rows, so that
// syncing each costs little.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := sqlfile.Open(ctx, path, sqlfile.Options{Changes: []string{schema, spentSchema}})
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	s := &Store{handles: f, write: f.Write, read: f.Read}
	s.unfolded.Store(foldAt) // nobody counted what an earlier process left
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) (err error) {
	if s.insertMany, err = s.write.PrepareContext(ctx, insertSQL(rowsAtOnce)); err != nil {
		return err
	}
	if s.insertOne, err = s.write.PrepareContext(ctx, insertSQL(1)); err != nil {
		return err
	}
	s.insertCosts, err = s.write.PrepareContext(ctx, chargeSQL)
	return err
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.insertMany, s.insertOne, s.insertCosts} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(append(errs, s.handles.Close())...)
}
