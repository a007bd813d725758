package answers

import (
	"context"
	"sync"
	"time"
)

// outcome is what became of a leader's answer.
type outcome uint8

const (
	// kept: the service has it.
	kept outcome = iota
	// left: the leader's caller went away, which says nothing of the answer.
	left
	// failed: it wasn't a whole, successful one, or it was withdrawn meanwhile.
	failed
	// unkept: it can't be kept, and neither could the next one.
	unkept
	// lost: the service doesn't answer.
	lost
)

// maxFailures is how many answers of a flight may fail before everyone who follows goes on alone: where a provider is
// down they would queue for their failures, one after another. Leaders that left don't count.
const maxFailures = 3

// maxLooks is how many followers look their answer up at a time.
const maxLooks = 4

// flights are the questions that calls of this router wait for.
type flights struct {
	mu  sync.Mutex
	all map[Digest]*flight
	// looking are first lookups under way.
	looking map[Digest]*gate
	found   found
}

// flight is one question while somebody is answering it, and those who wait for that. A nil flight has nobody. Safe for
// concurrent use.
type flight struct {
	answers *Answers
	// digest, tenant and model name the question.
	digest        Digest
	tenant, model string
	// turn holds the lead while it is handed over: who takes it out leads. over is closed at the end.
	turn, over chan struct{}
	// looks bounds how many look the answer up at a time: a crowd that comes at once would be late at its service.
	looks chan struct{}
	// dark is closed where the service doesn't answer them.
	dark   chan struct{}
	darken func()
	// cancel ends the keeper.
	cancel context.CancelFunc

	// What follows is guarded by the flights' mutex.

	// holder is the one of the lease.
	holder []byte
	// led says that a call of this router leads, or that its turn has come; where it is false another router's does.
	led bool
	// waiting counts the followers, failures the answers that failed.
	waiting, failures int
	ended             bool
	// end is why.
	end outcome
}

// follow returns whom to wait for; nil where nobody asks the same yet.
func (a *Answers) follow(ask Ask, digest Digest) *Follower {
	if !ask.joins() {
		return nil
	}
	a.flights.mu.Lock()
	defer a.flights.mu.Unlock()
	f := a.flights.all[digest]
	if f == nil {
		return nil
	}
	return &Follower{answers: a, ask: ask, digest: digest, flight: f}
}

// lead puts a call that was granted the lease at the head of the flight; false where another one of this router is there:
// the lease is that one's then.
func (a *Answers) lead(ask Ask, digest Digest, holder []byte) (f *flight, leads bool) {
	a.flights.mu.Lock()
	defer a.flights.mu.Unlock()
	f = a.flights.all[digest]
	if f == nil {
		return a.begin(ask, digest, holder, true), true
	}
	leads = !f.led
	f.holder, f.led = holder, true
	return f, leads
}

// watch is the flight of a question that another router's call is answering.
func (a *Answers) watch(ask Ask, digest Digest, holder []byte) *flight {
	a.flights.mu.Lock()
	defer a.flights.mu.Unlock()
	if f := a.flights.all[digest]; f != nil {
		return f
	}
	return a.begin(ask, digest, holder, false)
}

func (a *Answers) begin(ask Ask, digest Digest, holder []byte, led bool) *flight {
	ctx, cancel := context.WithCancel(context.Background()) // of no single caller: any of them may leave
	f := &flight{
		answers: a, digest: digest, tenant: ask.Tenant, model: ask.Model, holder: holder, led: led, cancel: cancel,
		turn: make(chan struct{}, 1), over: make(chan struct{}), looks: make(chan struct{}, maxLooks),
		dark: make(chan struct{}),
	}
	f.darken = sync.OnceFunc(func() { close(f.dark) })
	a.flights.all[digest] = f
	a.stores.Go(func() { f.keep(ctx) })
	return f
}

// pass ends a leader's part: it tells the followers of an answer, or makes one of them the next leader.
func (f *flight) pass(o outcome) {
	if f == nil {
		return
	}
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	switch {
	case f.ended:
	case o == left:
		f.handOver()
	case o == failed:
		f.fail()
	default:
		f.finish(o)
	}
}

// fail is for an answer that the followers can't have.
func (f *flight) fail() {
	if f.failures++; f.failures >= maxFailures {
		f.finish(unkept)
		return
	}
	f.handOver()
}

// handOver makes it some follower's turn.
func (f *flight) handOver() {
	if f.waiting == 0 {
		f.finish(left)
		return
	}
	f.led = true
	f.turn <- struct{}{} // whoever leads has taken out what was there
}

// finish ends the flight. The lease ends with it, unless the service knows already.
func (f *flight) finish(o outcome) {
	f.ended, f.end = true, o
	delete(f.answers.flights.all, f.digest)
	close(f.over)
	f.cancel()
	if f.led && o != kept {
		f.release(f.holder, o == unkept)
	}
}

// heldBy is the holder of the lease.
func (f *flight) heldBy() []byte {
	if f == nil {
		return nil
	}
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	return f.holder
}

// await waits for its turn or the end, and returns whether it is the caller's turn, and why it ended otherwise: left also
// where the caller's time is over.
func (f *flight) await(ctx context.Context, limit <-chan time.Time) (turn bool, end outcome, waits bool) {
	if !f.enter() {
		return false, f.end, true
	}
	select {
	case <-f.turn:
		return f.take()
	case <-f.over:
		return false, f.end, true
	case <-limit:
	case <-ctx.Done():
	}
	f.leave()
	return false, left, false
}

// enter counts a follower; false where the flight is over.
func (f *flight) enter() bool {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	if !f.ended {
		f.waiting++
	}
	return !f.ended
}

// take makes a follower the leader.
func (f *flight) take() (turn bool, end outcome, waits bool) {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	f.waiting--
	return !f.ended, f.end, true
}

// leave is for a follower that waits no longer. The last one takes the turn along that nobody will take.
func (f *flight) leave() {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	if f.waiting--; f.waiting > 0 || f.ended {
		return
	}
	select {
	case <-f.turn:
		f.finish(left)
	default:
		if !f.led {
			f.finish(left)
		}
	}
}

// yield is for a leader whose lease is another router's by now: it follows that one.
func (f *flight) yield() {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	f.led = false
}
