package batch

import (
	"cmp"
	"path/filepath"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
)

// Config says where batches are kept, and how much of the mesh they may take.
type Config struct {
	// Database is where SQLite keeps batches, their lines and results. One process uses a file at a time. Default batch.db
	// in the data directory.
	Database string `yaml:"database"`
	// Files is the URL of the bucket for uploads and results: file:///var/lib/headgate/files. Default batch-files in the
	// data directory.
	Files string `yaml:"files"`
	// Concurrency is how many lines of all batches together may be under way at once, and so the most that one batch may
	// have. Default 8.
	Concurrency int `yaml:"concurrency"`
	// MaxFile is the largest upload. Default 512MiB.
	MaxFile conf.Bytes `yaml:"max_file"`
	// MaxLines is the most lines of a batch, up to 1000000. Default 100000.
	MaxLines int `yaml:"max_lines"`
	// MaxLine is the largest line of a file. Default 10MiB.
	MaxLine conf.Bytes `yaml:"max_line"`
	// MaxResult is the largest answer to a line. Default 16MiB.
	MaxResult conf.Bytes `yaml:"max_result"`
	// ProviderBatches is auto or off. With auto, lines of a batch with a window of 24h go to their provider's own batch API
	// where it has one, at its batch price; with off all are asked one by one. Default auto.
	ProviderBatches string `yaml:"provider_batches"`
	// PollLeast is the first pause between questions about a batch at a provider; each is half as long again as the one
	// before. Default 5s.
	PollLeast time.Duration `yaml:"poll_least"`
	// PollMost is the longest of those pauses, at least PollLeast. Default 5m.
	PollMost time.Duration `yaml:"poll_most"`
	// Retention is how long files are kept, and batches after they have ended. Default 720h, which is 30 days.
	Retention time.Duration `yaml:"retention"`
	// Window is how long a batch may take where it doesn't say, 1m to 24h. Default 24h.
	Window time.Duration `yaml:"window"`
}

// What ProviderBatches may be.
const (
	ProviderBatchesAuto = "auto"
	ProviderBatchesOff  = "off"
)

const (
	mostLines      = 1_000_000
	mostFile       = 16 << 30
	mostLine       = 32 << 20
	mostResult     = 32 << 20
	mostConcurrent = 10_000
	leastRetention = time.Hour
	leastWindow    = time.Minute
	leastPoll      = time.Millisecond
	mostPoll       = time.Hour
	mostWindow     = 24 * time.Hour
)

// WithDefaults fills in what is unset, but for the places, which depend on the data directory.
func (c Config) WithDefaults() Config {
	c.Concurrency = cmp.Or(c.Concurrency, 8)
	c.MaxFile = cmp.Or(c.MaxFile, 512<<20)
	c.MaxLines = cmp.Or(c.MaxLines, 100_000)
	c.MaxLine = cmp.Or(c.MaxLine, 10<<20)
	c.MaxResult = cmp.Or(c.MaxResult, 16<<20)
	c.Retention = cmp.Or(c.Retention, 30*24*time.Hour)
	c.ProviderBatches = cmp.Or(c.ProviderBatches, ProviderBatchesAuto)
	c.PollLeast = cmp.Or(c.PollLeast, 5*time.Second)
	c.PollMost = cmp.Or(c.PollMost, max(5*time.Minute, c.PollLeast))
	c.Window = cmp.Or(c.Window, mostWindow)
	return c
}

// In fills in the places where they are unset, for a data directory.
func (c Config) In(dataDir string) Config {
	c.Database = cmp.Or(c.Database, filepath.Join(dataDir, "batch.db"))
	if at, err := files.Directory(filepath.Join(dataDir, "batch-files")); err == nil {
		c.Files = cmp.Or(c.Files, at)
	}
	return c
}

// Validate reports every field that can't work, by its path in the file. What is unset gets its default.
func (c *Config) Validate() error {
	var p conf.Findings
	d := c.WithDefaults()
	within(&p, "concurrency", d.Concurrency, 1, mostConcurrent)
	within(&p, "max_lines", d.MaxLines, 1, mostLines)
	within(&p, "max_file", d.MaxFile, 1<<10, mostFile)
	within(&p, "max_line", d.MaxLine, 1<<10, mostLine)
	within(&p, "max_result", d.MaxResult, 1<<10, mostResult)
	within(&p, "window", d.Window, leastWindow, mostWindow)
	within(&p, "poll_least", d.PollLeast, leastPoll, mostPoll)
	within(&p, "poll_most", d.PollMost, d.PollLeast, mostPoll)
	if d.ProviderBatches != ProviderBatchesAuto && d.ProviderBatches != ProviderBatchesOff {
		p.Add("provider_batches", "must be %s or %s", ProviderBatchesAuto, ProviderBatchesOff)
	}
	if d.Retention < leastRetention {
		p.Add("retention", "must be at least %s", leastRetention)
	}
	if c.Files != "" && !files.Opens(c.Files) {
		p.Add("files", "must be the URL of a directory, such as file:///var/lib/headgate/files, or of a bucket, s3://name: this build has drivers for no others")
	}
	return p.Err()
}

func within[T int | conf.Bytes | time.Duration](p *conf.Findings, field string, value, least, most T) {
	if value < least || value > most {
		p.Add(field, "must be from %v to %v", least, most)
	}
}
