package sqlite

import (
	"context"
	"database/sql"
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

// Insert adds events in one transaction.
func (s *Store) Insert(ctx context.Context, events []*usagev1.Event) (inserted int, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	many, one := tx.StmtContext(ctx, s.insertMany), tx.StmtContext(ctx, s.insertOne)
	args := make([]any, 0, rowsAtOnce*columnCount)
	for len(events) > 0 {
		stmt, n := many, rowsAtOnce
		if len(events) < rowsAtOnce {
			stmt, n = one, 1
		}
		added, err := insert(ctx, stmt, args, events[:n])
		if err != nil {
			return 0, fmt.Errorf("insert: %w", err)
		}
		inserted += added
		events = events[n:]
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return inserted, nil
}

// insert runs one statement.
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
	return int(n), err
}
