package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// List returns a page of keys.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Key, error) {
	after, err := s.position(ctx, q.After)
	if err != nil {
		return nil, err
	}
	validAt := int64(math.MinInt64) // before every time there is: nothing is left out
	if !q.ValidAt.IsZero() {
		validAt = q.ValidAt.UnixMicro()
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+columns+` FROM keys
		WHERE seq > ?1 AND (?2 = '' OR tenant = ?2)
		AND (?3 = ?4 OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)))
		ORDER BY seq LIMIT ?5`, after, q.Tenant, validAt, int64(math.MinInt64), q.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []store.Key
	for rows.Next() {
		k, err := scan(rows)
		if err != nil {
			return nil, err
		}
		page = append(page, k)
	}
	return page, rows.Err()
}

// position is where a key stands in the order of creation; 0, before all of them, for no id.
func (s *Store) position(ctx context.Context, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	var seq int64
	err := s.read.QueryRowContext(ctx, `SELECT seq FROM keys WHERE id = ?`, id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, store.ErrNotFound
	}
	return seq, err
}
