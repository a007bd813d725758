package answers

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// Fill collects an answer on its way to the client, to keep it once it is complete. A nil Fill collects nothing. It
// belongs to one goroutine. It takes memory up to MaxEntry, and gives up beyond.
type Fill struct {
	answers    *Answers
	ctx        context.Context
	ask        Ask
	digest     Digest
	generation []byte
	// flight is what this fill leads; nil where nobody follows it.
	flight *flight

	value value
	// held is what it has taken of the room that all fills share.
	held   int64
	closed bool
}

// fill collects for a flight, or alone where that is nil.
func (a *Answers) fill(ctx context.Context, ask Ask, digest Digest, generation []byte, f *flight) *Fill {
	ask.Body = nil // the caller's, and large
	return &Fill{answers: a, ctx: ctx, ask: ask, digest: digest, generation: generation, flight: f}
}

// alone is the fill of a call that the cache couldn't help: it keeps nothing.
func alone() *Fill { return &Fill{closed: true} }

// Take notes a message as it is sent to the client, and keeps the answer with the last one: where it is complete,
// successful and of the target that was meant. It copies what it needs.
func (f *Fill) Take(m *routerv1.RelayResponse) {
	if f == nil || f.closed {
		return
	}
	if head := m.GetHead(); head != nil {
		f.begin(head)
	}
	f.add(m.GetData())
	if t := m.GetTrailer(); t != nil {
		f.end(t)
	}
}

// Close gives up what isn't kept. It may follow anything, and be repeated.
func (f *Fill) Close() {
	if f == nil || f.closed {
		return
	}
	if errors.Is(f.ctx.Err(), context.Canceled) {
		f.giveUp(left)
		return
	}
	f.giveUp(failed)
}

// giveUp keeps nothing, and tells those that follow why.
func (f *Fill) giveUp(why outcome) {
	f.closed = true
	f.release()
	f.flight.pass(why)
}

// begin gives up on an answer that isn't to be kept: an error, another mode than was asked for, another target than the
// first (a failover's answer is another model's).
func (f *Fill) begin(head *routerv1.RelayHead) {
	meant := f.ask.Targets[0]
	switch {
	case head.GetStatus() != http.StatusOK:
		f.giveUp(failed)
		return
	case head.GetStream() != f.ask.Stream, head.GetProvider() != meant.Provider, head.GetModel() != meant.Model:
		f.giveUp(unkept)
		return
	}
	f.value.head = &routerv1.RelayHead{
		Status: head.GetStatus(), Headers: lasting(head.GetHeaders()), Stream: head.GetStream(),
		Provider: head.GetProvider(), Model: head.GetModel(), Warnings: slices.Clone(head.GetWarnings()),
	}
}

// lasting are the headers that are of the answer, not of one exchange: no limits, no ids, no times.
func lasting(headers []*routerv1.Header) []*routerv1.Header {
	var kept []*routerv1.Header
	for _, h := range headers {
		switch h.GetName() {
		case "content-type", "openai-version", "anthropic-version":
			kept = append(kept, &routerv1.Header{Name: h.GetName(), Value: h.GetValue()})
		}
	}
	return kept
}

func (f *Fill) add(data []byte) {
	if f.closed || len(data) == 0 {
		return
	}
	if f.value.head == nil || !f.reserve(int64(len(data))) {
		f.giveUp(unkept)
		return
	}
	f.value.data = append(f.value.data, data...)
	f.value.ends = append(f.value.ends, len(f.value.data))
}

// reserve takes room for n more bytes: twice, for the sealed copy. It returns false where the answer gets too large, or
// too many are under way.
func (f *Fill) reserve(n int64) bool {
	a := f.answers
	if int64(len(f.value.data))+n > int64(a.o.MaxEntry) {
		return false
	}
	if a.filling.Add(2*n) > a.o.MaxFilling {
		a.filling.Add(-2 * n)
		return false
	}
	f.held += 2 * n
	return true
}

func (f *Fill) release() {
	f.answers.filling.Add(-f.held)
	f.held, f.value = 0, value{}
}

func (f *Fill) end(t *routerv1.RelayTrailer) {
	if f.closed {
		return
	}
	if f.value.head == nil || len(f.value.data) == 0 || !t.GetComplete() {
		f.giveUp(failed)
		return
	}
	f.value.trailer, _ = proto.Clone(t).(*routerv1.RelayTrailer)
	sealed, err := f.answers.sealed(&f.value, f.digest)
	if err != nil || len(sealed) > f.answers.o.MaxEntry {
		f.giveUp(unkept)
		return
	}
	f.closed = true
	f.answers.keep(f, sealed)
}
