// Package h1 asks servers that speak HTTP/1.1 without TLS, as a model server next door does, on the caller's goroutine.
// net/http hands each request to one goroutine of the connection and the answer back from another one, which costs more
// than the rest of a short call; docs/decisions/0010 has the figures. The messages themselves are read by net/http.
package h1

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

// MaxBody is how large a request's body may be, in bytes: what a socket takes without waiting. A server that answers before
// it has read a larger one would have to be read while it is written to.
const MaxBody = 64 << 10

// Request is what is asked.
type Request struct {
	// Method and Target are the request line's, Host is the header.
	Method, Target, Host string
	// Header goes as it is, without Host and what frames the body.
	Header http.Header
	// Body is at most MaxBody bytes; nil for none.
	Body []byte
}

// Transport keeps connections to one address, which is Host:Port. Safe for concurrent use.
type Transport struct {
	// Dial opens a connection, in its own time or until ctx is done. Required.
	Dial func(ctx context.Context) (net.Conn, error)
	// MaxIdle connections are kept for IdleTimeout each, which has to be positive.
	MaxIdle     int
	IdleTimeout time.Duration
	// MaxHeader bounds an answer's head in bytes.
	MaxHeader int64

	mu     sync.Mutex
	idle   []*conn // the one used last is last
	sweep  *time.Timer
	closed bool
}

// ErrRequest is a request that can't be written.
var ErrRequest = errors.New("not a request")

// errNothingSent and errNoAnswer are of a connection kept that turns out to be closed: before anything was sent, and before
// a byte of the answer came.
var (
	errNothingSent = errors.New("the connection was closed")
	errNoAnswer    = errors.New("the connection was closed without an answer")
)

// RoundTrip asks, and returns the answer once its head is there. The caller closes its body, which gives the connection
// up unless it was read to its end. The end of ctx closes the connection at any time before; the error then is its cause. A
// request that can't be sent is an ErrRequest. One that finds a kept connection closed is sent again where nothing can have
// come of it: nothing was sent, or it is a GET and nothing was answered, as with net/http.
func (t *Transport) RoundTrip(ctx context.Context, r Request) (*http.Response, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c, err := t.take(ctx)
		if err != nil {
			return nil, cmp.Or(context.Cause(ctx), err)
		}
		resp, err := c.ask(ctx, &r)
		if err == nil {
			return resp, nil
		}
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !c.used || !r.again(err) {
			return nil, err
		}
	}
}

// take returns a connection that was kept and still stands, or a new one.
func (t *Transport) take(ctx context.Context) (*conn, error) {
	for {
		c := t.last()
		if c == nil {
			break
		}
		if !c.stale() {
			return c, nil
		}
		_ = c.Close()
	}
	raw, err := t.Dial(undated{ctx})
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, of: t}
	c.r = bufio.NewReader(c)
	return c, nil
}

// undated hides a deadline, and keeps its end: a dialler that knows of one gives up a moment earlier than the context does,
// and its error looks like a server that can't be reached.
type undated struct{ context.Context }

// Deadline implements context.Context.
func (undated) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (t *Transport) last() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		return nil
	}
	n := len(t.idle) - 1
	c := t.idle[n]
	t.idle[n] = nil
	t.idle = t.idle[:n]
	return c
}

// put keeps a connection for the next request.
func (t *Transport) put(c *conn) {
	c.used, c.since = true, time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) >= t.MaxIdle {
		_ = c.Close()
		return
	}
	t.idle = append(t.idle, c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.IdleTimeout, t.expire)
	}
}

// expire closes the connections that nobody used for IdleTimeout, and looks again when the next one may be due.
func (t *Transport) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(t.idle) && now.Sub(t.idle[n].since) >= t.IdleTimeout {
		_ = t.idle[n].Close()
		n++
	}
	t.idle = append(t.idle[:0:0], t.idle[n:]...)
	if len(t.idle) == 0 || t.closed {
		t.sweep = nil
		return
	}
	t.sweep.Reset(t.idle[0].since.Add(t.IdleTimeout).Sub(now))
}

// Close closes the connections that are kept, and those under way once they are done with.
func (t *Transport) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.idle {
		_ = c.Close()
	}
	t.idle = nil
	if t.sweep != nil {
		t.sweep.Stop()
	}
}

// conn is one connection: its Read is its reader's, which bounds heads.
type conn struct {
	net.Conn

	of    *Transport
	r     *bufio.Reader
	left  int64 // of the head, in bytes
	used  bool  // for a request before
	since time.Time
}

var errHeader = errors.New("the answer's head is too large")

// Read implements io.Reader.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeader
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// ask sends a request and reads the answer's head.
func (c *conn) ask(ctx context.Context, r *Request) (*http.Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	if err := c.send(r); err != nil {
		stop()
		return nil, err
	}
	resp, err := c.head(r.Method)
	if err != nil {
		stop()
		return nil, err
	}
	b := &body{ReadCloser: resp.Body, ctx: ctx, conn: c, stop: stop, last: resp.Close}
	if resp.Body == http.NoBody {
		b.end(true)
		return resp, nil
	}
	resp.Body = b
	return resp, nil
}

// head reads the answer's head, and those of interim answers (100 to 199) before it: MaxHeader bounds all of them together.
func (c *conn) head(method string) (*http.Response, error) {
	c.left = c.of.MaxHeader
	if _, err := c.r.Peek(1); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("the server changes to a protocol that wasn't asked for: %q", resp.Header.Get("Upgrade"))
		case resp.StatusCode < http.StatusContinue:
			return nil, fmt.Errorf("the server's answer has no status: %q", resp.Status)
		case resp.StatusCode >= http.StatusOK:
			c.left = math.MaxInt64
			return resp, nil
		}
	}
}
