package sqlite

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
	// Money is in 10^-12 US dollars; the period is the number of the contract.
	`ALTER TABLE keys ADD COLUMN budget INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE keys ADD COLUMN budget_period INTEGER NOT NULL DEFAULT 0;`,
	// The secret before the present one.
	`ALTER TABLE keys ADD COLUMN rotated_at INTEGER;
	ALTER TABLE keys ADD COLUMN old_hash BLOB;
	ALTER TABLE keys ADD COLUMN old_until INTEGER;
	CREATE UNIQUE INDEX keys_by_old_hash ON keys (old_hash) WHERE old_hash IS NOT NULL;`,
}
