package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// soon is how quickly a provider hears that nobody listens any more (promise S5).
const soon = 250 * time.Millisecond

// moments are where in a request its client leaves; each is a model's name of the provider.
var moments = []string{"early", "head", "first", "middle", "whole", "pause"}

// targets are so many that the failures at none of them open its breaker, which would end the pauses.
var targets = size(16, 64)

// TestS5: a client that leaves at any moment takes the provider's call with it, leaves no goroutine behind and one row in
// the books.
func TestS5(t *testing.T) {
	l := &leaving{gone: map[int]chan time.Time{}, here: map[int]chan struct{}{}, attempts: map[string]int{}}
	up := newUpstream(l.play)
	extra := "models:\n"
	for _, moment := range moments {
		for i := range targets {
			extra += fmt.Sprintf("  %[1]s-%[2]d: {targets: [{provider: %[3]s, model: %[1]s-%[2]d}]}\n", moment, i, []string{"openai", "claude"}[i%2])
		}
	}
	l.mesh = start(t, mesh.Options{Upstream: up, Extra: extra})
	l.conn = dial(t, l.mesh)
	l.tally = promise(t, "S5", "a client's leaving reaches the provider")
	const together32 = 32
	together(together32, 3*together32, func(i int) { l.stay(t.Context(), 9_000_000+i) })
	client.CloseIdleConnections()
	before := 0
	within(2*time.Second, func() bool { // the same twice: what is closing has closed
		last := before
		before = goroutines(t, l.mesh)
		return before == last
	})
	n := size(240, 1200)
	together(together32, n, func(i int) { l.round(t.Context(), i) })
	l.pauses(t)
	for _, moment := range moments {
		if moment != "pause" && moment != "early" && l.took(moment) == 0 {
			l.broken("nobody left at %q: the test misses", moment)
		}
	}
	client.CloseIdleConnections()
	after := 0
	if !within(10*time.Second, func() bool { after = goroutines(t, l.mesh); return after <= before+5 }) {
		l.broken("%d goroutines, %d before", after, before)
	}
	l.book(t.Context(), l.mesh, l.attempts)
	p99 := l.all.percentile(99)
	if p99 > patient(soon) {
		l.broken("the provider is let go within %s (p99), want %s", p99, soon)
	}
	l.found("p50 %s, p99 %s, at most %s; %d goroutines before, %d after", l.all.percentile(50).Round(100*time.Microsecond),
		p99.Round(100*time.Microsecond), l.all.percentile(100).Round(100*time.Microsecond), before, after)
}

// leaving plays the provider and its clients.
type leaving struct {
	*tally

	mesh *mesh.Mesh
	conn *grpc.ClientConn
	all  durations

	mu       sync.Mutex
	gone     map[int]chan time.Time
	here     map[int]chan struct{}
	attempts map[string]int
	left     map[string]int
	last     time.Time
}

func requestID(round int) string { return fmt.Sprintf("s5-%d", round) }

// play is the provider's side.
func (l *leaving) play(v *voice, round, _ int) {
	l.mu.Lock()
	l.attempts[requestID(round)]++
	here, gone := l.here[round], l.gone[round]
	l.mu.Unlock()
	if here == nil {
		v.answer("well")
		return
	}
	moment, _, _ := strings.Cut(v.model, "-")
	switch moment {
	case "pause":
		v.refuse(http.StatusServiceUnavailable, "Retry-After", "2")
		here <- struct{}{}
		return
	case "first":
		v.begin()
	case "middle":
		v.say("so far")
	}
	here <- struct{}{}
	if moment == "middle" {
		for v.req.Context().Err() == nil && v.say("and on ") {
			select {
			case <-v.req.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	gone <- v.gone(10 * time.Second)
}

// stay is a client that hears the answer out.
func (l *leaving) stay(ctx context.Context, round int) {
	if l.send(ctx, round, "head") != nil {
		l.broken("round %d: an answer of the warm-up failed", round)
	}
}

// send asks in one of the ways there are, and waits for the end.
func (l *leaving) send(ctx context.Context, round int, moment string) error {
	model := fmt.Sprintf("%s-%d", moment, round/3%targets)
	dialect := []string{"openai", "anthropic", "typed"}[round%3]
	if dialect == "typed" {
		err := typedError(metadata.AppendToOutgoingContext(ctx, "x-request-id", requestID(round)), l.conn, model, round, moment != "whole")
		if err != nil && err.Error() != "EOF" && moment != "whole" {
			return err
		}
		return ctx.Err()
	}
	path, text := body(dialect, model, round, false, moment == "whole")
	a := exchange(ctx, l.mesh, path, text, "X-Request-Id", requestID(round))
	if a.err == nil && a.failed() {
		return errors.New(string(a.body))
	}
	return a.err
}

// round is a client that leaves.
func (l *leaving) round(ctx context.Context, round int) {
	r := chance("leave", round, 0)
	moment := moments[r.IntN(len(moments))]
	here, gone := make(chan struct{}, maxTries), make(chan time.Time, maxTries)
	l.mu.Lock()
	l.here[round], l.gone[round] = here, gone
	l.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.send(ctx, round, moment) }()
	l.kept()
	if moment == "early" {
		<-time.After(time.Duration(r.IntN(3000)) * time.Microsecond)
	} else {
		select {
		case <-here:
		case <-time.After(5 * time.Second):
			l.broken("round %d, %s: the provider was never asked", round, moment)
			return
		}
		<-time.After(time.Duration(1+r.IntN(100)) * time.Millisecond)
	}
	select {
	case err := <-done:
		l.broken("round %d, %s: it ended by itself: %v", round, moment, err)
		return
	default:
	}
	left := time.Now()
	cancel()
	<-done
	l.heard(round, moment, left, here, gone)
}

// heard waits until the provider knows.
func (l *leaving) heard(round int, moment string, left time.Time, here <-chan struct{}, gone <-chan time.Time) {
	l.mu.Lock()
	l.last = left
	l.mu.Unlock()
	if moment == "pause" {
		return
	}
	if moment == "early" { // it may never have been asked
		select {
		case <-here:
			left = later(left, time.Now())
		case <-time.After(size(300*time.Millisecond, time.Second)):
			return
		}
	}
	select {
	case at := <-gone:
		l.all.add(max(0, at.Sub(left)))
		l.mu.Lock()
		if l.left == nil {
			l.left = map[string]int{}
		}
		l.left[moment]++
		l.mu.Unlock()
	case <-time.After(5 * time.Second):
		l.broken("round %d, %s: the provider still waits", round, moment)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *leaving) took(moment string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left[moment]
}

// pauses waits until every pause between attempts is over, and sees that nothing came after it.
func (l *leaving) pauses(t *testing.T) {
	t.Helper()
	<-time.After(time.Until(l.last.Add(2200 * time.Millisecond)))
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, n := range l.attempts {
		if n > 1 {
			l.broken("%s: %d attempts although its client had left", id, n)
		}
	}
}
