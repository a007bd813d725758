package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
)

// rowsAtOnce is how many rows one statement inserts.
const rowsAtOnce = 25

func insertSQL(rows int) string {
	row := "(" + strings.Repeat("?,", columnCount-1) + "?)"
	return "INSERT INTO events (" + columns + ") VALUES " + strings.Repeat(row+",", rows-1) + row + " ON CONFLICT DO NOTHING"
}

// errSome says that a statement inserted some of its rows, and SQLite doesn't say which: those that were there already
// must not be charged again.
var errSome = errors.New("some of the rows are there already")

// Insert adds events, and what they cost to what their keys have spent, in one transaction.
func (s *Store) Insert(ctx context.Context, events []*usagev1.Event) (inserted int, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	inserted, err = s.insertAll(ctx, events, rowsAtOnce)
	if errors.Is(err, errSome) {
		inserted, err = s.insertAll(ctx, events, 1)
	}
	return inserted, err
}

// insertAll inserts up to so many rows with one statement. It returns errSome, with nothing inserted, where those are too
// many to tell which of them are new.
func (s *Store) insertAll(ctx context.Context, events []*usagev1.Event, atOnce int) (inserted int, err error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	inserted, spent, err := s.insertRows(ctx, tx, events, atOnce)
	if err != nil {
		return 0, fmt.Errorf("insert: %w", err)
	}
	if err := s.charge(ctx, tx, spent); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return inserted, nil
}

// insertRows returns how many rows are new, and what they cost.
func (s *Store) insertRows(ctx context.Context, tx *sql.Tx, events []*usagev1.Event, atOnce int) (inserted int, spent costs, err error) {
	many, one := tx.StmtContext(ctx, s.insertMany), tx.StmtContext(ctx, s.insertOne)
	args := make([]any, 0, rowsAtOnce*columnCount)
	spent = make(costs)
	for len(events) > 0 {
		stmt, n := many, rowsAtOnce
		if min(len(events), atOnce) < rowsAtOnce {
			stmt, n = one, 1
		}
		added, err := insert(ctx, stmt, args, events[:n])
		if err != nil {
			return 0, nil, err
		}
		if added > 0 {
			spent.noteAll(events[:n])
		}
		inserted += added
		events = events[n:]
	}
	return inserted, spent, nil
}

// insert runs one statement, which inserts all or none of the events.
func insert(ctx context.Context, stmt *sql.Stmt, args []any, events []*usagev1.Event) (int, error) {
	var err error
	for _, e := range events {
		if args, err = appendRow(args, e); err != nil {
			return 0, err
		}
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 0 && int(n) != len(events) {
		err = errSome
	}
	return int(n), err
}
