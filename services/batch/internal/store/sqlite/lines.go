package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// first and last bound the ids of a batch's lines.
func first(number int64) int64 { return number << 20 }
func last(number int64) int64  { return number<<20 | store.MaxLines }

func lineID(batch, line int64) int64 { return batch<<20 | line }
func lineOf(id int64) int64          { return id & store.MaxLines }

// AddLines adds lines to a batch that is being validated.
func (s *Store) AddLines(ctx context.Context, number int64, lines []store.Line) error {
	return s.change(ctx, "add lines", func(ctx context.Context, tx *sql.Tx) error {
		if err := beingValidated(ctx, tx, number); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, "INSERT INTO lines (id, custom_id, at, size) VALUES (?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close() //nolint:errcheck // the transaction ends with it or without
		for _, l := range lines {
			if _, err := insert.ExecContext(ctx, lineID(number, l.Number), l.CustomID, l.At, l.Size); err != nil {
				return err
			}
		}
		return nil
	})
}

// beingValidated is nil for a batch that was neither started nor ended; it may be cancelling.
func beingValidated(ctx context.Context, tx *sql.Tx, number int64) error {
	var begun, ended int64
	err := tx.QueryRowContext(ctx, "SELECT in_progress, ended FROM batches WHERE number = ?", number).Scan(&begun, &ended)
	if err == nil && begun+ended > 0 {
		return store.ErrState
	}
	return known(err)
}

// ClearLines takes lines out again.
func (s *Store) ClearLines(ctx context.Context, number int64) error {
	return s.change(ctx, "clear lines", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM lines WHERE id BETWEEN ? AND ? AND (SELECT in_progress FROM batches WHERE number = ?) = 0",
			first(number), last(number), number)
		return err
	})
}

// Claim marks waiting lines as begun: first those that were released, then those that never were.
func (s *Store) Claim(ctx context.Context, number int64, limit int, now time.Time) (lines []store.Line, err error) {
	err = s.change(ctx, "claim lines", func(ctx context.Context, tx *sql.Tx) error {
		for _, due := range []string{"due BETWEEN 1 AND ?", "due = 0 AND 0 < ?"} {
			//nolint:gosec // the text is ours
			rows, err := tx.QueryContext(ctx, `UPDATE lines SET state = 1, begun = ? WHERE id IN (
				SELECT id FROM lines WHERE state = 0 AND id >> 20 = ? AND `+due+` AND (SELECT state FROM batches WHERE number = ?) = ?
				ORDER BY due, id LIMIT ?) RETURNING `+lineColumns,
				nanos(now), number, nanos(now), number, inProgress, limit-len(lines))
			if err != nil {
				return err
			}
			some, err := scanLines(rows)
			if err != nil {
				return err
			}
			lines = append(lines, some...)
		}
		return nil
	})
	return lines, err
}

const lineColumns = "id, custom_id, at, size, tries, begun, live"

func scanLines(rows *sql.Rows) (lines []store.Line, err error) {
	defer rows.Close()
	for rows.Next() {
		var id, begun int64
		var l store.Line
		if err := rows.Scan(&id, &l.CustomID, &l.At, &l.Size, &l.Tries, &begun, &l.Live); err != nil {
			return nil, err
		}
		l.Number, l.Begun = lineOf(id), moment(begun)
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b store.Line) int { return cmp.Compare(a.Number, b.Number) })
	return lines, rows.Err()
}

// Begun returns the lines that are begun and not done.
func (s *Store) Begun(ctx context.Context, number int64) ([]store.Line, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+lineColumns+" FROM lines WHERE state = 1 AND id BETWEEN ? AND ?",
		first(number), last(number))
	if err != nil {
		return nil, fmt.Errorf("find begun lines: %w", err)
	}
	return scanLines(rows)
}

// Finish ends begun and parked lines with their results.
func (s *Store) Finish(ctx context.Context, results []store.Result) error {
	return s.change(ctx, "keep results", func(ctx context.Context, tx *sql.Tx) error {
		for _, r := range results {
			if err := finish(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func finish(ctx context.Context, tx *sql.Tx, r store.Result) error {
	id := lineID(r.Batch, r.Line)
	done, err := tx.ExecContext(ctx, "UPDATE lines SET state = 2, outcome = ?, status = ? WHERE id = ? AND state IN (1, 3)", int32(r.Outcome), r.HTTPStatus, id)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	if len(r.Body) > 0 {
		if _, err := tx.ExecContext(ctx, "INSERT INTO results (id, body) VALUES (?, ?)", id, r.Body); err != nil {
			return err
		}
	}
	if err := count(ctx, tx, r.Batch, r.Outcome, 1); err != nil {
		return err
	}
	u := r.Usage
	if u == (store.Usage{}) {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE batches SET input = input + ?, cached = cached + ?, written = written + ?,
		output = output + ?, reasoning = reasoning + ? WHERE number = ?`, u.Input, u.Cached, u.Written, u.Output, u.Reasoning, r.Batch)
	return err
}

// Release lets begun lines wait again.
func (s *Store) Release(ctx context.Context, waits []store.Wait) error {
	return s.change(ctx, "release lines", func(ctx context.Context, tx *sql.Tx) error {
		for _, w := range waits {
			if err := release(ctx, tx, w); err != nil {
				return err
			}
		}
		return nil
	})
}

func release(ctx context.Context, tx *sql.Tx, w store.Wait) error {
	if _, err := tx.ExecContext(ctx, "UPDATE lines SET state = 0, due = ?, tries = ? WHERE id = ? AND state = 1",
		nanos(w.Due), w.Tries, lineID(w.Batch, w.Line)); err != nil {
		return err
	}
	var state int32
	if err := tx.QueryRowContext(ctx, "SELECT state FROM batches WHERE number = ?", w.Batch).Scan(&state); err != nil {
		return known(err)
	}
	if state != cancelling {
		return nil
	}
	_, err := endWaiting(ctx, tx, w.Batch, batchv1.LineOutcome_LINE_OUTCOME_CANCELLED)
	return err
}

// Expire ends all waiting lines of a batch, and those in jobs that are nowhere yet.
func (s *Store) Expire(ctx context.Context, number int64) (n int64, err error) {
	err = s.change(ctx, "expire lines", func(ctx context.Context, tx *sql.Tx) (err error) {
		n, err = endIdle(ctx, tx, number, batchv1.LineOutcome_LINE_OUTCOME_EXPIRED)
		return err
	})
	return n, err
}

// Waiting counts what waits.
func (s *Store) Waiting(ctx context.Context, number int64) (n int64, due time.Time, err error) {
	var nearest int64
	err = s.read.QueryRowContext(ctx, "SELECT count(*), coalesce(min(due), 0) FROM lines WHERE state = 0 AND id >> 20 = ?", number).Scan(&n, &nearest)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count waiting lines: %w", err)
	}
	return n, moment(nearest), nil
}

// Results returns results in order.
func (s *Store) Results(ctx context.Context, number, after int64, limit int, maxBytes int64) ([]store.Result, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT l.id, l.custom_id, l.outcome, l.status, r.body FROM lines l LEFT JOIN results r ON r.id = l.id
		WHERE l.id > ? AND l.id <= ? AND l.state = 2 ORDER BY l.id LIMIT ?`, lineID(number, after), last(number), limit)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer rows.Close()
	var list []store.Result
	for size := int64(0); size <= maxBytes && rows.Next(); {
		r := store.Result{Batch: number}
		if err := rows.Scan(&r.Line, &r.CustomID, &r.Outcome, &r.HTTPStatus, &r.Body); err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		r.Line = lineOf(r.Line)
		size += int64(len(r.Body))
		list = append(list, r)
	}
	return list, rows.Err()
}
