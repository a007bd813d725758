package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// Spent adds up whole days from their sums, the rest of a first day from its rows, and what isn't in the sums yet.
func (s *Store) Spent(ctx context.Context, since time.Time, accounts []store.Account) ([]int64, error) {
	// What is folded meanwhile must neither count twice nor be left out: one view of the file for all.
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	b := newBill(accounts)
	if err := b.addSince(ctx, tx, since); err != nil {
		return nil, fmt.Errorf("add up what was spent: %w", err)
	}
	return b.sums, nil
}

func (b *bill) addSince(ctx context.Context, tx *sql.Tx, since time.Time) error {
	from := firstDay(since)
	if err := b.addDays(ctx, tx, from); err != nil {
		return err
	}
	if err := b.addInserts(ctx, tx, from); err != nil {
		return err
	}
	if from == ever || since.UnixNano() == from*dayNanos {
		return nil
	}
	return b.addRows(ctx, tx, since.UnixNano(), from*dayNanos)
}

// firstDay is the first whole day since a time; since the beginning it is ever.
func firstDay(since time.Time) int64 {
	if since.Unix() <= 0 {
		return ever
	}
	return (since.UnixNano() + dayNanos - 1) / dayNanos
}

// daysSQL adds up the cells of each account, in two halves as sums does. It finds the days there are one after the other,
// which for ever is just one; each of them is then a single range of the table for a key or a tenant.
const daysSQL = `
WITH RECURSIVE
  days(day) AS (
    SELECT min(day) FROM spent WHERE day >= ?1
    UNION ALL
    SELECT (SELECT min(day) FROM spent WHERE day > days.day) FROM days WHERE days.day >= 0
  ),
  accounts(place, tenant, key_id) AS MATERIALIZED (
    SELECT key, value ->> 0, value ->> 1 FROM json_each(?2)
  )
SELECT place, sum(cost_pico_usd / 1000000), sum(cost_pico_usd % 1000000)
FROM days CROSS JOIN accounts CROSS JOIN spent USING (day, tenant, key_id)
WHERE accounts.key_id <> '' GROUP BY place
UNION ALL
SELECT place, sum(cost_pico_usd / 1000000), sum(cost_pico_usd % 1000000)
FROM days CROSS JOIN accounts CROSS JOIN spent USING (day, tenant)
WHERE accounts.key_id = '' GROUP BY place`

func (b *bill) addDays(ctx context.Context, tx *sql.Tx, from int64) error {
	list := make([][2]string, len(b.accounts))
	for i, a := range b.accounts {
		list[i] = [2]string{a.Tenant, a.KeyID}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, daysSQL, from, string(text))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var place int
		var high, low int64
		if err := rows.Scan(&place, &high, &low); err != nil {
			return err
		}
		b.add([]int{place}, whole(high, low))
	}
	return rows.Err()
}

// addInserts adds what isn't in the sums yet.
func (b *bill) addInserts(ctx context.Context, tx *sql.Tx, from int64) error {
	return eachInsert(ctx, tx, func(costs []byte) error {
		return eachCost(costs, func(day int64, tenant, keyID []byte, n int64) {
			if day >= from {
				b.charge(tenant, keyID, n)
			}
		})
	})
}

// addRows adds what events cost that began in a stretch of time.
func (b *bill) addRows(ctx context.Context, tx *sql.Tx, begin, end int64) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT tenant, key_id, sum(cost_pico_usd / 1000000), sum(cost_pico_usd % 1000000) FROM events
		WHERE started >= ? AND started < ? AND outcome <> 6 AND cost_pico_usd > 0 GROUP BY tenant, key_id`, begin, end)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var tenant, keyID sql.RawBytes
		var high, low int64
		if err := rows.Scan(&tenant, &keyID, &high, &low); err != nil {
			return err
		}
		b.charge(tenant, keyID, whole(high, low))
	}
	return rows.Err()
}
