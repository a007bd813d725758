package usage

import (
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

// Validate reports what can't work, by its field.
func (c *Config) Validate() error {
	var p conf.Findings
	if c.Retention != 0 && c.Retention < shortestRetention {
		p.Add("retention", "must be at least 24h, or left out to keep rows for ever")
	}
	return p.Err()
}
