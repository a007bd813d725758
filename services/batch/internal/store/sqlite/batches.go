package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	validating = int32(batchv1.BatchState_BATCH_STATE_VALIDATING)
	failed     = int32(batchv1.BatchState_BATCH_STATE_FAILED)
	inProgress = int32(batchv1.BatchState_BATCH_STATE_IN_PROGRESS)
	finalizing = int32(batchv1.BatchState_BATCH_STATE_FINALIZING)
	completed  = int32(batchv1.BatchState_BATCH_STATE_COMPLETED)
	expired    = int32(batchv1.BatchState_BATCH_STATE_EXPIRED)
	cancelling = int32(batchv1.BatchState_BATCH_STATE_CANCELLING)
	cancelled  = int32(batchv1.BatchState_BATCH_STATE_CANCELLED)
)

const batchColumns = `number, id, tenant, dialect, state, source, model, output_file, error_file, total, completed, failed, cancelled,
	expired, input, cached, written, output, reasoning, in_progress, finalizing, ended, cancelling, problems, particulars`

func scanBatch(row scanner) (b store.Batch, err error) {
	var begun, final, ended, cancel int64
	var problems, particulars []byte
	if err := row.Scan(&b.Number, &b.ID, &b.Tenant, &b.Dialect, &b.State, &b.Source, &b.Model, &b.OutputFile, &b.ErrorFile,
		&b.Counts.Total, &b.Counts.Completed, &b.Counts.Failed, &b.Counts.Cancelled, &b.Counts.Expired,
		&b.Usage.Input, &b.Usage.Cached, &b.Usage.Written, &b.Usage.Output, &b.Usage.Reasoning,
		&begun, &final, &ended, &cancel, &problems, &particulars); err != nil {
		return b, known(err)
	}
	b.InProgress, b.Finalizing, b.Ended, b.Cancelling = moment(begun), moment(final), moment(ended), moment(cancel)
	if err := json.Unmarshal(problems, &b.Problems); err != nil {
		return b, err
	}
	return b, json.Unmarshal(particulars, &b.Particulars)
}

// CreateBatch adds a batch.
func (s *Store) CreateBatch(ctx context.Context, b store.Batch) (store.Batch, error) {
	particulars, err := json.Marshal(b.Particulars)
	if err != nil {
		return b, fmt.Errorf("keep a batch: %w", err)
	}
	err = s.change(ctx, "keep a batch", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO batches (id, tenant, dialect, state, source, inline, particulars) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			b.ID, b.Tenant, int32(b.Dialect), validating, b.Source, b.Format == store.FormatInline, string(particulars))
		if err != nil {
			return err
		}
		if b.Number, err = r.LastInsertId(); err != nil {
			return err
		}
		if b.Format != store.FormatInline {
			return nil // the file's, which may be garbage by now
		}
		return keep(ctx, tx, b.Source)
	})
	b.State = batchv1.BatchState_BATCH_STATE_VALIDATING
	return b, err
}

// Batch returns a batch.
func (s *Store) Batch(ctx context.Context, id string) (store.Batch, error) {
	return one(ctx, s.read, "id = ?", id)
}

// ByNumber returns a batch.
func (s *Store) ByNumber(ctx context.Context, number int64) (store.Batch, error) {
	return one(ctx, s.read, "number = ?", number)
}

type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func one(ctx context.Context, from rower, where string, arg any) (store.Batch, error) {
	b, err := scanBatch(from.QueryRowContext(ctx, "SELECT "+batchColumns+" FROM batches WHERE gone = 0 AND "+where, arg))
	if err != nil {
		return b, fmt.Errorf("a batch: %w", err)
	}
	return b, nil
}

// ListBatches returns a page. Of those before a batch it is the nearest ones.
func (s *Store) ListBatches(ctx context.Context, q store.BatchQuery) ([]store.Batch, error) {
	c := condition{}
	c.add("gone = 0")
	if q.Tenant != "" {
		c.add("tenant = ?", q.Tenant)
	}
	if q.Dialect != 0 {
		c.add("dialect = ?", int32(q.Dialect))
	}
	for _, end := range []struct{ id, term string }{{q.After, "number < ?"}, {q.Before, "number > ?"}} {
		if end.id == "" {
			continue
		}
		b, err := s.Batch(ctx, end.id)
		if err != nil {
			return nil, err
		}
		if q.Tenant != "" && b.Tenant != q.Tenant {
			return nil, store.ErrNotFound
		}
		c.add(end.term, b.Number)
	}
	order := " ORDER BY number DESC LIMIT ?"
	backwards := q.Before != "" && q.After == ""
	if backwards {
		order = " ORDER BY number ASC LIMIT ?"
	}
	list, err := s.batches(ctx, c.String()+order, append(c.args, q.Limit)...)
	if backwards {
		slices.Reverse(list)
	}
	return list, err
}

// Open returns the batches that haven't ended.
func (s *Store) Open(ctx context.Context) ([]store.Batch, error) {
	return s.batches(ctx, " WHERE ended = 0 ORDER BY number")
}

func (s *Store) batches(ctx context.Context, rest string, args ...any) ([]store.Batch, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+batchColumns+" FROM batches"+rest, args...) //nolint:gosec // of constants
	if err != nil {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	defer rows.Close()
	var list []store.Batch
	for rows.Next() {
		b, err := scanBatch(rows)
		if err != nil {
			return nil, fmt.Errorf("list batches: %w", err)
		}
		list = append(list, b)
	}
	return list, rows.Err()
}

// Cancel begins a batch's cancellation.
func (s *Store) Cancel(ctx context.Context, id string, now time.Time) (b store.Batch, err error) {
	err = s.change(ctx, "cancel a batch", func(ctx context.Context, tx *sql.Tx) (err error) {
		if b, err = one(ctx, tx, "id = ?", id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE batches SET state = ?, cancelling = ? WHERE number = ? AND state IN (?, ?)",
			cancelling, nanos(now), b.Number, validating, inProgress); err != nil {
			return err
		}
		// Lines of a batch that was still being validated aren't its lines yet.
		if b.State == batchv1.BatchState_BATCH_STATE_IN_PROGRESS {
			if _, err := endIdle(ctx, tx, b.Number, batchv1.LineOutcome_LINE_OUTCOME_CANCELLED); err != nil {
				return err
			}
		}
		b, err = one(ctx, tx, "number = ?", b.Number)
		return err
	})
	return b, err
}
