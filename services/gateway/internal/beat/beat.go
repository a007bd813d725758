// Package beat keeps silent event streams alive: proxies between a client and Headgate cut connections on which nothing
// flows while a model thinks.
package beat

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

const eventStream = "text/event-stream"

// Writer is a http.ResponseWriter that writes a heartbeat whenever nothing was written for a while. The handler writes
// whole frames, so a heartbeat always falls between two of them. Safe for concurrent use with its own timer; the
// handler calls Stop before it returns.
type Writer struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	every time.Duration
	stall time.Duration
	// frame returns the heartbeat, or nil where the answer turns out not to be an event stream.
	frame func() []byte

	// head is the handler's until it claims the answer: a heartbeat that commits the answer must not touch what the
	// handler is writing to.
	head http.Header

	mu        sync.Mutex
	timer     *time.Timer
	stopped   bool
	committed bool
	// events says that what was committed is an event stream.
	events  bool
	early   bool
	claimed bool
	// owned is the handler's own note that its claim was granted.
	owned    bool
	deadline time.Time
	// last is when something was written. The timer looks at it when it runs out: to move it at each write would cost more.
	last time.Time
	// half says that what was written last ends in \r, whose \n may still be on its way.
	half bool
}

// New starts the silence. stall is how long one write may wait for the client to take it.
func New(w http.ResponseWriter, every, stall time.Duration, frame func() []byte) *Writer {
	b := &Writer{w: w, rc: http.NewResponseController(w), every: every, stall: stall, frame: frame, last: time.Now()}
	b.mu.Lock() // the timer may run out before this returns
	defer b.mu.Unlock()
	b.timer = time.AfterFunc(every, b.beat)
	return b
}

// Header implements http.ResponseWriter: what is set counts if the handler commits the answer. Like the handler, it
// belongs to one goroutine.
func (b *Writer) Header() http.Header {
	if b.owned {
		return b.w.Header()
	}
	if b.head == nil {
		b.head = make(http.Header, 8)
	}
	return b.head
}

// WriteHeader implements http.ResponseWriter; after a heartbeat the status is 200 already and the call does nothing.
func (b *Writer) WriteHeader(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(status)
}

// Write implements http.ResponseWriter.
func (b *Writer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(http.StatusOK)
	b.extend()
	b.half = len(p) > 0 && p[len(p)-1] == '\r'
	return b.w.Write(p)
}

// Interject writes a frame of Headgate's own between two of the answer's. Where the last one ends in half a line break
// the frame begins with the other half: some SDKs would miss its first line.
func (b *Writer) Interject(frame []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commit(http.StatusOK)
	_ = b.interject(frame)
}

func (b *Writer) interject(frame []byte) error {
	if b.half {
		b.half = false
		frame = append([]byte{'\n'}, frame...)
	}
	b.extend()
	_, err := b.w.Write(frame)
	return err
}

// Flush implements http.Flusher.
func (b *Writer) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.rc.Flush()
}

// Claim keeps heartbeats away from the head from now on, so that the handler may set headers. It returns false when a
// heartbeat has already committed the answer as an event stream with status 200: what is left to say has to be said as
// frames.
func (b *Writer) Claim() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claimed = true
	b.owned = !b.early
	return b.owned
}

// Stop ends the heartbeats.
func (b *Writer) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.timer.Stop()
}

// Unwrap serves http.ResponseController.
func (b *Writer) Unwrap() http.ResponseWriter { return b.w }

func (b *Writer) commit(status int) {
	if b.committed {
		return
	}
	b.committed = true
	if !b.early {
		maps.Copy(b.w.Header(), b.head)
	}
	b.events = strings.HasPrefix(b.w.Header().Get("Content-Type"), eventStream)
	b.w.WriteHeader(status)
}

// extend notes that something is written now. It moves the write deadline on, at most once a second: a deadline isn't
// free.
func (b *Writer) extend() {
	b.last = time.Now()
	if b.last.Add(b.stall - time.Second).After(b.deadline) {
		b.deadline = b.last.Add(b.stall)
		_ = b.rc.SetWriteDeadline(b.deadline)
	}
}

// silent reports whether nothing was written for long enough; where something was, the timer runs on.
func (b *Writer) silent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	if left := b.every - time.Since(b.last); left > 0 {
		b.timer.Reset(left)
		return false
	}
	return true
}

func (b *Writer) beat() {
	if !b.silent() {
		return
	}
	frame := b.frame()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped || frame == nil || (b.committed && !b.events) {
		return
	}
	if !b.committed {
		if b.claimed {
			b.timer.Reset(b.every)
			return
		}
		b.early = true
		EventStream(b.w.Header())
		b.commit(http.StatusOK)
	}
	if b.interject(frame) != nil {
		return
	}
	_ = b.rc.Flush()
	b.timer.Reset(b.every)
}

// EventStream sets the headers of an event stream that no proxy may hold back or keep.
func EventStream(h http.Header) {
	h.Set("Content-Type", eventStream+"; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}
