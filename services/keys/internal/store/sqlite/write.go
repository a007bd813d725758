package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Create keeps a new key.
func (s *Store) Create(ctx context.Context, k store.Key) error {
	r, err := rowOf(k)
	if err != nil {
		return err
	}
	return s.alone(ctx, func(tx *sql.Tx) error {
		if err := free(ctx, tx, r); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO keys (`+columns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, r.values()...)
		return exists(err)
	})
}

// Change changes a key.
func (s *Store) Change(ctx context.Context, id string, f func(*store.Key) error) (k store.Key, err error) {
	err = s.alone(ctx, func(tx *sql.Tx) error {
		if k, err = scanOne(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM keys WHERE id = ?`, id)); err != nil {
			return err
		}
		if err := f(&k); err != nil {
			return err
		}
		k.ID = id
		k, err = change(ctx, tx, k)
		return err
	})
	if err != nil {
		return store.Key{}, err
	}
	return k, nil
}

// change keeps what may change of a key and returns all of it.
func change(ctx context.Context, tx *sql.Tx, k store.Key) (store.Key, error) {
	r, err := rowOf(k)
	if err != nil {
		return k, err
	}
	if err := free(ctx, tx, r); err != nil {
		return k, err
	}
	l := k.Limits
	k, err = scanOne(tx.QueryRowContext(ctx, `UPDATE keys SET name = ?, models = ?, requests_per_minute = ?, tokens_per_minute = ?,
		concurrent_requests = ?, budget = ?, budget_period = ?, expires_at = ?, hint = ?, hash = ?, rotated_at = ?, old_hash = ?,
		old_until = ? WHERE id = ? RETURNING `+columns,
		k.Name, r.models, l.RequestsPerMinute, l.TokensPerMinute, l.ConcurrentRequests, l.Budget, int32(l.BudgetPeriod),
		r.expires, k.Hint, r.hash, r.rotated, r.oldHash, r.oldUntil, k.ID))
	return k, exists(err)
}

// free returns ErrExists where a hash of the row is another key's. That no two keys have the same present hash, or the same
// old one, the schema sees to.
func free(ctx context.Context, tx *sql.Tx, r *row) error {
	var taken bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keys WHERE (old_hash = ?1 OR hash = ?2) AND id <> ?3)`,
		r.hash, r.oldHash, r.key.ID).Scan(&taken)
	if taken {
		return store.ErrExists
	}
	return err
}

// exists tells a value that is taken from other failures.
func exists(err error) error {
	var failure *sqlite.Error
	if errors.As(err, &failure) && failure.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return store.ErrExists
	}
	return err
}

// Revoke ends a key.
func (s *Store) Revoke(ctx context.Context, id string, at time.Time) (k store.Key, err error) {
	err = s.alone(ctx, func(tx *sql.Tx) error {
		k, err = scanOne(tx.QueryRowContext(ctx,
			`UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING `+columns, at.UnixMicro(), id))
		return err
	})
	return k, err
}

// alone does something in a transaction, which begins by taking the writer's lock. The commit is a step of its own, so that
// its failure isn't missed.
func (s *Store) alone(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}
