package h1

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// body is an answer's, which has the connection to itself until it ends.
type body struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // the request's, which lasts until the answer was read
	conn *conn
	stop func() bool
	last bool // the connection can't be kept
	over atomic.Bool
}

// Read implements io.Reader. Its end gives the connection back.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.end(true)
	case b.ctx.Err() != nil:
		return n, context.Cause(b.ctx)
	}
	return n, err
}

// Close implements io.Closer. What wasn't read isn't waited for.
func (b *body) Close() error {
	b.end(false)
	return nil
}

// end is done with the connection: whole, the answer was read to its end. Only the first call does anything.
func (b *body) end(whole bool) {
	if b.over.Swap(true) {
		return
	}
	// where stop comes too late the connection is being closed
	if b.stop() && whole && !b.last && b.conn.r.Buffered() == 0 {
		b.conn.of.put(b.conn)
		return
	}
	_ = b.conn.Close()
}
