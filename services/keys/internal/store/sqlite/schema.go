package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// schema is every version's change, in order; what is here once is never changed.
var schema = []string{
	// seq is the order of creation, which times don't tell where two are the same.
	`CREATE TABLE keys (
		seq INTEGER PRIMARY KEY AUTOINCREMENT,
		id TEXT NOT NULL UNIQUE,
		hash BLOB NOT NULL UNIQUE,
		name TEXT NOT NULL,
		tenant TEXT NOT NULL,
		role INTEGER NOT NULL,
		models TEXT NOT NULL,
		requests_per_minute INTEGER NOT NULL,
		tokens_per_minute INTEGER NOT NULL,
		concurrent_requests INTEGER NOT NULL,
		created_at INTEGER NOT NULL,
		expires_at INTEGER,
		revoked_at INTEGER,
		created_by TEXT NOT NULL,
		hint TEXT NOT NULL
	) STRICT;
	CREATE INDEX keys_by_tenant ON keys (tenant, seq);`,
}

// migrate brings the file to the present version, whole or not at all. A file of a newer version is refused.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	var version int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(schema) {
		return fmt.Errorf("the file is of version %d, this program knows %d: run a newer one", version, len(schema))
	}
	for _, change := range schema[version:] {
		if _, err := tx.ExecContext(ctx, change); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, len(schema))); err != nil {
		return err
	}
	return tx.Commit()
}
