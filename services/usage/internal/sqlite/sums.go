package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/big"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/price"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// sums are a group's. What came from the cache is counted, and nothing else of it: no provider was asked. Money is added
// up in two halves, since a sum of 64 bits ends at nine million dollars.
const sums = `count(DISTINCT request_id),
  sum(outcome <> 6), sum(outcome = 6), sum(outcome NOT IN (1, 6)),
  coalesce(sum(iif(outcome <> 6, input, 0)), 0), coalesce(sum(iif(outcome <> 6, cached, 0)), 0),
  coalesce(sum(iif(outcome <> 6, written, 0)), 0), coalesce(sum(iif(outcome <> 6, output, 0)), 0),
  coalesce(sum(iif(outcome <> 6, reasoning, 0)), 0),
  coalesce(sum(iif(outcome <> 6, cost_pico_usd / 1000000, 0)), 0) + coalesce(sum(iif(outcome <> 6, cost_pico_usd % 1000000, 0)), 0) / 1000000 AS cost_high,
  coalesce(sum(iif(outcome <> 6, cost_pico_usd % 1000000, 0)), 0) % 1000000 AS cost_low,
  sum(outcome <> 6 AND cost_pico_usd IS NULL AND coalesce(input, 0) + coalesce(output, 0) > 0),
  sum(outcome <> 6 AND estimated)`

// half is what the low half of the money counts to.
const half = 1_000_000

// Sums adds up what matches.
func (s *Store) Sums(ctx context.Context, q store.Query) (list []*usagev1.Sum, truncated bool, err error) {
	text, args, err := sumsSQL(q)
	if err != nil {
		return nil, false, err
	}
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, false, fmt.Errorf("add up: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if len(list) == q.Limit {
			return list, true, nil
		}
		sum, err := scanSum(rows, q)
		if err != nil {
			return nil, false, fmt.Errorf("add up: %w", err)
		}
		list = append(list, sum)
	}
	return list, false, rows.Err()
}

func sumsSQL(q store.Query) (text string, args []any, err error) {
	stretch, err := stretchOf(q.Interval)
	if err != nil {
		return "", nil, err
	}
	selected, groups, order := []string{stretch + " AS stretch"}, []string{"stretch"}, []string{"stretch", "cost_high DESC", "cost_low DESC"}
	for i, g := range q.Groups {
		column, err := columnOf(g)
		if err != nil {
			return "", nil, err
		}
		if g == usagev1.Group_GROUP_TAG {
			args = append(args, q.TagName)
		}
		name := fmt.Sprintf("group_%d", i)
		selected = append(selected, column+" AS "+name)
		groups, order = append(groups, name), append(order, name)
	}
	cond := where(q.Filter)
	args = append(append(args, cond.args...), q.Limit+1)
	text = "SELECT " + strings.Join(append(selected, sums), ", ") + " FROM events" + cond.String() +
		" GROUP BY " + strings.Join(groups, ", ") + " ORDER BY " + strings.Join(order, ", ") + " LIMIT ?"
	return text, args, nil
}

// stretchOf is the beginning of the stretch of time an event is in, in seconds since 1970.
func stretchOf(i usagev1.Interval) (string, error) {
	switch i {
	case usagev1.Interval_INTERVAL_UNSPECIFIED:
		return "0", nil
	case usagev1.Interval_INTERVAL_MINUTE:
		return "started / 60000000000 * 60", nil
	case usagev1.Interval_INTERVAL_HOUR:
		return "started / 3600000000000 * 3600", nil
	case usagev1.Interval_INTERVAL_DAY:
		return "started / 86400000000000 * 86400", nil
	case usagev1.Interval_INTERVAL_MONTH:
		return "unixepoch(started / 1000000000, 'unixepoch', 'start of month')", nil
	}
	return "", fmt.Errorf("add up: no such interval: %d", i)
}

func columnOf(g usagev1.Group) (string, error) {
	switch g {
	case usagev1.Group_GROUP_TENANT:
		return "tenant", nil
	case usagev1.Group_GROUP_KEY:
		return "key_id", nil
	case usagev1.Group_GROUP_MODEL:
		return "model", nil
	case usagev1.Group_GROUP_PROVIDER:
		return "provider", nil
	case usagev1.Group_GROUP_TAG:
		return "coalesce((SELECT value FROM json_each(tags) WHERE key = ?), '')", nil
	}
	return "", fmt.Errorf("add up: no such group: %d", g)
}

func scanSum(rows *sql.Rows, q store.Query) (*usagev1.Sum, error) {
	var stretch, high, low int64
	s := &usagev1.Sum{Group: make([]string, len(q.Groups))}
	into := []any{&stretch}
	for i := range s.Group {
		into = append(into, &s.Group[i])
	}
	into = append(into, &s.Requests, &s.Attempts, &s.Cached, &s.Failed, &s.InputTokens, &s.CachedInputTokens, &s.CacheWriteTokens,
		&s.OutputTokens, &s.ReasoningTokens, &high, &low, &s.Unpriced, &s.Estimated)
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	if q.Interval != usagev1.Interval_INTERVAL_UNSPECIFIED {
		s.Start = timestamppb.New(time.Unix(stretch, 0))
	}
	pico := new(big.Int).Mul(big.NewInt(high), big.NewInt(half))
	if pico.Add(pico, big.NewInt(low)); pico.Sign() != 0 || s.GetUnpriced() == 0 {
		s.CostUsd = price.BigUSD(pico)
	}
	return s, nil
}
