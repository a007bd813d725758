// Package spool is an append-only log of opaque records in a directory, for what must survive the death of a process
// until another one has taken it over. What [Spool.Append] has accepted is in the file and outlives a kill -9; an
// fsync follows within SyncInterval, so that a power failure costs no more than that. A [Reader] follows the log from
// the position that was last acknowledged, and what is acknowledged is deleted.
//
// Nothing is ever dropped: a log at its bound, or on a full disk, refuses instead, and [Spool.Room] tells so before
// there is something to write. A log that was torn or damaged keeps every record whose checksum holds; the rest is
// counted and reported.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/kit/filelock"
)

// Errors of a log. ErrFull is what Append returns at the bound, ErrTooLarge for a record that is empty or above
// MaxRecord, ErrClosed is what everything returns after Close, and ErrInUse what Open returns for a log that another
// process has open.
var (
	ErrFull     = errors.New("the log is full")
	ErrTooLarge = errors.New("the record is empty or too large")
	ErrClosed   = errors.New("the log is closed")
	ErrInUse    = filelock.ErrInUse
)

// MaxRecord is the largest record in bytes.
const MaxRecord = 1 << 20

// Options configures a spool. Zero values have defaults.
type Options struct {
	// MaxBytes bounds the log. What is acknowledged leaves it segment by segment; the disk holds up to two segments more.
	// Default 1 GiB; at least 64 KiB.
	MaxBytes int64
	// SegmentBytes is the size of one file. Default 4 MiB, or an eighth of MaxBytes where that is less.
	SegmentBytes int64
	// SyncInterval is how long an appended record may wait for its fsync. Default 100 ms.
	SyncInterval time.Duration
	// Logger is told of damage and of failures of the disk. Default: discards.
	Logger *slog.Logger
}

const (
	defaultMax     = 1 << 30
	defaultSegment = 4 << 20
	smallestMax    = 64 << 10
	// parts is how many segments the bound holds at least, so that one that is partly acknowledged matters little.
	parts = 8
)

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMax
	}
	o.MaxBytes = max(o.MaxBytes, smallestMax)
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/parts)
	if o.SyncInterval <= 0 {
		o.SyncInterval = 100 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Spool is an open log. Its methods are safe for concurrent use, but for Close, which comes last.
type Spool struct {
	dir     string
	opt     Options
	lock    *filelock.Lock
	salt    uint64
	seed    uint32
	damaged int64

	// joining guards the batch that appends join; writing is held by whoever writes one, and guards the rest. Locks are
	// taken in the order in which they stand here.
	writing  sync.Mutex
	joining  sync.Mutex
	batch    *batch
	idle     *batch
	closed   bool
	dirty    bool
	current  *segment
	number   uint64
	finished []*os.File

	// stock guards the segment that is prepared.
	stock sync.Mutex
	spare *segment

	// acking is held by whoever acknowledges.
	acking sync.Mutex

	// state is what readers and acknowledgements share with writers. The last extent is the current segment's.
	state      sync.Mutex
	extents    []extent
	total      Position
	totalBytes int64
	acked      Position

	// used counts the bytes of all segments.
	used atomic.Int64
	// roomy is false where the disk has no space for another segment.
	roomy atomic.Bool

	wake, turn, kick, stop chan struct{}
	loop                   sync.WaitGroup
}

// Open opens the log in dir, which it creates, for this process alone. It reads the whole log once, to find what is
// damaged and to count what isn't acknowledged.
func Open(dir string, o Options) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the log's directory: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open the log in %s: %w", dir, err)
	}
	s := &Spool{
		dir: dir, opt: o.withDefaults(), lock: lock, salt: newSalt(), batch: new(batch),
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), kick: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	s.seed = seedOf(s.salt)
	if err := s.start(); err != nil {
		_ = lock.Release()
		return nil, fmt.Errorf("open the log in %s: %w", dir, err)
	}
	s.loop.Go(s.maintain)
	return s, nil
}

// start reads what is there and begins a new segment: behind a torn end nothing is ever appended.
func (s *Spool) start() error {
	if err := s.recover(); err != nil {
		return err
	}
	if err := s.rotate(); err != nil {
		return err
	}
	s.roomy.Store(true)
	return syncDir(s.dir)
}

// Damaged is how many bytes had no valid record in them when the log was opened.
func (s *Spool) Damaged() int64 { return s.damaged }

// Pending returns how many records aren't acknowledged, and how many bytes they take.
func (s *Spool) Pending() (records, bytes int64) {
	s.state.Lock()
	defer s.state.Unlock()
	return s.total.Count - s.acked.Count, s.totalBytes - s.acked.bytes
}

// End returns the position behind the last record.
func (s *Spool) End() Position {
	s.state.Lock()
	defer s.state.Unlock()
	return s.total
}

// Room reports whether there is room for what is yet to come. It turns false while there still is some for the records
// of work that is under way: an eighth of MaxBytes, or on a full disk what the current segment has left. It costs a few
// nanoseconds.
func (s *Spool) Room() bool {
	return s.roomy.Load() && s.used.Load() <= s.opt.MaxBytes-s.opt.MaxBytes/parts
}

// Close brings everything to the disk and gives the directory free.
func (s *Spool) Close() error {
	s.writing.Lock()
	if s.closed {
		s.writing.Unlock()
		return nil
	}
	s.closed = true
	s.writing.Unlock()
	close(s.stop)
	s.loop.Wait()

	err := s.sync()
	c := s.current
	err = errors.Join(err, c.file.Truncate(c.size), c.file.Close()) // gives back what was allocated
	if s.spare != nil {
		s.spare.discard(s.dir)
	}
	return errors.Join(err, s.lock.Release())
}
