package relay

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	// maxMessage bounds the data of one message: frames that are ready together travel together, up to here.
	maxMessage = 64 << 10
	// maxChunk bounds the pieces of a unary body, below the mesh's message limit.
	maxChunk = 4 << 20
)

// pump carries one attempt's answer to the client.
type pump struct {
	call *call
	seen *account.Attempt
	// number is where the attempt stands in its call.
	number attempt.Number
	// head goes with the first message; nil once it is sent.
	head *routerv1.RelayHead
	// held are frames that are judged and not sent yet.
	held []byte
	// half says that the last frame ends in \r, whose \n may still be on its way (see sse.Reader).
	half bool
	// more says that another attempt may take over while the client hasn't seen any content; shown that it has.
	more, shown bool
}

// deliver sends an answer in the client's own dialect. It returns false, with the provider's failure, when nothing was
// sent and another attempt may do better.
func (p *pump) deliver(a *provider.Answer) (settled bool, err error) {
	if a.Stream != nil {
		defer a.Stream.Close()
		p.head.Stream = true
		return p.stream(a.Stream)
	}
	if a.Status >= 400 {
		return p.refused(a)
	}
	return true, p.complete(a.Body, a.Reading)
}

// refused holds a provider's error back as long as another attempt may do better; in the end it is the client's to read.
func (p *pump) refused(a *provider.Answer) (settled bool, err error) {
	failure := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "the provider answered %d", a.Status).
		With("http_status", strconv.Itoa(a.Status)).With("provider_code", a.Code).After(a.RetryAfter)
	failure = provider.Final(failure, a.Final)
	show := func() error {
		p.call.told = true
		if provider.AtFault(failure) {
			p.head.Headers = final(p.head.Headers)
		}
		p.seen.Book(failure)
		return p.whole(a.Body, dialect.Reading{})
	}
	if provider.Elsewhere(failure) {
		p.call.unshown = show
		return false, failure
	}
	if err := show(); err != nil {
		return true, err
	}
	return true, failure
}

// final tells the vendors' SDKs not to repeat what was tried enough (promise S2).
func final(headers []*routerv1.Header) []*routerv1.Header {
	headers = slices.DeleteFunc(headers, func(h *routerv1.Header) bool { return h.GetName() == "x-should-retry" })
	return append(headers, &routerv1.Header{Name: "x-should-retry", Value: "false"})
}

// complete sends a complete answer that isn't a stream, once it is in the books.
func (p *pump) complete(body []byte, r dialect.Reading) error {
	r.Said = int64(len(body))
	p.seen.Reading(r)
	p.seen.Book(nil)
	return p.whole(body, r)
}

// whole sends an answer that isn't a stream: mostly one message.
func (p *pump) whole(body []byte, r dialect.Reading) error {
	for len(body) > maxChunk {
		if err := p.send(body[:maxChunk], nil); err != nil {
			return err
		}
		body = body[maxChunk:]
	}
	return p.send(body, trailer(r, true))
}

// stream sends frames as they come; while another attempt may follow, those before the first content are held back. Once
// something was sent, a failure becomes an error frame of the dialect: the stream never just ends.
func (p *pump) stream(s provider.Stream) (settled bool, err error) {
	for {
		frame, verdict, err := s.Next()
		if err != nil {
			return p.broken(s.Reading(), err)
		}
		if verdict.Content {
			p.content()
		}
		if verdict.Action != dialect.Drop {
			p.hold(frame.Raw, s.Ready())
		}
		if verdict.Action == dialect.Forward && p.seen.Due(len(frame.Raw)) {
			if err := p.seen.Afford(s.Reading()); err != nil {
				return p.broken(s.Reading(), cmp.Or(p.flush(false), err))
			}
		}
		switch verdict.Action {
		case dialect.Terminal:
			p.seen.Reading(s.Reading())
			p.seen.Book(nil)
			p.endLine()
			return true, p.send(p.held, trailer(s.Reading(), true))
		case dialect.Failed:
			return p.failed(s, frame)
		default:
			if err := p.flush(s.Ready()); err != nil {
				p.seen.Reading(s.Reading())
				return true, err
			}
		}
	}
}

func (p *pump) content() {
	p.shown = true
	p.number.Content()
	p.seen.Content()
}

// flush sends what is held, if it is due; ready says that more is here already.
func (p *pump) flush(ready bool) error {
	switch {
	case len(p.held) == 0:
		return nil
	case len(p.held) >= maxMessage:
	case ready || (p.more && !p.shown):
		return nil
	}
	err := p.send(p.held, nil)
	if p.held = p.held[:0]; !p.call.consumed {
		p.held = nil // the receiver owns what was sent
	}
	return err
}

// failed ends a stream whose provider said that it failed: another attempt's chance, or the client's to read.
func (p *pump) failed(s provider.Stream, frame sse.Frame) (settled bool, err error) {
	status := http.StatusBadGateway
	if err := p.call.Edge.FrameError(frame); err != nil {
		status = fault.From(err).HTTPStatus()
	}
	failure := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "the provider's stream failed with %d", status).
		With("http_status", strconv.Itoa(status))
	show := func() error {
		p.seen.Reading(s.Reading())
		p.seen.Book(failure)
		p.call.told = true
		p.endLine()
		return p.send(p.held, trailer(s.Reading(), false))
	}
	if p.head != nil && p.more && provider.Elsewhere(failure) {
		p.call.unshown = show
		return false, failure
	}
	if err := show(); err != nil {
		return true, err
	}
	return true, failure
}

// room is what frames that come together mostly need.
const room = 1 << 10

// hold keeps a frame until it is sent; more says whether another one is here already.
func (p *pump) hold(raw []byte, more bool) {
	if len(raw) == 0 {
		return
	}
	if raw[0] != '\n' {
		p.endLine()
	}
	if p.held == nil && more {
		p.held = make([]byte, 0, max(room, 2*len(raw)))
	}
	p.held = append(p.held, raw...)
	mendLines(p.held[len(p.held)-len(raw):])
	p.half = raw[len(raw)-1] == '\r'
}

// mendLines turns each \r that ends a line by itself into \n, but for the last byte, whose \n may still come: there are
// clients that know only \n and \r\n, and would read on.
func mendLines(raw []byte) {
	for at := bytes.IndexByte(raw, '\r'); at >= 0 && at < len(raw)-1; {
		if raw[at+1] != '\n' {
			raw[at] = '\n'
		}
		next := bytes.IndexByte(raw[at+1:], '\r')
		if next < 0 {
			return
		}
		at += 1 + next
	}
}

// endLine completes the line break that the last frame ends in, for readers that know only \n and \r\n: nothing of the
// provider's follows that would.
func (p *pump) endLine() {
	if p.half {
		p.held, p.half = append(p.held, '\n'), false
	}
}

// broken ends a stream that its provider didn't. While nothing was sent the failure is a status, or another attempt's
// chance.
func (p *pump) broken(r dialect.Reading, cause error) (settled bool, err error) {
	p.seen.Reading(r)
	if p.head != nil {
		return false, cause
	}
	cause = p.number.Describe(cause)
	p.seen.Book(cause)
	p.endLine()
	p.held = append(p.held, p.call.Edge.ErrorFrame(fault.From(cause), p.call.requestID)...)
	p.call.told = true
	if err := p.send(p.held, trailer(r, false)); err != nil {
		return true, err
	}
	return true, cause
}

// send sends the head with the first message.
func (p *pump) send(data []byte, t *routerv1.RelayTrailer) error {
	if p.head != nil {
		p.head.Headers = p.call.Edge.WithLimits(p.head.Headers, p.call.books.Reservation().Balances())
		if p.call.fill != nil {
			missed(p.head)
		}
	}
	m := &routerv1.RelayResponse{Head: p.head, Data: data, Trailer: t}
	p.head = nil
	if err := p.call.out.Send(m); err != nil {
		return err
	}
	p.call.fill.Take(m)
	return nil
}

func trailer(r dialect.Reading, complete bool) *routerv1.RelayTrailer {
	return &routerv1.RelayTrailer{Usage: r.Usage, FinishReason: r.Finish, Complete: complete}
}
