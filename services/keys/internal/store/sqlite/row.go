package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// columns are a key's, in the order of row.
const columns = `id, hash, name, tenant, role, models, requests_per_minute, tokens_per_minute, concurrent_requests,
	budget, budget_period, created_at, expires_at, revoked_at, created_by, hint, rotated_at, old_hash, old_until`

// row is a key as its columns hold it: times as microseconds since 1970, models as JSON, no old hash as NULL.
type row struct {
	key               store.Key
	hash, oldHash     []byte
	models            string
	created           int64
	expires, revoked  sql.NullInt64
	rotated, oldUntil sql.NullInt64
}

func rowOf(k store.Key) (*row, error) {
	models, err := json.Marshal(k.Models)
	if err != nil {
		return nil, err
	}
	return &row{
		key: k, hash: k.Hash[:], models: string(models),
		created: k.Created.UnixMicro(), expires: micros(k.Expires), revoked: micros(k.Revoked),
		rotated: micros(k.Rotated), oldHash: bytesOf(k.OldHash), oldUntil: micros(k.OldUntil),
	}, nil
}

// bytesOf is a hash, nil where there is none.
func bytesOf(h apikey.Hash) []byte {
	if h == (apikey.Hash{}) {
		return nil
	}
	return h[:]
}

func micros(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: true}
}

func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

func (r *row) values() []any {
	k := &r.key
	return []any{
		k.ID, r.hash, k.Name, k.Tenant, int32(k.Role), r.models,
		k.Limits.RequestsPerMinute, k.Limits.TokensPerMinute, k.Limits.ConcurrentRequests,
		k.Limits.Budget, int32(k.Limits.BudgetPeriod), r.created, r.expires, r.revoked, k.CreatedBy, k.Hint,
		r.rotated, r.oldHash, r.oldUntil,
	}
}

// scanner is a row, alone or among others.
type scanner interface{ Scan(into ...any) error }

func scan(from scanner) (store.Key, error) {
	var r row
	var role, period int32
	k := &r.key
	err := from.Scan(&k.ID, &r.hash, &k.Name, &k.Tenant, &role, &r.models,
		&k.Limits.RequestsPerMinute, &k.Limits.TokensPerMinute, &k.Limits.ConcurrentRequests, &k.Limits.Budget, &period,
		&r.created, &r.expires, &r.revoked, &k.CreatedBy, &k.Hint, &r.rotated, &r.oldHash, &r.oldUntil)
	if err != nil {
		return store.Key{}, err
	}
	if err := json.Unmarshal([]byte(r.models), &k.Models); err != nil {
		return store.Key{}, fmt.Errorf("the models of key %s: %w", k.ID, err)
	}
	if err := r.hashes(); err != nil {
		return store.Key{}, err
	}
	k.Role, k.Limits.BudgetPeriod = accessv1.Role(role), ratelimitv1.BudgetPeriod(period)
	k.Created, k.Expires, k.Revoked = time.UnixMicro(r.created).UTC(), timeOf(r.expires), timeOf(r.revoked)
	k.Rotated, k.OldUntil = timeOf(r.rotated), timeOf(r.oldUntil)
	return *k, nil
}

func (r *row) hashes() error {
	k := &r.key
	if copy(k.Hash[:], r.hash) != len(k.Hash) || len(r.hash) != len(k.Hash) {
		return fmt.Errorf("the hash of key %s has %d bytes", k.ID, len(r.hash))
	}
	if n := len(r.oldHash); n != 0 && n != copy(k.OldHash[:], r.oldHash) || n != 0 && n != len(k.OldHash) {
		return fmt.Errorf("the old hash of key %s has %d bytes", k.ID, n)
	}
	return nil
}

func scanOne(from scanner) (store.Key, error) {
	k, err := scan(from)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Key{}, store.ErrNotFound
	}
	return k, err
}
