package sqlite

import (
	"context"
	"fmt"
	"time"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// Page returns the events behind a cursor.
func (s *Store) Page(ctx context.Context, f store.Filter, after store.Cursor, limit int) ([]*usagev1.Event, store.Cursor, error) {
	cond := where(f)
	if after != (store.Cursor{}) {
		cond.add("(started, id) > (?, ?)", after.Started, after.ID)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+columns+" FROM events"+cond.String()+" ORDER BY started, id LIMIT ?", //nolint:gosec // the text is ours, values are arguments
		append(cond.args, limit)...)
	if err != nil {
		return nil, after, fmt.Errorf("list: %w", err)
	}
	defer rows.Close()
	var events []*usagev1.Event
	for rows.Next() {
		e, c, err := scanRow(rows)
		if err != nil {
			return nil, after, fmt.Errorf("list: %w", err)
		}
		events, after = append(events, e), c
	}
	return events, after, rows.Err()
}

// Prune deletes old events.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	result, err := s.write.ExecContext(ctx, `DELETE FROM events WHERE (started, id) IN
		(SELECT started, id FROM events WHERE started < ? ORDER BY started, id LIMIT ?)`, before.UnixNano(), limit)
	if err != nil {
		return 0, fmt.Errorf("prune: %w", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}
