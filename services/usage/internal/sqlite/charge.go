package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

const (
	// foldAt is how many costs of inserts wait until they are folded into the sums. More of them make a question slower: it
	// reads all of them. Fewer make inserts slower: folding touches the sum of each of their keys.
	foldAt = 100_000
	// perInsert is how many costs take as long to read as a row of them does beside.
	perInsert = 20
)

const chargeSQL = "INSERT INTO unfolded (costs) VALUES (?)"

// cellsAtOnce is how many sums one statement changes.
const cellsAtOnce = 50

func foldSQL(cells int) string {
	return "INSERT INTO spent (day, tenant, key_id, cost_pico_usd) VALUES (?,?,?,?)" + strings.Repeat(",(?,?,?,?)", cells-1) + `
		ON CONFLICT DO UPDATE SET cost_pico_usd = iif(cost_pico_usd > 9223372036854775807 - excluded.cost_pico_usd,
			9223372036854775807, cost_pico_usd + excluded.cost_pico_usd)`
}

// charge writes down what an insert cost, as one row, whatever the number of keys; the sums follow once there is enough
// for them.
func (s *Store) charge(ctx context.Context, tx *sql.Tx, spent costs) error {
	if len(spent) == 0 {
		return nil
	}
	if _, err := tx.StmtContext(ctx, s.insertCosts).ExecContext(ctx, spent.encode()); err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	if s.unfolded.Add(int64(perInsert+len(spent))) < foldAt {
		return nil
	}
	if err := fold(ctx, tx); err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	// Where the commit fails, folding is put off. That is all.
	s.unfolded.Store(0)
	return nil
}

// fold adds to the sums what waits.
func fold(ctx context.Context, tx *sql.Tx) error {
	waiting := make(costs)
	if err := eachInsert(ctx, tx, waiting.decode); err != nil {
		return err
	}
	if err := addToSums(ctx, tx, waiting.withTotals()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM unfolded")
	return err
}

func addToSums(ctx context.Context, tx *sql.Tx, c costs) error {
	stmt, err := tx.PrepareContext(ctx, foldSQL(cellsAtOnce))
	if err != nil {
		return err
	}
	defer stmt.Close()
	args := make([]any, 0, 4*cellsAtOnce)
	for cells := range slices.Chunk(c.sorted(), cellsAtOnce) {
		args = args[:0]
		for _, at := range cells {
			args = append(args, at.day, at.tenant, at.keyID, c[at])
		}
		if len(cells) == cellsAtOnce {
			_, err = stmt.ExecContext(ctx, args...)
		} else {
			_, err = tx.ExecContext(ctx, foldSQL(len(cells)), args...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachInsert goes through what waits. The costs of an insert are good until visit returns.
func eachInsert(ctx context.Context, tx *sql.Tx, visit func(costs []byte) error) error {
	rows, err := tx.QueryContext(ctx, "SELECT costs FROM unfolded")
	if err != nil {
		return err
	}
	defer rows.Close()
	var b sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&b); err != nil {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return rows.Err()
}
