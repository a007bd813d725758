package keys

import (
	"path/filepath"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// Config says where keys are kept.
type Config struct {
	// Store is sqlite (the default) or memory, which forgets all keys when the process ends.
	Store string `yaml:"store"`
	// File is where SQLite keeps them. One process uses a file at a time. Default keys.db in the data directory.
	File string `yaml:"file"`
}

const (
	storeSQLite = "sqlite"
	storeMemory = "memory"
)

// WithDefaults fills in what is unset, but for the file, which depends on the data directory.
func (c Config) WithDefaults() Config {
	if c.Store == "" {
		c.Store = storeSQLite
	}
	return c
}

// In fills in the file where it is unset and there is one, for a data directory.
func (c Config) In(dataDir string) Config {
	if c.File == "" && c.Store != storeMemory {
		c.File = filepath.Join(dataDir, "keys.db")
	}
	return c
}

// Validate reports every field that can't work, by its path in the file.
func (c *Config) Validate() error {
	var p conf.Findings
	if c.Store != "" && c.Store != storeSQLite && c.Store != storeMemory {
		p.Add("store", "must be %s or %s", storeSQLite, storeMemory)
	}
	if c.File != "" && c.Store == storeMemory {
		p.Add("file", "needs store: %s", storeSQLite)
	}
	return p.Err()
}
