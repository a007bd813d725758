package credential_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/credential"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestPick(t *testing.T) {
	t.Parallel()
	const long = 3 * time.Hour
	refused := func(l credential.Lease, now time.Time) { l.Refused(now) }
	forbidden := func(l credential.Lease, now time.Time) { l.Forbidden(now) }
	exhausted := func(l credential.Lease, now time.Time) { l.Exhausted(now) }
	limited := func(d time.Duration) func(credential.Lease, time.Time) {
		return func(l credential.Lease, now time.Time) { l.Limited(now, d) }
	}
	cases := []struct {
		name string
		what func(credential.Lease, time.Time)
		// rests is for how long the first key isn't used for the same model, others for another one.
		rests, others time.Duration
	}{
		{"429 with Retry-After", limited(7 * time.Second), 7 * time.Second, 0},
		{"429 without", limited(0), 10 * time.Second, 0},
		{"429 with next to nothing", limited(time.Millisecond), time.Second, 0},
		{"429 with a day", limited(24 * time.Hour), time.Hour, 0},
		{"403", forbidden, 5 * time.Minute, 0},
		{"401", refused, 5 * time.Minute, 5 * time.Minute},
		{"402", exhausted, 10 * time.Minute, 10 * time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := credential.New([]string{"one", "", "two"}, nil)
			c.what(p.Pick("m", epoch), epoch)
			for model, rests := range map[string]time.Duration{"m": c.rests, "other": c.others} {
				for _, at := range []time.Duration{0, rests - 1, rests, long} {
					want := "one"
					if at >= 0 && at < rests {
						want = "two"
					}
					if got := p.Pick(model, epoch.Add(at)).Value(); got != want {
						t.Errorf("%s for %s: %s, want %s", at, model, got, want)
					}
				}
			}
		})
	}
}

// TestAllRest: a call still gets the key that is back the soonest, and whoever asks is told that none is ready.
func TestAllRest(t *testing.T) {
	t.Parallel()
	p := credential.New([]string{"one", "two", "three"}, nil)
	for _, d := range []time.Duration{30 * time.Second, 20 * time.Second, 40 * time.Second} {
		if ok, _ := p.Ready("m", epoch); !ok {
			t.Fatal("not ready while one is left")
		}
		p.Pick("m", epoch).Limited(epoch, d)
	}
	ok, until := p.Ready("m", epoch)
	if ok || until.Sub(epoch) != 20*time.Second || p.Pick("m", epoch).Value() != "two" {
		t.Errorf("%t until %s, %s", ok, until.Sub(epoch), p.Pick("m", epoch).Value())
	}
	if resting, all := p.Count("m", epoch); resting != 3 || all != 3 {
		t.Errorf("%d of %d", resting, all)
	}
	if resting, _ := p.Count("other", epoch); resting != 0 || p.Resting(epoch) != 3 {
		t.Errorf("%d for another model, %d in all", resting, p.Resting(epoch))
	}
	if ok, _ := p.Ready("m", epoch.Add(20*time.Second)); !ok {
		t.Error("not back in time")
	}
}

func TestNoKeys(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*credential.Pool{"nil": nil, "empty": credential.New([]string{""}, nil)} {
		l := p.Pick("m", epoch)
		l.Refused(epoch)
		if ok, _ := p.Ready("m", epoch); !ok || l.Value() != "" || l.Name() != "" || p.Len() != 0 || p.Resting(epoch) != 0 {
			t.Errorf("%s: %t %q", name, ok, l.Name())
		}
	}
}

// TestNames: keys are named by their positions, and nothing prints a key.
func TestNames(t *testing.T) {
	t.Parallel()
	p := credential.New([]string{"canary-one", "canary-two"}, nil)
	p.Pick("m", epoch).Refused(epoch)
	l := p.Pick("m", epoch)
	if l.Name() != " (key 2 of 2)" {
		t.Errorf("%q", l.Name())
	}
	for _, text := range []string{l.Name(), fmt.Sprint(l), fmt.Sprintf("%+v %#v", l, l), fmt.Sprintf("%v %+v %#v", p, p, p)} {
		if strings.Contains(text, "canary") {
			t.Errorf("prints a key: %s", text)
		}
	}
}

// TestCarriedOver: a new configuration doesn't forget which keys rest.
func TestCarriedOver(t *testing.T) {
	t.Parallel()
	old := credential.New([]string{"one", "two"}, nil)
	old.Pick("m", epoch).Refused(epoch)
	old.Pick("m", epoch).Limited(epoch, time.Minute)
	if credential.New([]string{"one", "", "two"}, old) != old {
		t.Error("the same keys aren't the same pool")
	}
	p := credential.New([]string{"two", "one", "three"}, old)
	if got := p.Pick("m", epoch).Value(); got != "three" {
		t.Errorf("%s, want three", got)
	}
	if got := p.Pick("other", epoch).Value(); got != "two" {
		t.Errorf("%s, want two", got)
	}
}

// TestManyModels: names that clients make up don't fill the memory, and the key goes on.
func TestManyModels(t *testing.T) {
	t.Parallel()
	p := credential.New([]string{"one"}, nil)
	for i := range 5000 {
		p.Pick(fmt.Sprint(i), epoch).Forbidden(epoch)
	}
	resting := 0
	for i := range 5000 {
		n, _ := p.Count(fmt.Sprint(i), epoch)
		resting += n
	}
	if resting != 1024 {
		t.Errorf("%d rests", resting)
	}
	later := epoch.Add(time.Hour)
	p.Pick("new", later).Forbidden(later)
	if n, _ := p.Count("new", later); n != 1 {
		t.Error("no room after the old ones have ended")
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	p := credential.New([]string{"one", "two"}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				now := epoch.Add(time.Duration(j) * time.Second)
				l := p.Pick("m", now)
				if l.Value() == "" {
					t.Error("no key")
				}
				if i%2 == 0 {
					l.Limited(now, time.Second)
				}
				p.Ready("m", now)
				p.Resting(now)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPick(b *testing.B) {
	p := credential.New([]string{"one", "two"}, nil)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Pick("m", now)
	}
}

// TestMarks: a mark finds its key again, in every process with the secret, and tells nothing of it.
func TestMarks(t *testing.T) {
	t.Parallel()
	secret, other := []byte("secret"), []byte("another")
	before, after := credential.New([]string{"one", "two"}, nil), credential.New([]string{"three", "two"}, nil)
	mark := before.All()[1].Mark(secret)
	if l, ok := after.Marked(secret, mark); !ok || l.Value() != "two" {
		t.Errorf("%v, %t", l, ok)
	}
	for name, mark := range map[string]string{"gone": before.All()[0].Mark(secret), "under another secret": before.All()[1].Mark(other), "none": ""} {
		if l, ok := after.Marked(secret, mark); ok {
			t.Errorf("%s: %v", name, l)
		}
	}
	var none *credential.Pool
	if _, ok := none.Marked(secret, mark); ok || (credential.Lease{}).Mark(secret) != "" || len(mark) != 16 {
		t.Errorf("mark %q", mark)
	}
}
