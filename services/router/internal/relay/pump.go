package relay

import (
	"net/http"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

const (
	// maxMessage bounds the data of one message: frames that are ready together travel together, up to here.
	maxMessage = 64 << 10
	// maxChunk bounds the pieces of a unary body, below the mesh's message limit.
	maxChunk = 4 << 20
)

type sender interface {
	Send(m *routerv1.RelayResponse) error
}

// pump carries one answer to the client.
type pump struct {
	wire      *wire.Wire
	out       sender
	seen      *observe.Attempt
	requestID string
	head      *routerv1.RelayHead
	// held are frames that are judged and not sent yet.
	held []byte
	// told says that the client has the failure, within its stream: the call itself ends well.
	told bool
	// more says that another target may take over while the client hasn't seen any content; shown that it has.
	more, shown bool
}

// deliver sends an answer. It returns false, with the provider's failure, when nothing was sent and another target may
// do better.
func (p *pump) deliver(a *adapter.Answer) (settled bool, err error) {
	if a.Stream != nil {
		defer a.Stream.Close()
		return p.stream(a.Stream)
	}
	if p.more && adapter.Transient(a.Status) {
		return false, providerFailure(a.Status)
	}
	p.seen.Reading(a.Reading)
	return true, p.whole(a)
}

// providerFailure marks an error answer that wasn't shown to the client.
func providerFailure(status int) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "the provider answered %d", status).
		With("http_status", strconv.Itoa(status))
}

// whole sends an answer that isn't a stream: mostly one message.
func (p *pump) whole(a *adapter.Answer) error {
	body := a.Body
	for len(body) > maxChunk {
		if err := p.send(body[:maxChunk], nil); err != nil {
			return err
		}
		body = body[maxChunk:]
	}
	if err := p.send(body, trailer(a.Reading, true)); err != nil || a.Status < 400 {
		return err
	}
	p.told = true
	return providerFailure(a.Status)
}

// stream sends frames as they come; while another target is left, those before the first content are held back. Once
// something was sent, a failure becomes an error frame of the dialect: the stream never just ends.
func (p *pump) stream(s *adapter.Stream) (settled bool, err error) {
	for {
		frame, verdict, err := s.Next()
		if err != nil {
			return p.broken(s, err)
		}
		if verdict.Content {
			p.shown = true
			p.seen.Content()
		}
		if verdict.Action != dialect.Drop {
			p.hold(frame.Raw, s.Ready())
		}
		switch {
		case verdict.Action == dialect.Terminal:
			p.seen.Reading(s.Reading())
			return true, p.send(p.held, trailer(s.Reading(), true))
		case verdict.Action == dialect.Failed:
			return p.failed(s, frame)
		case p.due(s):
			if err := p.send(p.held, nil); err != nil {
				return true, err
			}
			p.held = nil // the receiver owns what was sent
		}
	}
}

// due reports whether what is held goes out now.
func (p *pump) due(s *adapter.Stream) bool {
	switch {
	case len(p.held) == 0:
		return false
	case len(p.held) >= maxMessage:
		return true
	}
	return (p.shown || !p.more) && !s.Ready()
}

// failed ends a stream whose provider said that it failed: the next target's chance, or the client's to read.
func (p *pump) failed(s *adapter.Stream, frame sse.Frame) (settled bool, err error) {
	status := http.StatusBadGateway
	if _, err := p.wire.NewDecoder().Decode(frame); err != nil {
		status = fault.From(err).HTTPStatus()
	}
	if p.head != nil && p.more && adapter.Transient(status) {
		return false, providerFailure(status)
	}
	p.seen.Reading(s.Reading())
	p.told = true
	if err := p.send(p.held, trailer(s.Reading(), false)); err != nil {
		return true, err
	}
	return true, providerFailure(status)
}

// room is what frames that come together mostly need.
const room = 4 << 10

// hold keeps a frame until it is sent; more says whether another one is here already.
func (p *pump) hold(raw []byte, more bool) {
	if p.held == nil && more {
		p.held = make([]byte, 0, max(room, 2*len(raw)))
	}
	p.held = append(p.held, raw...)
}

// broken ends a stream that its provider didn't. While nothing was sent the failure is a status, or another target's
// chance.
func (p *pump) broken(s *adapter.Stream, cause error) (settled bool, err error) {
	if p.head != nil {
		return false, cause
	}
	p.seen.Reading(s.Reading())
	p.held = append(p.held, p.wire.ErrorFrame(fault.From(cause), p.requestID)...)
	p.told = true
	if err := p.send(p.held, trailer(s.Reading(), false)); err != nil {
		return true, err
	}
	return true, cause
}

// send sends the head with the first message.
func (p *pump) send(data []byte, t *routerv1.RelayTrailer) error {
	m := &routerv1.RelayResponse{Head: p.head, Data: data, Trailer: t}
	p.head = nil
	return p.out.Send(m)
}

func trailer(r dialect.Reading, complete bool) *routerv1.RelayTrailer {
	return &routerv1.RelayTrailer{Usage: r.Usage, FinishReason: r.Finish, Complete: complete}
}
