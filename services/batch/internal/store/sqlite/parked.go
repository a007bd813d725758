package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Park puts begun lines into forming jobs.
func (s *Store) Park(ctx context.Context, lines []store.Parked) error {
	return s.change(ctx, "park lines", func(ctx context.Context, tx *sql.Tx) error {
		for _, p := range lines {
			if err := park(ctx, tx, &p); err != nil {
				return err
			}
		}
		return nil
	})
}

func park(ctx context.Context, tx *sql.Tx, p *store.Parked) error {
	var state int32
	if err := tx.QueryRowContext(ctx, "SELECT state FROM batches WHERE number = ?", p.Batch).Scan(&state); err != nil {
		return known(err)
	}
	if state == cancelling {
		if err := holdBegun(ctx, tx, p); err != nil {
			return err
		}
		return finish(ctx, tx, store.Result{Batch: p.Batch, Line: p.Line, Outcome: batchv1.LineOutcome_LINE_OUTCOME_CANCELLED})
	}
	r, err := tx.ExecContext(ctx, "UPDATE lines SET state = 3 WHERE id = ? AND state = 1", lineID(p.Batch, p.Line))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if err := move(ctx, tx, `UPDATE jobs SET lines = lines + 1, bytes = bytes + ?, inputs = inputs + ?, sensitivity = max(sensitivity, ?),
		model = iif(lines = 0 OR model = ?, ?, ''), first = iif(lines = 0, ?, min(first, ?)) WHERE number = ? AND batch = ? AND state = 0`,
		p.Bytes, p.Inputs, int32(p.Sensitivity), p.Model, p.Model, p.Line, p.Line, p.Job, p.Batch); err != nil {
		return err
	}
	id := lineID(p.Job, p.Line)
	if _, err := tx.ExecContext(ctx, "INSERT INTO parked (id, context, reserved) VALUES (?, ?, ?)", id, full(p.Context), p.Reserved); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO bodies (id, body) VALUES (?, ?)", id, full(p.Body))
	return err
}

// full is never NULL.
func full(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

// Bodies returns bodies in order.
func (s *Store) Bodies(ctx context.Context, number, after int64, limit int, maxBytes int64) ([]store.Parked, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, body FROM bodies WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
		lineID(number, after), last(number), limit)
	if err != nil {
		return nil, fmt.Errorf("read bodies: %w", err)
	}
	defer rows.Close()
	var list []store.Parked
	for size := int64(0); size <= maxBytes && rows.Next(); {
		p := store.Parked{Job: number}
		if err := rows.Scan(&p.Line, &p.Body); err != nil {
			return nil, fmt.Errorf("read bodies: %w", err)
		}
		p.Line = lineOf(p.Line)
		if size += int64(len(p.Body)); size <= maxBytes || len(list) == 0 {
			list = append(list, p)
		}
	}
	return list, rows.Err()
}

// DropBodies forgets bodies.
func (s *Store) DropBodies(ctx context.Context, number int64, limit int) (more bool, err error) {
	err = s.change(ctx, "drop bodies", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "DELETE FROM bodies WHERE id IN (SELECT id FROM bodies WHERE id BETWEEN ? AND ? LIMIT ?)",
			first(number), last(number), limit)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		more = n == int64(limit)
		return err
	})
	return more, err
}

const pending = `SELECT j.batch, p.id, p.context FROM jobs j JOIN parked p JOIN lines l ON l.id = j.batch << 20 | (p.id & ?)
	WHERE j.number = ? AND l.state = 3 AND `

// Pending returns a job's lines without results.
func (s *Store) Pending(ctx context.Context, number, after int64, limit int) ([]store.Parked, error) {
	return s.pending(ctx, number, pending+"p.id > ? AND p.id <= ? ORDER BY p.id LIMIT ?",
		store.MaxLines, number, lineID(number, after), last(number), limit)
}

// PendingOf returns those of lines without results.
func (s *Store) PendingOf(ctx context.Context, number int64, lines []int64) ([]store.Parked, error) {
	ids := make([]int64, len(lines))
	for i, line := range lines {
		ids[i] = lineID(number, line)
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("find lines of a job: %w", err)
	}
	return s.pending(ctx, number, pending+"p.id IN (SELECT value FROM json_each(?)) ORDER BY p.id", store.MaxLines, number, string(list))
}

func (s *Store) pending(ctx context.Context, number int64, query string, args ...any) ([]store.Parked, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find lines of a job: %w", err)
	}
	defer rows.Close()
	var list []store.Parked
	for rows.Next() {
		p := store.Parked{Job: number}
		if err := rows.Scan(&p.Batch, &p.Line, &p.Context); err != nil {
			return nil, fmt.Errorf("find lines of a job: %w", err)
		}
		p.Line = lineOf(p.Line)
		list = append(list, p)
	}
	return list, rows.Err()
}
