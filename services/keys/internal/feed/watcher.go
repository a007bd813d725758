package feed

import (
	"context"
	"slices"
	"time"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
)

const (
	// Part is the most keys in one message.
	Part = 500
	// Heartbeat is the longest silence. It is half of what the contract promises, because timers are late on a busy
	// machine.
	Heartbeat = 500 * time.Millisecond
)

// Watcher gets the changes of a feed. It is used by one goroutine.
type Watcher struct {
	feed    *Feed
	changes chan change
	// over is closed when the watcher was ended; why says what for, and is set before.
	over chan struct{}
	why  error
}

// change is a key that became valid, or keys that ceased to be.
type change struct {
	credential *keysv1.Credential
	ended      []string
}

// Stop ends the watcher. Whoever called Watch calls it.
func (w *Watcher) Stop() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	w.feed.end(w, context.Canceled)
}

// Snapshot sends all keys in messages of at most Part, and marks the last one.
func Snapshot(all []*keysv1.Credential, send func(*keysv1.WatchResponse) error) error {
	for len(all) > Part {
		if err := send(&keysv1.WatchResponse{Credentials: all[:Part:Part]}); err != nil {
			return err
		}
		all = all[Part:]
	}
	return send(&keysv1.WatchResponse{Credentials: all, SnapshotComplete: true})
}

// Follow sends every change at once, those that are there together in one message, and an empty message where there
// was none for a Heartbeat. It returns when ctx ends, when sending fails, or when the watcher was ended.
func (w *Watcher) Follow(ctx context.Context, send func(*keysv1.WatchResponse) error) error {
	beat := time.NewTicker(Heartbeat)
	defer beat.Stop()
	for {
		m := &keysv1.WatchResponse{}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.over:
			return w.why
		case c := <-w.changes:
			w.gather(m, c)
		case <-beat.C:
		}
		if err := send(m); err != nil {
			return err
		}
	}
}

// gather fills a message with a change and those that wait behind it. A key that became valid and ended within one
// message is in both of its lists; its receiver takes the ended ones last, so that one that became valid after it ended
// is among the valid ones alone.
func (w *Watcher) gather(m *keysv1.WatchResponse, c change) {
	for {
		if c.credential != nil {
			m.Credentials = append(m.Credentials, c.credential)
			m.RevokedIds = slices.DeleteFunc(m.RevokedIds, func(id string) bool { return id == c.credential.GetKey().GetId() })
		}
		m.RevokedIds = append(m.RevokedIds, c.ended...)
		if len(m.Credentials)+len(m.RevokedIds) >= Part {
			return
		}
		select {
		case c = <-w.changes:
		default:
			return
		}
	}
}
