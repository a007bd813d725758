package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// DeleteBatch forgets a batch that has ended.
func (s *Store) DeleteBatch(ctx context.Context, id string, now time.Time) error {
	return s.change(ctx, "delete a batch", func(ctx context.Context, tx *sql.Tx) error {
		b, err := one(ctx, tx, "id = ?", id)
		switch {
		case err != nil:
			return err
		case !b.HasEnded():
			return store.ErrState
		}
		return drop(ctx, tx, b.Number, now)
	})
}

// drop hides a batch, and forgets the files with its results.
func drop(ctx context.Context, tx *sql.Tx, number int64, now time.Time) error {
	if _, err := tx.ExecContext(ctx, "UPDATE batches SET gone = 1 WHERE number = ?", number); err != nil {
		return err
	}
	_, err := dropFiles(ctx, tx, "id IN (SELECT output_file FROM batches WHERE number = ? UNION SELECT error_file FROM batches WHERE number = ?)",
		now, number, number)
	return err
}

// Purge gives room back, a batch at a time.
func (s *Store) Purge(ctx context.Context, endedBefore, now time.Time, limit int) (more bool, err error) {
	err = s.change(ctx, "give room back", func(ctx context.Context, tx *sql.Tx) error {
		var number int64
		err := tx.QueryRowContext(ctx, `SELECT number FROM batches WHERE ended > 0 AND (gone OR ended < ?) LIMIT 1`, nanos(endedBefore)).Scan(&number)
		if known(err) == store.ErrNotFound { //nolint:errorlint // known makes it
			return nil
		}
		if err != nil {
			return err
		}
		more = true
		if err := drop(ctx, tx, number, now); err != nil {
			return err
		}
		return purge(ctx, tx, number, limit)
	})
	return more, err
}

// purge deletes some of a forgotten batch, and the batch itself where nothing of it is left.
func purge(ctx context.Context, tx *sql.Tx, number int64, limit int) error {
	for _, table := range []string{"results", "lines"} {
		r, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE id IN (SELECT id FROM %s WHERE id BETWEEN ? AND ? LIMIT ?)", table, table), //nolint:gosec // the text is ours
			first(number), last(number), limit)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE batch = ?", number)
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM batches WHERE number = ?", number)
	}
	return err
}
