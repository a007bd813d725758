package standing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func trip(t *standing.Target) {
	for range breaker.Floor {
		ticket, _ := t.Breaker().Admit(epoch)
		ticket.Fail(epoch)
	}
}

func open(t *standing.Target) bool {
	state, _ := t.Breaker().Read(epoch)
	return state == breaker.Open
}

// TestBookIsCarriedOver: what is known of a target outlives its configuration, unless the provider is another one.
func TestBookIsCarriedOver(t *testing.T) {
	t.Parallel()
	old := standing.NewBook(nil)
	p := old.Provider("p", "openai here")
	p.Keys([]string{"one", "two"}).Pick("m", epoch).Refused(epoch)
	trip(p.Target("m"))
	trip(p.Other("named by a client"))
	p.Target("m").Repeats().Spend()
	old.Settled()

	next := standing.NewBook(old)
	q := next.Provider("p", "openai here")
	if q.Target("m") != p.Target("m") || !open(q.Target("m")) || !open(q.Other("named by a client")) {
		t.Error("the targets are forgotten")
	}
	if got := q.Keys([]string{"one", "three"}).Pick("m", epoch).Value(); got != "three" {
		t.Errorf("key %s: its rest is forgotten", got)
	}
	if q.Target("new") == nil || open(q.Target("new")) {
		t.Error("a new target isn't new")
	}
	next.Settled()
	if !open(q.Target("m")) {
		t.Error("forgotten when it settled")
	}
	elsewhere := standing.NewBook(next).Provider("p", "openai there")
	if open(elsewhere.Target("m")) || elsewhere.Keys([]string{"one"}).Resting(epoch) != 0 {
		t.Error("another provider under the name has its past")
	}
	if third := standing.NewBook(standing.NewBook(next)).Provider("p", "openai here"); open(third.Target("m")) {
		t.Error("a book that never had the provider knows it")
	}
}

// TestOthers: targets that clients name share what is configured, one budget, and a bounded memory.
func TestOthers(t *testing.T) {
	t.Parallel()
	p := standing.NewBook(nil).Provider("p", "")
	if p.Other("m") == p.Target("m") {
		t.Error("unexpected: it was configured only afterwards")
	}
	if p.Other("m") != p.Target("m") {
		t.Error("one target stands twice")
	}
	first := p.Other("0")
	if first == p.Other("1") || first.Repeats() != p.Other("1").Repeats() {
		t.Error("two targets, one budget")
	}
	for i := range 1023 {
		p.Other(fmt.Sprint(i + 2))
		p.Other("0") // is asked for all the time
	}
	if p.Other("0") != first {
		t.Error("forgotten, though it was asked for")
	}
	second := p.Other("2")
	for i := range 1024 {
		p.Other(fmt.Sprint("more ", i))
	}
	if p.Other("2") == second {
		t.Error("nothing is ever forgotten")
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	target := standing.NewTarget(standing.NewBudget())
	if target.Pace(epoch) != 0 || target.Average() != 0 {
		t.Error("known without an attempt")
	}
	target.Whole(10*time.Second, epoch)
	if target.Pace(epoch) != 10*time.Second || target.Average() != 0 {
		t.Errorf("%s, %s", target.Pace(epoch), target.Average())
	}
	target.FirstContent(time.Second, epoch)
	target.FirstContent(2*time.Second, epoch)
	if want := 1200 * time.Millisecond; target.Pace(epoch) != want || target.Average() != want {
		t.Errorf("%s, %s, want %s", target.Pace(epoch), target.Average(), want)
	}
	if got := target.Pace(epoch.Add(61 * time.Second)); got != 0 {
		t.Errorf("%s after a minute of silence", got)
	}
	target.FirstContent(5*time.Second, epoch.Add(2*time.Minute))
	if got := target.Average(); got != 5*time.Second {
		t.Errorf("%s: the old average counts after its time", got)
	}
}

// TestBudget: it holds three repeats, earns one in five requests, and owes those that were made all the same.
func TestBudget(t *testing.T) {
	t.Parallel()
	b := standing.NewBudget()
	spent := func() (n int) {
		for b.Spend() {
			n++
		}
		return n
	}
	earn := func(requests int) {
		for range requests {
			b.Earn()
		}
	}
	for i, step := range []struct{ requests, charged, want int }{
		{0, 0, 3}, {4, 0, 0}, {1, 0, 1}, {1000, 0, 3}, {0, 2, 0}, {10, 0, 0}, {5, 0, 1}, {0, 1000, 0}, {150, 0, 0}, {5, 0, 1},
	} {
		earn(step.requests)
		for range step.charged {
			b.Charge()
		}
		if b.Left() != (step.want > 0) {
			t.Errorf("step %d: left %t", i, b.Left())
		}
		if got := spent(); got != step.want {
			t.Errorf("step %d: %d repeats, want %d", i, got, step.want)
		}
	}
}

// TestNil: where nothing is kept nothing is known, and nothing is repeated.
func TestNil(t *testing.T) {
	t.Parallel()
	var target *standing.Target
	target.Begin()
	target.End()
	target.FirstContent(1, epoch)
	if target.Repeats().Spend() || target.Repeats().Left() || target.Asked() || target.InFlight() != 0 || target.Pace(epoch) != 0 || target.Breaker() != nil {
		t.Error("something is known")
	}
	var p *standing.Provider
	if p.Other("m") != nil || p.Target("m") != nil {
		t.Error("a target of nowhere")
	}
}

func BenchmarkOther(b *testing.B) {
	p := standing.NewBook(nil).Provider("p", "")
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Other("m")
	}
}
