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

const jobColumns = `number, id, batch, state, grouped, model, sensitivity, lines, bytes, inputs, first, formed, tried,
	provider, upstream, credential`

func scanJob(row scanner) (j store.Job, err error) {
	var formed, tried int64
	var group []byte
	if err := row.Scan(&j.Number, &j.ID, &j.Batch, &j.State, &group, &j.Model, &j.Sensitivity, &j.Lines, &j.Bytes, &j.Inputs, &j.First,
		&formed, &tried, &j.Reference.Provider, &j.Reference.UpstreamID, &j.Reference.Credential); err != nil {
		return j, known(err)
	}
	j.Formed, j.Tried = moment(formed), moment(tried)
	return j, json.Unmarshal(group, &j.Group)
}

func oneJob(ctx context.Context, from rower, number int64) (store.Job, error) {
	j, err := scanJob(from.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE number = ?", number))
	if err != nil {
		return j, fmt.Errorf("a job: %w", err)
	}
	return j, nil
}

// CreateJob adds a job.
func (s *Store) CreateJob(ctx context.Context, j store.Job) (store.Job, error) {
	group, err := json.Marshal(j.Group)
	if err != nil {
		return j, fmt.Errorf("keep a job: %w", err)
	}
	err = s.change(ctx, "keep a job", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO jobs (id, batch, grouped, model, formed)
			SELECT ?, number, ?, ?, ? FROM batches WHERE number = ? AND state = ?`,
			j.ID, string(group), j.Model, nanos(j.Formed), j.Batch, inProgress)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, store.ErrState)
		}
		j.Number, err = r.LastInsertId()
		return err
	})
	return j, err
}

// Job returns a job.
func (s *Store) Job(ctx context.Context, number int64) (store.Job, error) {
	return oneJob(ctx, s.read, number)
}

// Jobs returns the jobs of a batch that aren't done.
func (s *Store) Jobs(ctx context.Context, batch int64) ([]store.Job, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE batch = ? AND state < 3 ORDER BY number", batch)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	defer rows.Close()
	var list []store.Job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		list = append(list, j)
	}
	return list, rows.Err()
}

// Seal lets no more lines into a job.
func (s *Store) Seal(ctx context.Context, number int64) (j store.Job, err error) {
	err = s.change(ctx, "seal a job", func(ctx context.Context, tx *sql.Tx) (err error) {
		if err := move(ctx, tx, "UPDATE jobs SET state = iif(lines > 0, 1, 3) WHERE number = ? AND state = 0", number); err != nil {
			return err
		}
		j, err = oneJob(ctx, tx, number)
		return err
	})
	return j, err
}

// Try notes an attempt to submit a job.
func (s *Store) Try(ctx context.Context, number int64, at time.Time) error {
	return s.change(ctx, "note an attempt", func(ctx context.Context, tx *sql.Tx) error {
		return move(ctx, tx, "UPDATE jobs SET tried = ? WHERE number = ? AND state = 1", nanos(at), number)
	})
}

// Submitted notes where a job is.
func (s *Store) Submitted(ctx context.Context, number int64, r store.Reference) error {
	return s.change(ctx, "note where a job is", func(ctx context.Context, tx *sql.Tx) error {
		return move(ctx, tx, "UPDATE jobs SET state = 2, provider = ?, upstream = ?, credential = ? WHERE number = ? AND state = 1",
			r.Provider, r.UpstreamID, r.Credential, number)
	})
}

// move changes a row; ErrState where it isn't as the change expects it.
func move(ctx context.Context, tx *sql.Tx, change string, args ...any) error {
	r, err := tx.ExecContext(ctx, change, args...)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, store.ErrState)
	}
	return nil
}

// Refuse lets the lines of a job wait to be asked live.
func (s *Store) Refuse(ctx context.Context, number int64, now time.Time) error {
	return s.change(ctx, "give up a job", func(ctx context.Context, tx *sql.Tx) error {
		j, err := oneJob(ctx, tx, number)
		if err != nil || j.State == store.JobDone {
			return err
		}
		reserved, err := holdParked(ctx, tx, &j)
		if err != nil {
			return err
		}
		due := now
		if reserved > 0 {
			due = now.Add(store.HoldFirst)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE lines SET state = 0, due = ?, live = 1 WHERE "+parkedIn,
			append([]any{nanos(due)}, linesOf(&j)...)...); err != nil {
			return err
		}
		if err := endJob(ctx, tx, number); err != nil {
			return err
		}
		b, err := one(ctx, tx, "number = ?", j.Batch)
		if err == nil && b.State == batchv1.BatchState_BATCH_STATE_CANCELLING {
			_, err = endWaiting(ctx, tx, j.Batch, batchv1.LineOutcome_LINE_OUTCOME_CANCELLED)
		}
		return err
	})
}

// EndJob ends a job.
func (s *Store) EndJob(ctx context.Context, number int64) error {
	return s.change(ctx, "end a job", func(ctx context.Context, tx *sql.Tx) error {
		j, err := oneJob(ctx, tx, number)
		if err != nil {
			return err
		}
		var open bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM lines WHERE "+parkedIn+")", linesOf(&j)...).Scan(&open); err != nil {
			return err
		}
		if open {
			return store.ErrState
		}
		return endJob(ctx, tx, number)
	})
}

func endJob(ctx context.Context, tx *sql.Tx, number int64) error {
	for _, table := range []string{"parked", "bodies"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE id BETWEEN ? AND ?", first(number), last(number)); err != nil { //nolint:gosec // one of two constants
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "UPDATE jobs SET state = 3 WHERE number = ?", number)
	return err
}

// parkedIn is the condition for a job's lines without results; linesOf are its values.
const parkedIn = "state = 3 AND id IN (SELECT ? << 20 | (id & ?) FROM parked WHERE id BETWEEN ? AND ?)"

func linesOf(j *store.Job) []any {
	return []any{j.Batch, store.MaxLines, first(j.Number), last(j.Number)}
}

// endUntried ends the lines of a batch's jobs that can't be at a provider, and the jobs, and counts the lines.
func endUntried(ctx context.Context, tx *sql.Tx, batch int64, outcome batchv1.LineOutcome) (total int64, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE batch = ? AND state < 2 AND tried = 0", batch)
	if err != nil {
		return 0, err
	}
	var list []store.Job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return 0, cmp.Or(err, rows.Close())
		}
		list = append(list, j)
	}
	if err := cmp.Or(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for _, j := range list {
		if _, err := holdParked(ctx, tx, &j); err != nil {
			return 0, err
		}
		r, err := tx.ExecContext(ctx, "UPDATE lines SET state = 2, outcome = ? WHERE "+parkedIn, append([]any{int32(outcome)}, linesOf(&j)...)...)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		if err = cmp.Or(err, count(ctx, tx, batch, outcome, n), endJob(ctx, tx, j.Number)); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
