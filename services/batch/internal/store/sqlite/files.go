package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Reserve notes a blob that is about to be written.
func (s *Store) Reserve(ctx context.Context, blob string, until time.Time) error {
	return s.change(ctx, "reserve a blob", func(ctx context.Context, tx *sql.Tx) error {
		return discard(ctx, tx, blob, until)
	})
}

// discard makes a blob garbage from a time on.
func discard(ctx context.Context, tx *sql.Tx, blob string, since time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO garbage (blob, since) VALUES (?, ?)
		ON CONFLICT (blob) DO UPDATE SET since = excluded.since`, blob, nanos(since))
	return err
}

// keep makes a blob no garbage.
func keep(ctx context.Context, tx *sql.Tx, blob string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM garbage WHERE blob = ?", blob)
	return err
}

// CreateFile adds a file.
func (s *Store) CreateFile(ctx context.Context, f store.File) error {
	return s.change(ctx, "keep a file", func(ctx context.Context, tx *sql.Tx) error { return addFile(ctx, tx, f) })
}

func addFile(ctx context.Context, tx *sql.Tx, f store.File) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO files (id, tenant, key_id, filename, format, bytes, sha256, blob, created, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.Tenant, f.KeyID, f.Filename, int32(f.Format), f.Bytes, f.SHA256, f.Blob, nanos(f.Created), nanos(f.Expires))
	return cmp.Or(err, keep(ctx, tx, f.Blob))
}

const fileColumns = "number, id, tenant, key_id, filename, format, bytes, sha256, blob, created, expires"

type scanner interface{ Scan(into ...any) error }

func scanFile(row scanner) (f store.File, number int64, err error) {
	var created, expires int64
	err = row.Scan(&number, &f.ID, &f.Tenant, &f.KeyID, &f.Filename, &f.Format, &f.Bytes, &f.SHA256, &f.Blob, &created, &expires)
	f.Created, f.Expires = moment(created), moment(expires)
	return f, number, known(err)
}

// known makes a row that isn't there ErrNotFound.
func known(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// File returns a file.
func (s *Store) File(ctx context.Context, id string) (store.File, error) {
	f, _, err := s.file(ctx, id)
	return f, err
}

func (s *Store) file(ctx context.Context, id string) (store.File, int64, error) {
	f, number, err := scanFile(s.read.QueryRowContext(ctx, "SELECT "+fileColumns+" FROM files WHERE id = ?", id))
	if err != nil {
		return f, 0, fmt.Errorf("a file: %w", err)
	}
	return f, number, nil
}

// ListFiles returns a page.
func (s *Store) ListFiles(ctx context.Context, q store.FileQuery) ([]store.File, error) {
	c := condition{}
	c.add("(expires = 0 OR expires > ?)", nanos(q.Now))
	if q.Tenant != "" {
		c.add("tenant = ?", q.Tenant)
	}
	order, beyond := "DESC", "number < ?"
	if q.Ascending {
		order, beyond = "ASC", "number > ?"
	}
	if q.After != "" {
		f, number, err := s.file(ctx, q.After)
		if err != nil || (q.Tenant != "" && f.Tenant != q.Tenant) {
			return nil, cmp.Or(err, store.ErrNotFound)
		}
		c.add(beyond, number)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+fileColumns+" FROM files"+c.String()+" ORDER BY number "+order+" LIMIT ?", //nolint:gosec // the text is ours, values are arguments
		append(c.args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	defer rows.Close()
	var list []store.File
	for rows.Next() {
		f, _, err := scanFile(rows)
		if err != nil {
			return nil, fmt.Errorf("list files: %w", err)
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

// DeleteFile forgets a file.
func (s *Store) DeleteFile(ctx context.Context, id string, now time.Time) error {
	return s.change(ctx, "delete a file", func(ctx context.Context, tx *sql.Tx) error {
		n, err := dropFiles(ctx, tx, "id = ?", now, id)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// dropFiles forgets the files that a condition names.
func dropFiles(ctx context.Context, tx *sql.Tx, where string, now time.Time, args ...any) (int, error) {
	rows, err := tx.QueryContext(ctx, "DELETE FROM files WHERE "+where+" RETURNING blob", args...) //nolint:gosec // of constants
	if err != nil {
		return 0, err
	}
	blobs, err := texts(rows)
	for _, blob := range blobs {
		err = cmp.Or(err, discard(ctx, tx, blob, now))
	}
	return len(blobs), err
}

// texts reads rows of one text each, and closes them.
func texts(rows *sql.Rows) (list []string, err error) {
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}

// ExpireFiles forgets files whose time is over.
func (s *Store) ExpireFiles(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = s.change(ctx, "expire files", func(ctx context.Context, tx *sql.Tx) (err error) {
		n, err = dropFiles(ctx, tx, "number IN (SELECT number FROM files WHERE expires > 0 AND expires <= ? LIMIT ?)", now, nanos(now), limit)
		return err
	})
	return n, err
}

// Garbage returns blobs that nobody needs.
func (s *Store) Garbage(ctx context.Context, now time.Time, limit int) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT blob FROM garbage WHERE since <= ?
		AND NOT EXISTS (SELECT 1 FROM batches WHERE ended = 0 AND source = blob) LIMIT ?`, nanos(now), limit)
	if err != nil {
		return nil, fmt.Errorf("find garbage: %w", err)
	}
	return texts(rows)
}

// Forget notes that blobs are deleted.
func (s *Store) Forget(ctx context.Context, blobs []string) error {
	return s.change(ctx, "forget blobs", func(ctx context.Context, tx *sql.Tx) error {
		for _, blob := range blobs {
			if err := keep(ctx, tx, blob); err != nil {
				return err
			}
		}
		return nil
	})
}
