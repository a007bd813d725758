package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/services/gateway/internal/beat"
)

// Chat serves the dialect's chat endpoint.
func (e *Edges) Chat(d *Dialect) http.HandlerFunc {
	return e.serve(d, routerv1.Operation_OPERATION_CHAT)
}

// Embed serves the dialect's embeddings endpoint.
func (e *Edges) Embed(d *Dialect) http.HandlerFunc {
	return e.serve(d, routerv1.Operation_OPERATION_EMBED)
}

// CountTokens serves the dialect's endpoint that counts a chat's tokens.
func (e *Edges) CountTokens(d *Dialect) http.HandlerFunc {
	return e.serve(d, routerv1.Operation_OPERATION_COUNT_TOKENS)
}

func (e *Edges) serve(d *Dialect, o routerv1.Operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := ReadBody(w, r, e.Limits)
		if err != nil {
			w.Header().Set("Connection", "close") // the rest of the body is still on its way
			d.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		e.relay(d, o, w, r, body)
	}
}

// relay opens the call to the router and delivers what comes back, to the end of the call; a client that leaves ends it,
// and with it the provider's.
func (e *Edges) relay(d *Dialect, o routerv1.Operation, w http.ResponseWriter, r *http.Request, body []byte) {
	ctx := steered(r)
	out := beat.New(w, e.Limits.Heartbeat, e.Limits.WriteStall, func() []byte {
		if o != routerv1.Operation_OPERATION_CHAT {
			return nil
		}
		if f, err := d.ReadFacts(body); err != nil || !f.Stream {
			return nil
		}
		return d.Heartbeat()
	})
	defer out.Stop()
	a := &answer{dialect: d, out: out, requestID: meta.RequestID(ctx), cause: func() error { return context.Cause(ctx) }}
	calls, err := e.Relay.Relay(ctx, &routerv1.RelayRequest{
		Dialect:   d.ID,
		Operation: o,
		Body:      body,
		Headers:   clientHeaders(d, r.Header),
		Query:     utf8Text(r.URL.RawQuery),
	})
	if err != nil {
		a.fail(err)
		return
	}
	a.deliver(calls)
}

func clientHeaders(d *Dialect, h http.Header) []*routerv1.Header {
	var list []*routerv1.Header
	for _, name := range d.RequestHeaders {
		for _, value := range h[name] {
			list = append(list, &routerv1.Header{Name: strings.ToLower(name), Value: utf8Text(value)})
		}
	}
	return list
}

// answer is the client's side of one relayed call. It belongs to one goroutine.
type answer struct {
	dialect   *Dialect
	out       *beat.Writer
	requestID string
	// cause is why the request itself ended, where it did.
	cause  func() error
	begun  bool
	stream bool
	// early says that a heartbeat has promised the client a stream before the head was known.
	early bool
	// ended says that the trailer was here, unflushed that the last frames wait for the answer's end.
	ended, unflushed bool
}

// errLeft ends a call whose client is gone.
var errLeft = errors.New("the client is gone")

// deliver writes until the trailer. What ends without one didn't end well, and is made to look so. The call goes on to
// its own end, which lets the router put its connection to the provider back.
func (a *answer) deliver(in grpc.ServerStreamingClient[routerv1.RelayResponse]) {
	err := peer.Each[routerv1.RelayRequest](in, a.take, a.idle)
	switch {
	case a.ended || errors.Is(err, errLeft):
	case err == nil:
		a.fail(fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "the router ended the answer before its end; try again"))
	default:
		a.fail(err)
	}
}

func (a *answer) take(m *routerv1.RelayResponse) error {
	if a.ended {
		return nil
	}
	if m.GetHead() != nil {
		a.begin(m)
	}
	a.ended = m.GetTrailer() != nil
	if !a.write(m.GetData()) {
		return errLeft
	}
	return nil
}

// begin writes the head. After an early heartbeat a head that isn't a stream's success can only be told in band.
func (a *answer) begin(m *routerv1.RelayResponse) {
	a.begun = true
	head := m.GetHead()
	a.stream = head.GetStream()
	if a.early = !a.out.Claim(); a.early {
		return
	}
	h := a.out.Header()
	f := fieldsOf(h, len(head.GetHeaders())+served+1)
	for _, header := range head.GetHeaders() {
		f.add(header.GetName(), header.GetValue())
	}
	f.served(head.GetProvider(), head.GetModel(), head.GetUpstreamRequestId(), head.GetAttempts())
	Warn(h, head.GetWarnings())
	if a.stream {
		beat.EventStream(h)
	} else {
		a.out.Stop()
		if m.GetTrailer() != nil {
			f.set("content-length", itoa(len(m.GetData())))
		}
	}
	a.out.WriteHeader(int(head.GetStatus()))
}

// idle flushes the last frames where the answer's end isn't as near as it mostly is: then everything leaves in one write.
func (a *answer) idle() {
	if a.unflushed {
		a.unflushed = false
		a.out.Flush()
	}
}

// write sends data; frames of a stream are flushed at once, the last ones with the answer's end. It returns false when the
// client is gone.
func (a *answer) write(data []byte) bool {
	if len(data) == 0 {
		return true
	}
	if a.early && !a.stream {
		data = a.dialect.AsFrame(data)
	}
	if _, err := a.out.Write(data); err != nil {
		return false
	}
	switch {
	case !a.stream && !a.early:
	case a.ended:
		a.unflushed = true
	default:
		a.out.Flush()
	}
	return true
}

// fail ends the answer with an error: as a status while nothing was written, as an error frame in a stream, and as a
// broken connection in the middle of a body.
func (a *answer) fail(err error) {
	f := a.explain(err)
	a.out.Stop()
	if !a.begun {
		a.early = !a.out.Claim()
	}
	switch {
	case a.early || a.stream:
		a.out.Interject(a.dialect.ErrorFrame(f, a.requestID))
		a.out.Flush()
	case !a.begun:
		a.dialect.Refuse(a.out, a.requestID, f)
	default:
		panic(http.ErrAbortHandler) //nolint:forbidigo // the one way to break a connection on purpose
	}
}

// explain prefers the reason for which the request was ended to the mere fact that it was.
func (a *answer) explain(err error) *fault.Error {
	var known *fault.Error
	if a.cause != nil && errors.As(a.cause(), &known) {
		return known
	}
	return fault.From(err)
}
