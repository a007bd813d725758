package usage

import (
	"cmp"
	"path/filepath"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// Config says where the ledger is kept, and for how long.
type Config struct {
	// Database is the ledger's file. Default usage.db in the data directory.
	Database string `yaml:"database"`
	// Retention is how long rows are kept, counted from the attempt's begin; at least 24h, since routers may send a row
	// again for as long as it is in their local logs. Default: for ever.
	Retention time.Duration `yaml:"retention"`
}

const shortestRetention = 24 * time.Hour

// In fills in the database where it is unset, for a data directory.
func (c Config) In(dataDir string) Config {
	c.Database = cmp.Or(c.Database, filepath.Join(dataDir, "usage.db"))
	return c
}

// Validate reports what can't work, by its field.
func (c *Config) Validate() error {
	var p conf.Findings
	if c.Retention != 0 && c.Retention < shortestRetention {
		p.Add("retention", "must be at least 24h, or left out to keep rows for ever")
	}
	return p.Err()
}
