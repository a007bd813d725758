package mcp

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// sessionHeader names a conversation in the protocols before 2026-07-28. Headgate keeps nothing under it: it only tells
// apart the calls of clients that share a key, when one of them cancels its own.
const sessionHeader = "Mcp-Session-Id"

// newSession is a name that nobody guesses.
func newSession() string { return rand.Text() }

// sessionOf is the name a client sends back; one that Headgate can't have given counts as none.
func sessionOf(r *http.Request) string {
	if s := r.Header.Get(sessionHeader); len(s) <= maxID {
		return s
	}
	return ""
}

// origin is whose calls a notification may cancel.
type origin struct{ key, session string }

// owner is whose a request is; without a session it can cancel nothing.
func owner(r *http.Request) origin {
	who, _ := auth.FromContext(r.Context())
	return origin{key: who.KeyID, session: sessionOf(r)}
}

// call is one call under way.
type call struct {
	origin

	id string
}

// calls are the calls under way that a notification may cancel: no more than there are HTTP requests. Safe for concurrent
// use.
type calls struct {
	mu   sync.Mutex
	open map[call]context.CancelCauseFunc
}

func newCalls() *calls { return &calls{open: make(map[call]context.CancelCauseFunc)} }

// begin returns the context of a call, which ends with its HTTP request or when the call is cancelled, and what to do at
// its end. A second call of the same id is not remembered.
func (c *calls) begin(ctx context.Context, whose origin, id string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = context.WithValue(ctx, callKey{}, ctx)
	key := call{whose, id}
	if whose.session == "" || id == "" || !c.add(key, cancel) {
		return ctx, func() { cancel(nil) }
	}
	return ctx, func() {
		c.remove(key)
		cancel(nil)
	}
}

func (c *calls) add(key call, cancel context.CancelCauseFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key] != nil {
		return false
	}
	c.open[key] = cancel
	return true
}

func (c *calls) remove(key call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, key)
}

// cancel ends a call of the same client; one that isn't under way here is nobody's business.
func (c *calls) cancel(whose origin, id string) {
	c.mu.Lock()
	cancel := c.open[call{whose, id}]
	c.mu.Unlock()
	if cancel != nil {
		cancel(fault.New(errorsv1.Reason_REASON_CANCELLED, "the client cancelled the call"))
	}
}

// callKey finds the context of a call within those that the SDK derives from it and that don't end with it.
type callKey struct{}

// follow returns a context that ends with the call, for the same reason, and what to do at its end.
func follow(ctx context.Context) (context.Context, context.CancelFunc) {
	asked, ok := ctx.Value(callKey{}).(context.Context)
	if !ok {
		return context.WithCancel(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(asked, func() { cancel(context.Cause(asked)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}
