// Package batch is the service for work that can wait: files of requests that are handed to their providers' batch APIs, or
// asked one by one, through the router like live ones, behind everyone who waits. One instance serves a mesh: its SQLite
// file lets no second one in.
package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/api"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/limits"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/relay"
	"github.com/headgate-mesh/headgate/services/batch/internal/store/sqlite"
)

// Deps are what the service is given.
type Deps struct {
	// Logger takes a line for each file and batch that is made. Default: discards.
	Logger *slog.Logger
	// Meter takes the metrics. Default: none.
	Meter metric.Meter
	// DataDir is where the database and the files are, unless the configuration names others. Required for that.
	DataDir string
	// Router is asked, with a peer credential and on behalf of the key that made a batch. Required.
	Router grpc.ClientConnInterface
	// Usage knows what became of lines that were under way when a process died. Without it no such line is asked again.
	Usage grpc.ClientConnInterface
	// RateLimit knows the keys' limits: a batch that they can never let through is refused when it is made. Optional.
	RateLimit grpc.ClientConnInterface
	// Clock tells the time. Default time.Now.
	Clock func() time.Time
}

// Service is the batch service. Safe for concurrent use. Run closes it; who doesn't run it calls Close.
type Service struct {
	api   *api.Server
	queue *queue.Queue
	close func() error
}

// New opens the store of a valid configuration. It fails where another process uses the file.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := errors.Join(cfg.Validate(), deps.check(cfg)); err != nil {
		return nil, err
	}
	cfg, deps = cfg.WithDefaults(), deps.withDefaults()
	ctx := context.Background()
	// The database first: it lets only one process in, and the files have one user.
	db, err := sqlite.Open(ctx, cmp.Or(cfg.Database, filepath.Join(deps.DataDir, "batch.db")))
	if err != nil {
		return nil, err
	}
	bucket, err := openFiles(ctx, cfg, deps)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Service{close: sync.OnceValue(func() error { return errors.Join(db.Close(), bucket.Close()) })}
	jobs := relay.NewJobs(deps.Router, int64(cfg.MaxResult))
	o := queue.Options{
		Store: db, Files: bucket, Asker: relay.New(deps.Router, int64(cfg.MaxResult)), Providers: jobs,
		PollLeast: cfg.PollLeast, PollMost: cfg.PollMost, Clock: deps.Clock, Logger: deps.Logger, Meter: deps.Meter,
		Concurrency: cfg.Concurrency, MaxLines: cfg.MaxLines, MaxLine: int(cfg.MaxLine), Retention: cfg.Retention,
	}
	if cfg.ProviderBatches == ProviderBatchesAuto {
		o.Preparer = jobs
	}
	o.Limits = limits.New(deps.RateLimit)
	if deps.Usage != nil {
		o.Ledger = relay.NewLedger(deps.Usage)
	}
	if s.queue, err = queue.New(o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.api = &api.Server{
		Store: db, Files: bucket, Logger: deps.Logger, Clock: deps.Clock, Notify: s.queue.Notify, Limits: o.Limits,
		Concurrency: cfg.Concurrency, MaxFile: int64(cfg.MaxFile), MaxLines: cfg.MaxLines, Window: cfg.Window, Retention: cfg.Retention,
	}
	return s, nil
}

func openFiles(ctx context.Context, cfg Config, deps Deps) (*files.Bucket, error) {
	if cfg.Files != "" {
		return files.Open(ctx, cfg.Files)
	}
	at, err := files.Directory(filepath.Join(deps.DataDir, "batch-files"))
	if err != nil {
		return nil, fmt.Errorf("open the batch files: %w", err)
	}
	return files.Open(ctx, at)
}

func (d Deps) check(cfg Config) error {
	if d.Router == nil {
		return errors.New("the batch service needs a router")
	}
	if d.DataDir == "" && (cfg.Database == "" || cfg.Files == "") {
		return errors.New("the batch service needs a data directory, or a database and files")
	}
	return nil
}

func (d Deps) withDefaults() Deps {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Meter == nil {
		d.Meter = noop.NewMeterProvider().Meter("")
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	return d
}

// Register adds BatchService to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { batchv1.RegisterBatchServiceServer(r, s.api) }

// Validate checks a request message of BatchService; other messages pass.
func (s *Service) Validate(m proto.Message) error { return api.Validate(m) }

// Run carries batches out until ctx ends, lets what is under way end for a while, and closes the service. The server it
// is registered at has to be stopped before; the router, which answers what is under way, after.
func (s *Service) Run(ctx context.Context) error {
	return errors.Join(s.queue.Run(ctx), s.Close())
}

// Close closes the service; no call may be under way. Closing again does nothing.
func (s *Service) Close() error { return s.close() }
