// Package ledger is the router's side of the books: an event is in the local log before the answer it belongs to ends,
// and goes on to the usage service from there, in batches, as often as it takes, until the service has it for good. The
// service keeps one row for each id, so that what was sent twice counts once.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/spool"
)

// Options tunes the shipping. Zero values have defaults.
type Options struct {
	// Batch is the largest number of events in one message. Default 1000, the most that the service takes.
	Batch int
	// Linger is how long events wait behind a batch that wasn't full, so that the next one holds more of them. The first
	// event after a quiet while is shipped at once. Default 500 ms.
	Linger time.Duration
	// AckTimeout is how long the service may take for one batch. Default 10 s.
	AckTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait after a failure; it doubles each time. Defaults 100 ms and 5 s.
	BackoffMin, BackoffMax time.Duration
	// Flush is how long Run goes on shipping after its context ended. Default 5 s.
	Flush time.Duration
	// Logger is told of failures. Default: discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Batch = cmp.Or(o.Batch, 1000)
	o.Linger = cmp.Or(o.Linger, 500*time.Millisecond)
	o.AckTimeout = cmp.Or(o.AckTimeout, 10*time.Second)
	o.BackoffMin = cmp.Or(o.BackoffMin, 100*time.Millisecond)
	o.BackoffMax = cmp.Or(o.BackoffMax, 5*time.Second)
	o.Flush = cmp.Or(o.Flush, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Ledger writes events down and ships them. Record, Room and Lag are safe for concurrent use; Run is called once.
type Ledger struct {
	spool   *spool.Spool
	client  usagev1.UsageServiceClient
	opt     Options
	buffers sync.Pool
	// found is the number of the last event that was in the log at the beginning; shipped says that those are confirmed.
	found   int64
	shipped atomic.Bool
}

// New returns a ledger over an open log, which stays the caller's: it is closed after Run has returned and nothing
// records any more.
func New(s *spool.Spool, client usagev1.UsageServiceClient, o Options) *Ledger {
	l := &Ledger{
		spool: s, client: client, opt: o.withDefaults(), found: s.End().Count,
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}
	pending, _ := s.Pending()
	l.shipped.Store(pending == 0)
	return l
}

// CaughtUp reports whether the usage service has all that was written down before this process began: until then the
// ledger doesn't know all that was spent.
func (l *Ledger) CaughtUp() bool { return l.shipped.Load() }

// Room returns USAGE_LOG_FULL where no more events can be kept safe, and nil otherwise. Whoever is admitted while there
// is room can record what follows.
func (l *Ledger) Room() error {
	if l.spool.Room() {
		return nil
	}
	return full(nil)
}

func full(cause error) error {
	return fault.New(errorsv1.Reason_REASON_USAGE_LOG_FULL,
		"what calls consume can't be recorded at present, so none are taken; try again shortly").After(retryAfter).Because(cause)
}

// retryAfter is what a refused client is told to wait.
const retryAfter = 5 * time.Second

// Record writes an event down and returns once it survives the death of this process. The error is USAGE_LOG_FULL, or
// one of the disk. An event needs an id.
func (l *Ledger) Record(e *usagev1.Event) error {
	if e.GetId() == "" {
		return errors.New("an event without an id can't be recorded")
	}
	buf, ok := l.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer l.buffers.Put(buf)
	data, err := marshal((*buf)[:0], e)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.GetId(), err)
	}
	*buf = data
	switch err := l.spool.Append(data); {
	case errors.Is(err, spool.ErrFull):
		return full(err)
	case err != nil:
		return fmt.Errorf("record %s: %w", e.GetId(), err)
	}
	return nil
}

// marshal appends an event. What providers and clients send isn't always UTF-8, which would make it unwritable: then
// it is mended, since an event with a question mark in a name is worth more than none.
func marshal(dst []byte, e *usagev1.Event) ([]byte, error) {
	data, err := proto.MarshalOptions{}.MarshalAppend(dst, e)
	if err == nil {
		return data, nil
	}
	clean := proto.CloneOf(e)
	mend(clean.ProtoReflect())
	return proto.MarshalOptions{}.MarshalAppend(dst, clean)
}

// Lag returns how many events, and how many bytes of the log, the usage service hasn't confirmed.
func (l *Ledger) Lag() (events, bytes int64) { return l.spool.Pending() }

// Run ships events until ctx ends, and then what is left, for as long as Options.Flush allows. What it can't ship stays
// in the log for the next process.
func (l *Ledger) Run(ctx context.Context) error {
	reader := l.spool.Reader()
	defer reader.Close()
	return (&shipper{ledger: l, reader: reader, backoff: l.opt.BackoffMin}).run(ctx)
}
