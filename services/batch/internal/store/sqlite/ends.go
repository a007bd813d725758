package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// endWaiting ends all waiting lines of a batch with an outcome, and counts them.
func endWaiting(ctx context.Context, tx *sql.Tx, number int64, outcome batchv1.LineOutcome) (int64, error) {
	r, err := tx.ExecContext(ctx, "UPDATE lines SET state = 2, outcome = ? WHERE state = 0 AND id >> 20 = ?", int32(outcome), number)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return n, cmp.Or(err, count(ctx, tx, number, outcome, n))
}

// endIdle ends all lines of a batch that nobody is asked for: waiting ones, and those of jobs that are nowhere yet.
func endIdle(ctx context.Context, tx *sql.Tx, number int64, outcome batchv1.LineOutcome) (int64, error) {
	waiting, err := endWaiting(ctx, tx, number, outcome)
	if err != nil {
		return 0, err
	}
	parked, err := endUntried(ctx, tx, number, outcome)
	return waiting + parked, err
}

// count adds to one of a batch's counts.
func count(ctx context.Context, tx *sql.Tx, number int64, outcome batchv1.LineOutcome, n int64) error {
	column := map[batchv1.LineOutcome]string{
		batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED: "completed",
		batchv1.LineOutcome_LINE_OUTCOME_ERRORED:   "failed",
		batchv1.LineOutcome_LINE_OUTCOME_CANCELLED: "cancelled",
		batchv1.LineOutcome_LINE_OUTCOME_EXPIRED:   "expired",
	}[outcome]
	if column == "" {
		return fmt.Errorf("no such outcome: %d", outcome)
	}
	_, err := tx.ExecContext(ctx, "UPDATE batches SET "+column+" = "+column+" + ? WHERE number = ?", n, number) //nolint:gosec // one of a few constants
	return err
}

// Start puts a validated batch in progress.
func (s *Store) Start(ctx context.Context, number int64, model string, now time.Time) error {
	return s.change(ctx, "start a batch", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE batches SET model = ?, in_progress = ?, state = iif(state = ?, ?, state),
			total = (SELECT count(*) FROM lines WHERE id BETWEEN ? AND ?) WHERE number = ? AND in_progress = 0 AND state IN (?, ?)`,
			model, nanos(now), validating, inProgress, first(number), last(number), number, validating, cancelling)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, store.ErrState)
		}
		b, err := one(ctx, tx, "number = ?", number)
		if err == nil && b.State == batchv1.BatchState_BATCH_STATE_CANCELLING {
			_, err = endWaiting(ctx, tx, number, batchv1.LineOutcome_LINE_OUTCOME_CANCELLED)
		}
		return err
	})
}

// Fail ends a batch whose lines aren't good.
func (s *Store) Fail(ctx context.Context, number int64, problems []store.Problem, now time.Time) error {
	text, err := json.Marshal(problems)
	if err != nil {
		return fmt.Errorf("fail a batch: %w", err)
	}
	return s.change(ctx, "fail a batch", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, "UPDATE batches SET problems = ?, ended = ?, state = iif(state = ?, ?, ?) WHERE number = ? AND in_progress = 0 AND state IN (?, ?)",
			string(text), nanos(now), cancelling, cancelled, failed, number, validating, cancelling)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, store.ErrState)
		}
		if _, err = tx.ExecContext(ctx, "DELETE FROM lines WHERE id BETWEEN ? AND ?", first(number), last(number)); err != nil {
			return err
		}
		return discardSource(ctx, tx, number, now)
	})
}

// discardSource makes the blob of inline requests garbage.
func discardSource(ctx context.Context, tx *sql.Tx, number int64, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO garbage (blob, since) SELECT source, ? FROM batches WHERE number = ? AND inline
		ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, nanos(now), number)
	return err
}

// Finalize notes that results are going to be written.
func (s *Store) Finalize(ctx context.Context, number int64, output, failed string, now time.Time) (b store.Batch, err error) {
	err = s.change(ctx, "finalize a batch", func(ctx context.Context, tx *sql.Tx) (err error) {
		r, err := tx.ExecContext(ctx, `UPDATE batches SET state = ?, output_file = ?, error_file = ?, finalizing = ?
			WHERE number = ? AND state IN (?, ?) AND in_progress > 0 AND total = completed + failed + cancelled + expired`,
			finalizing, output, failed, nanos(now), number, inProgress, cancelling)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		if b, err = one(ctx, tx, "number = ?", number); err != nil {
			return err
		}
		if n == 0 && int32(b.State) != finalizing {
			return store.ErrState
		}
		return nil
	})
	return b, err
}

// End ends a batch.
func (s *Store) End(ctx context.Context, number int64, files []store.File, now time.Time) error {
	return s.change(ctx, "end a batch", func(ctx context.Context, tx *sql.Tx) error {
		written := map[string]bool{}
		for _, f := range files {
			written[f.ID] = true
			if err := addFile(ctx, tx, f); err != nil {
				return err
			}
		}
		b, err := one(ctx, tx, "number = ?", number)
		if err != nil {
			return err
		}
		only := func(id string) string {
			if written[id] {
				return id
			}
			return ""
		}
		r, err := tx.ExecContext(ctx, `UPDATE batches SET ended = ?, output_file = ?, error_file = ?,
			state = CASE WHEN cancelling > 0 THEN ? WHEN expired > 0 THEN ? ELSE ? END WHERE number = ? AND state = ?`,
			nanos(now), only(b.OutputFile), only(b.ErrorFile), cancelled, expired, completed, number, finalizing)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, store.ErrState)
		}
		return discardSource(ctx, tx, number, now)
	})
}
