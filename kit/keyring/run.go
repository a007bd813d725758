package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
)

const (
	// The first attempt to open a broken feed again comes after firstDelay, each further one after twice the delay, up
	// to maxDelay.
	firstDelay = 50 * time.Millisecond
	maxDelay   = time.Second
	// goodFeed is how long a feed has to hold for the next failure to be a first one.
	goodFeed = 5 * time.Second
	// startTime is how long the first feed may take to open before that is worth a warning: processes of a mesh that start
	// together find each other within it.
	startTime = 2 * time.Second
)

// Run follows the feed until ctx ends, and returns nil then. It opens a feed that broke again and again.
func (k *Keyring) Run(ctx context.Context) error {
	delay, warned := firstDelay, false
	for {
		opened := k.options.Clock()
		synced, err := k.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if synced && k.options.Clock().Sub(opened) >= goodFeed {
			delay = firstDelay
		}
		warned = k.report(ctx, err, warned && !synced, delay)
		if !wait(ctx, jitter(delay)) {
			return nil
		}
		delay = min(2*delay, maxDelay)
	}
}

// report logs that the feed broke. One warning is enough for all the attempts of an outage. An end that the keys service
// meant, which is how it stops, is none, nor is that it can't be heard while this process has only just started: both are
// usual, and what comes of them is told if it lasts.
func (k *Keyring) report(ctx context.Context, err error, warned bool, delay time.Duration) bool {
	level := slog.LevelWarn
	if warned || k.starting() || errors.Is(err, errEnded) {
		level = slog.LevelDebug
	}
	text := "the feed of keys broke; known keys stay in use for a while"
	if k.table.Load() == nil {
		text = "the keys service isn't heard, and no key is known yet: callers' keys can't be checked"
	}
	k.options.Logger.Log(ctx, level, text, "error", err, "keys", k.Len(), "again_in", delay)
	return warned || level == slog.LevelWarn
}

// starting reports whether the keys service may be about to start as this process is.
func (k *Keyring) starting() bool {
	return k.table.Load() == nil && k.options.Clock().Sub(k.start) < startTime
}

// jitter keeps the nodes of a mesh from coming back all at once: half of the delay to all of it.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2) //nolint:gosec // spreading load needs no secrecy
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

var (
	errSilent = errors.New("the keys service was silent for too long")
	errEnded  = errors.New("the keys service ended the feed")
)

// follow opens the feed once and takes in what it says until it breaks. synced reports whether a snapshot was complete.
func (k *Keyring) follow(ctx context.Context) (synced bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(k.options.Silence, func() { cancel(errSilent) })
	defer watchdog.Stop()
	stream, err := k.client.Watch(ctx, &keysv1.WatchRequest{})
	if err != nil {
		return false, because(ctx, err)
	}
	s := session{keyring: k, next: newTable()}
	for {
		m, err := stream.Recv()
		if err != nil {
			return s.synced, because(ctx, err)
		}
		watchdog.Reset(k.options.Silence)
		if err := s.take(m); err != nil {
			return s.synced, err
		}
	}
}

// because prefers the reason why we ended the call ourselves to what the call says of its end.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

// session is one life of the feed.
type session struct {
	keyring *Keyring
	// next is filled by the snapshot, and is the keyring's table from then on. Until it is complete the keyring serves
	// the table it had.
	next   *table
	synced bool
}

// take takes in one message.
func (s *session) take(m *keysv1.WatchResponse) error {
	if err := s.next.apply(m); err != nil {
		return fmt.Errorf("the feed of keys: %w", err)
	}
	if m.GetSnapshotComplete() && !s.synced {
		s.synced, s.next.shared = true, true
		s.keyring.table.Store(s.next)
		s.keyring.options.Logger.Info("the keys are loaded", "keys", s.keyring.Len())
	}
	if s.synced { // what a snapshot that never ends says doesn't keep old keys alive
		s.keyring.heard.Store(int64(s.keyring.options.Clock().Sub(s.keyring.start)))
	}
	return nil
}
