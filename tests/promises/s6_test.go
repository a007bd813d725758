package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// readyOff is how soon after a stop signal readiness has to be gone (promise S6).
const readyOff = 100 * time.Millisecond

// TestS6: a stop signal turns readiness off at once and cuts no stream inside the drain time; one that takes longer ends
// with an error frame and has its row in the books.
func TestS6(t *testing.T) {
	stay := size(1500*time.Millisecond, 20*time.Second)
	for _, c := range []struct {
		name  string
		drain time.Duration
		end   ending
	}{
		{"streams that end inside the drain time", stay + 10*time.Second, terminal},
		{"streams that don't", stay / 3, errorFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &drain{tally: promise(t, "S6", c.name), begun: make(chan struct{}, 1000), stay: stay, want: c.end}
			d.mesh = start(t, mesh.Options{Upstream: newUpstream(d.play), Extra: fmt.Sprintf("gateway: {drain: %s}\n", c.drain)})
			d.run(t, size(30, 100), c.drain)
		})
	}
}

// drain is a number of streams, and a stop signal.
type drain struct {
	*tally

	mesh  *mesh.Mesh
	stay  time.Duration
	want  ending
	begun chan struct{}

	attempts sync.Map
	ended    [2]durations // over HTTP and over gRPC, after the signal
	signal   atomic.Pointer[time.Time]
}

func (d *drain) play(v *voice, round, _ int) {
	d.attempts.Store(fmt.Sprintf("s6-%d", round), 1)
	v.say("so ")
	d.begun <- struct{}{}
	for time.Since(v.arrived) < d.stay && v.say("far ") {
		select {
		case <-v.req.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	v.say("well")
	v.end()
}

func (d *drain) run(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	conn := dial(t, d.mesh)
	var streams sync.WaitGroup
	for i := range n {
		streams.Go(func() { d.stream(t.Context(), conn, i) })
	}
	for range n {
		select {
		case <-d.begun:
		case <-time.After(10 * time.Second):
			t.Fatal("the streams don't begin")
		}
	}
	signalled := time.Now()
	d.signal.Store(&signalled)
	if err := d.mesh.Process("all").Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	off := d.readiness(t)
	streams.Wait()
	overHTTP, overGRPC := d.ended[0].percentile(100), d.ended[1].percentile(100)
	gone := make(chan struct{})
	go func() {
		_, _ = d.mesh.Process("all").Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		d.broken("the process is still there 20 s after its last stream")
	}
	for _, took := range []time.Duration{overHTTP, overGRPC} {
		if d.want == errorFrame && (took < limit || took > limit+patient(soon)) {
			d.broken("streams ended after %s, the drain time is %s", took, limit)
		}
	}
	d.mesh.StartAll(t)
	attempts := map[string]int{}
	d.attempts.Range(func(id, _ any) bool {
		attempts[id.(string)] = 1
		return true
	})
	d.book(t.Context(), d.mesh, attempts)
	d.found("not ready after %s; the last stream ended after %s, over gRPC after %s (drain time %s); %d rows", off.Round(time.Millisecond),
		overHTTP.Round(10*time.Millisecond), overGRPC.Round(10*time.Millisecond), limit, len(attempts))
}

// readiness waits until it is gone and returns how long that took.
func (d *drain) readiness(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for _, addr := range []string{d.mesh.Ops, d.mesh.HTTP} {
		if !within(5*time.Second, func() bool {
			status, _, err := get(t.Context(), "http://"+addr+"/readyz", "Connection", "close")
			return err != nil || status == http.StatusServiceUnavailable
		}) {
			d.broken("still ready")
		}
	}
	took := time.Since(began)
	if took > patient(readyOff) {
		d.broken("readiness went after %s, want %s", took, readyOff)
	}
	return took
}

// stream is a client that stays.
func (d *drain) stream(ctx context.Context, conn *grpc.ClientConn, i int) {
	dialect, model, id := []string{"openai", "anthropic", "typed"}[i%3], []string{"openai/m", "claude/m"}[i/3%2], fmt.Sprintf("s6-%d", i)
	var s sight
	var err error
	var trace []byte
	if dialect == "typed" {
		s = d.typed(metadata.AppendToOutgoingContext(ctx, "x-request-id", id), conn, model, i)
	} else {
		path, text := body(dialect, model, i, false, false)
		a := exchange(ctx, d.mesh, path, text, "X-Request-Id", id)
		trace = a.body
		s, err = saw(dialect, a.body, a.err)
	}
	d.kept()
	if at := d.signal.Load(); at != nil {
		which := &d.ended[0]
		if dialect == "typed" {
			which = &d.ended[1]
		}
		which.add(time.Since(*at))
	}
	switch {
	case err != nil || s.end != d.want || !strings.HasPrefix(s.text, "so far far"):
		d.broken("%s: %q, want %q: %v\n%s", dialect, s.end, d.want, err, tail(trace, s))
	case s.end == terminal && !strings.HasSuffix(s.text, " well"):
		d.broken("%s: cut: %q", dialect, s.text)
	}
}

func (d *drain) typed(ctx context.Context, conn *grpc.ClientConn, model string, round int) (s sight) {
	in, err := routerv1.NewRouterServiceClient(conn).StreamChat(withKey(ctx), &routerv1.StreamChatRequest{Model: model, Prompt: prompt(label(round))})
	for err == nil {
		var m *routerv1.StreamChatResponse
		if m, err = in.Recv(); err == nil {
			s.event(m.GetEvent())
		}
	}
	switch {
	case errors.Is(err, io.EOF) && s.whole:
		s.end = terminal
	case timerOf(err) != fmt.Sprint(err): // a status of Headgate's own says why
		s.end = errorFrame
	default:
		s.end = brokenOff
		s.fault = fmt.Sprint(err)
	}
	return s
}
