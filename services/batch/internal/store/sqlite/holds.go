package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const insertHold = "INSERT INTO holds (batch, job, key_id, tenant, line, context, since) "

// AddHolds adds holds.
func (s *Store) AddHolds(ctx context.Context, list []store.Hold) error {
	return s.change(ctx, "keep what is reserved", func(ctx context.Context, tx *sql.Tx) error {
		for _, h := range list {
			if _, err := tx.ExecContext(ctx, insertHold+"VALUES (?, ?, ?, ?, ?, ?, ?)",
				h.Batch, h.Job, h.KeyID, h.Tenant, h.Line, full(h.Context), nanos(h.Since)); err != nil {
				return err
			}
		}
		return nil
	})
}

// holdParked holds what is reserved for a job's lines without results, and returns for how many of them something is. It
// comes before the lines are changed.
func holdParked(ctx context.Context, tx *sql.Tx, j *store.Job) (int64, error) {
	b, err := one(ctx, tx, "number = ?", j.Batch)
	if err != nil {
		return 0, err
	}
	r, err := tx.ExecContext(ctx, insertHold+`SELECT ?, ?, ?, ?, p.id & ?, p.context, ?
		FROM parked p INDEXED BY parked_reserved CROSS JOIN lines l ON l.id = ? << 20 | (p.id & ?)
		WHERE p.reserved = 1 AND p.id BETWEEN ? AND ? AND l.state = 3 ORDER BY p.id`,
		b.ID, j.ID, b.KeyID, b.Tenant, store.MaxLines, nanos(j.Formed), j.Batch, store.MaxLines, first(j.Number), last(j.Number))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// holdBegun holds what is reserved for a begun line that comes too late to be parked.
func holdBegun(ctx context.Context, tx *sql.Tx, p *store.Parked) error {
	if !p.Reserved {
		return nil
	}
	b, err := one(ctx, tx, "number = ?", p.Batch)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, insertHold+`SELECT ?, j.id, ?, ?, ?, ?, j.formed FROM jobs j, lines l
		WHERE j.number = ? AND l.id = ? AND l.state = 1`,
		b.ID, b.KeyID, b.Tenant, p.Line, full(p.Context), p.Job, lineID(p.Batch, p.Line))
	return err
}

// Holds returns holds in order.
func (s *Store) Holds(ctx context.Context, after int64, limit int) ([]store.Hold, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT number, batch, job, key_id, tenant, line, context, since FROM holds
		WHERE number > ? ORDER BY number LIMIT ?`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("find what is reserved: %w", err)
	}
	defer rows.Close()
	var list []store.Hold
	for rows.Next() {
		var h store.Hold
		var since int64
		if err := rows.Scan(&h.Number, &h.Batch, &h.Job, &h.KeyID, &h.Tenant, &h.Line, &h.Context, &since); err != nil {
			return nil, fmt.Errorf("find what is reserved: %w", err)
		}
		h.Since = moment(since)
		list = append(list, h)
	}
	return list, rows.Err()
}

// DropHolds forgets holds.
func (s *Store) DropHolds(ctx context.Context, numbers []int64) error {
	list, err := json.Marshal(numbers)
	if err != nil {
		return fmt.Errorf("forget what was reserved: %w", err)
	}
	return s.change(ctx, "forget what was reserved", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM holds WHERE number IN (SELECT value FROM json_each(?))", string(list))
		return err
	})
}

// ExpireHolds forgets holds that are too old.
func (s *Store) ExpireHolds(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.change(ctx, "forget what has run out", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "DELETE FROM holds WHERE since < ?", nanos(before))
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, err
}
