package attempt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// standingTargets have breakers, budgets and the keys given.
func standingTargets(n int, keys ...string) []catalog.Target {
	var list []catalog.Target
	for i := range n {
		p := provider.New(provider.Identity{Name: fmt.Sprintf("p%d", i+1)}, nil, provider.Options{Keys: credential.New(keys, nil)})
		list = append(list, catalog.Target{
			Provider: p, Model: "m", Total: time.Minute, Standing: standing.NewTarget(standing.NewBudget()),
			Silences: provider.Silences{FirstContent: 30 * time.Second, Gap: 10 * time.Second},
		})
	}
	return list
}

func status(code int) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "status %d", code).With("http_status", strconv.Itoa(code))
}

// call runs a call whose attempts all end the same way, and returns the names of the providers that were asked.
func call(ctx context.Context, targets []catalog.Target, outcome func(catalog.Target) error) (asked []string, err error) {
	err = attempt.Run(ctx, targets, func(_ context.Context, t catalog.Target, _ attempt.Number) (bool, error) {
		asked = append(asked, t.Provider.Name)
		err := outcome(t)
		return err == nil, err
	})
	return asked, err
}

func state(t catalog.Target) breaker.State { return t.State(time.Now()).Breaker }

func trip(targets ...catalog.Target) {
	for _, t := range targets {
		for range breaker.Floor {
			ticket, _ := t.Standing.Breaker().Admit(time.Now())
			ticket.Fail(time.Now())
		}
	}
}

// TestWhatTheBreakerLearns: the table of promise S4.
func TestWhatTheBreakerLearns(t *testing.T) {
	t.Parallel()
	timeout := func(timer string) error { return upstream.TimeoutError(timer, time.Second) }
	cases := []struct {
		name  string
		err   error
		waits time.Duration
		short bool
		opens bool
	}{
		{name: "400", err: status(400)},
		{name: "403", err: because(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS)},
		{name: "402", err: status(402)},
		{name: "404", err: status(404)},
		{name: "413", err: status(413)},
		{name: "422", err: status(422)},
		{name: "429", err: status(429)},
		{name: "an empty account", err: quota()},
		{name: "408", err: status(408), opens: true},
		{name: "500", err: status(500), opens: true},
		{name: "503", err: status(503), opens: true},
		{name: "529", err: status(529), opens: true},
		{name: "unreachable", err: unreachable, opens: true},
		{name: "truncated", err: truncated, opens: true},
		{name: "malformed", err: because(errorsv1.Reason_REASON_PROVIDER_MALFORMED), opens: true},
		{name: "the caller left", err: fault.From(context.Canceled)},
		{name: "the caller's mistake", err: mistake},
		{name: "unsupported", err: unable()},
		{name: "overloaded ourselves", err: because(errorsv1.Reason_REASON_OVERLOADED)},
		{name: "connect", err: timeout("connect"), opens: true},
		{name: "first content", err: timeout("first_content"), opens: true},
		{name: "gap", err: timeout("gap"), opens: true},
		{name: "the caller's deadline", err: timeout("deadline")},
		{name: "first content, shortened by the caller", err: timeout("first_content"), short: true},
		{name: "total, shortened by the caller", err: timeout("total"), waits: 200 * time.Millisecond},
		{name: "the whole of the total", err: timeout("total"), waits: time.Minute, opens: true},
		{name: "the whole of a shortened total", err: timeout("total"), waits: time.Minute, short: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				list := standingTargets(1)
				list[0].Shortened.FirstContent = c.short
				// All are sent before the first has ended: the last ones would see an open breaker otherwise.
				var done []chan struct{}
				for range breaker.Floor {
					ended := make(chan struct{})
					done = append(done, ended)
					go func() {
						defer close(ended)
						_, _ = call(t.Context(), list, func(catalog.Target) error {
							time.Sleep(c.waits) //nolint:forbidigo // a bubble's
							return c.err
						})
					}()
				}
				for _, ended := range done {
					<-ended
				}
				if got := state(list[0]) == breaker.Open; got != c.opens {
					t.Errorf("open: %t", got)
				}
			})
		})
	}
}

// TestImpatientCallers is T1.5: calls with 200 ms for a provider that takes a second don't close it to the patient.
func TestImpatientCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := standingTargets(1)
		slow := func(ctx context.Context, _ catalog.Target, _ attempt.Number) (bool, error) {
			select {
			case <-time.After(time.Second):
				return true, nil
			case <-ctx.Done():
				return false, fault.From(context.Cause(ctx))
			}
		}
		for range 100 {
			ctx, cancel := attempt.Deadline(t.Context(), list, 200*time.Millisecond)
			if err := attempt.Run(ctx, list, slow); fault.From(err).Reason != errorsv1.Reason_REASON_TIMEOUT {
				t.Fatal(err)
			}
			cancel()
		}
		for range 1000 {
			if err := attempt.Run(t.Context(), list, slow); err != nil || state(list[0]) != breaker.Closed {
				t.Fatalf("%v, %s", err, state(list[0]))
			}
		}
	})
}

// TestContentIsSuccess: a stream that has shown something has succeeded, whatever follows.
func TestContentIsSuccess(t *testing.T) {
	t.Parallel()
	list := standingTargets(1)
	for range 2 * breaker.Floor {
		_ = attempt.Run(t.Context(), list, func(_ context.Context, _ catalog.Target, n attempt.Number) (bool, error) {
			n.Content()
			return true, truncated
		})
	}
	if state(list[0]) != breaker.Closed || list[0].State(time.Now()).FirstContent == 0 {
		t.Errorf("%+v", list[0].State(time.Now()))
	}
}

// TestOpenIsSpared: others are asked in its place, it is tried again when its time has come, and it closes.
func TestOpenIsSpared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := standingTargets(2)
		good := func(catalog.Target) error { return nil }
		want := func(name string) {
			t.Helper()
			if asked, err := call(t.Context(), list, good); err != nil || !slices.Equal(asked, []string{name}) {
				t.Fatalf("%v, %v, want %s", asked, err, name)
			}
		}
		want("p1")
		trip(list[0])
		want("p2")
		time.Sleep(6 * time.Second) //nolint:forbidigo // a bubble's
		want("p1")
		want("p1")
		if state(list[0]) != breaker.Closed {
			t.Error(state(list[0]))
		}
		trip(list[0])
		// What was never asked doesn't count as asked: the spared one is the last candidate.
		asked, err := call(t.Context(), list, func(t catalog.Target) error {
			if t.Provider.Name == "p2" {
				return unable()
			}
			return nil
		})
		if err != nil || !slices.Equal(asked, []string{"p2", "p1"}) {
			t.Errorf("%v, %v", asked, err)
		}
	})
}

// TestLastCandidate: where all are spared the one that is back the soonest is asked, once.
func TestLastCandidate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := standingTargets(3)
		trip(list[1])
		time.Sleep(2 * time.Second) //nolint:forbidigo // a bubble's
		trip(list[0], list[2])
		asked, err := call(t.Context(), list, func(catalog.Target) error { return status(503) })
		if err == nil || !slices.Equal(asked, []string{"p2"}) {
			t.Errorf("%v, %v", asked, err)
		}
		one := list[:1]
		for range 5 {
			if asked, err := call(t.Context(), one, func(catalog.Target) error { return nil }); err != nil || len(asked) != 1 {
				t.Errorf("%v, %v", asked, err)
			}
		}
	})
}

// keyed answers as a provider would that knows its keys: each key has an error, or none.
func keyed(outcome map[string]error, used *[]string) attempt.Try {
	return func(_ context.Context, t catalog.Target, _ attempt.Number) (bool, error) {
		key := t.Provider.Keys().Pick(t.Model, time.Now())
		*used = append(*used, t.Provider.Name+"."+key.Value())
		err := outcome[key.Value()]
		switch f := fault.From(err); {
		case err == nil:
			return true, nil
		case f.Reason == errorsv1.Reason_REASON_PROVIDER_CREDENTIALS:
			key.Refused(time.Now())
		case provider.OfAccount(f.HTTPStatus(), f.Metadata["provider_code"]):
			key.Exhausted(time.Now())
		case f.HTTPStatus() == 429:
			key.Limited(time.Now(), f.RetryAfter)
		}
		return false, err
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	refused := because(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS)
	cases := []struct {
		name    string
		targets int
		keys    map[string]error
		want    string
		slept   time.Duration
	}{
		{"the first is good", 1, map[string]error{}, "p1.a", 0},
		{"limited: the second at once", 1, map[string]error{"a": status(429)}, "p1.a p1.b", 0},
		{"refused", 1, map[string]error{"a": refused}, "p1.a p1.b", 0},
		{"exhausted", 1, map[string]error{"a": quota()}, "p1.a p1.b", 0},
		{"two of three", 1, map[string]error{"a": refused, "b": status(429)}, "p1.a p1.b p1.c", 0},
		{"none, at most three tries", 1, map[string]error{"a": refused, "b": refused, "c": refused}, "p1.a p1.b p1.c", 0},
		{"another target has its try, too", 2, map[string]error{"a": refused, "b": refused, "c": refused}, "p1.a p1.b p2.a", 0},
		{"as many targets as tries", 3, map[string]error{"a": refused, "b": refused, "c": refused}, "p1.a p2.a p3.a", 0},
		{"what isn't about the key isn't asked with another at once", 2, map[string]error{"a": status(503)}, "p1.a p2.a p1.a", 500 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var used []string
				start := time.Now()
				_ = attempt.Run(t.Context(), standingTargets(c.targets, "a", "b", "c"), keyed(c.keys, &used))
				if got := strings.Join(used, " "); got != c.want || time.Since(start) > c.slept {
					t.Errorf("%s in %s, want %s", got, time.Since(start), c.want)
				}
			})
		})
	}
}

// TestAllKeysRest: a target without a key is passed over while another one has one; the last one is asked all the same.
func TestAllKeysRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := standingTargets(2, "a")
		list[0].Provider.Keys().Pick("m", time.Now()).Limited(time.Now(), 20*time.Second)
		good := func(catalog.Target) error { return nil }
		if asked, err := call(t.Context(), list, good); err != nil || !slices.Equal(asked, []string{"p2"}) {
			t.Errorf("%v, %v", asked, err)
		}
		list[1].Provider.Keys().Pick("m", time.Now()).Limited(time.Now(), 10*time.Second)
		if asked, err := call(t.Context(), list, good); err != nil || !slices.Equal(asked, []string{"p2"}) {
			t.Errorf("%v, %v: the one that is back the soonest", asked, err)
		}
		time.Sleep(20 * time.Second) //nolint:forbidigo // a bubble's
		if asked, err := call(t.Context(), list, good); err != nil || !slices.Equal(asked, []string{"p1"}) {
			t.Errorf("%v, %v", asked, err)
		}
	})
}

// TestLimitedAndRepeated: a limit of the only key is waited for, however short its rest.
func TestLimitedAndRepeated(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 7 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			list := standingTargets(1, "a")
			var used []string
			start := time.Now()
			err := attempt.Run(t.Context(), list, func(ctx context.Context, target catalog.Target, n attempt.Number) (bool, error) {
				limited := map[string]error{}
				if n.Attempts == 1 {
					limited["a"] = status(429).After(after)
				}
				return keyed(limited, &used)(ctx, target, n)
			})
			if slept := time.Since(start); err != nil || len(used) != 2 || slept < after || slept > max(after, 500*time.Millisecond) {
				t.Errorf("%s: %v in %s, %v", after, used, slept, err)
			}
		})
	}
}

// TestAmplification is T1.3: whatever the rate of failures, a target gets at most 1.2 attempts for each request, and three,
// and no call makes more than three.
func TestAmplification(t *testing.T) {
	t.Parallel()
	for _, targets := range []int{1, 2} {
		for _, rate := range []float64{1, 0.3, 0.05} {
			t.Run(fmt.Sprintf("%d targets, %.0f%%", targets, 100*rate), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { amplify(t, targets, rate) })
			})
		}
	}
}

func amplify(t *testing.T, targets int, rate float64) {
	const perSecond, seconds = 200, 30
	list := standingTargets(targets)
	calls := make(chan []string)
	for i := range perSecond * seconds {
		go func() {
			time.Sleep(time.Duration(i) * time.Second / perSecond) //nolint:forbidigo // a bubble's
			dice := rand.New(rand.NewPCG(uint64(i), 1))            //nolint:gosec // a test's
			asked, _ := call(t.Context(), list, func(catalog.Target) error {
				time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a bubble's
				if dice.Float64() < rate {
					return status(503)
				}
				return nil
			})
			calls <- asked
		}()
	}
	attempts, requests := make(map[string]int), make(map[string]int)
	for range perSecond * seconds {
		asked := <-calls
		if len(asked) > 3 || len(asked) == 0 {
			t.Errorf("%d tries", len(asked))
		}
		for i, name := range asked {
			attempts[name]++
			if !slices.Contains(asked[:i], name) {
				requests[name]++
			}
		}
	}
	for name, n := range attempts {
		if limit := float64(requests[name])*1.2 + 3; float64(n) > limit {
			t.Errorf("%s: %d attempts for %d requests", name, n, requests[name])
		}
		t.Logf("%s: %d attempts for %d requests, %.3f", name, n, requests[name], float64(n)/float64(requests[name]))
	}
}

// TestKeysDontAmplify: where all keys are limited, whoever comes next is spared them all but one: what was tried with
// other keys stays within the bound.
func TestKeysDontAmplify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, seconds = 200, 35
		list := standingTargets(1, "a", "b", "c")
		limited := status(429)
		calls := make(chan int)
		for i := range perSecond * seconds {
			go func() {
				time.Sleep(time.Duration(i) * time.Second / perSecond) //nolint:forbidigo // a bubble's
				var used []string
				try := keyed(map[string]error{"a": limited, "b": limited, "c": limited}, &used)
				_ = attempt.Run(t.Context(), list, func(ctx context.Context, target catalog.Target, n attempt.Number) (bool, error) {
					time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a bubble's
					return try(ctx, target, n)
				})
				calls <- len(used)
			}()
		}
		attempts := 0
		for range perSecond * seconds {
			n := <-calls
			if attempts += n; n > 3 {
				t.Errorf("%d tries", n)
			}
		}
		if attempts > perSecond*seconds*12/10+3 {
			t.Errorf("%d attempts for %d requests", attempts, perSecond*seconds)
		}
		t.Logf("%d attempts for %d requests", attempts, perSecond*seconds)
	})
}

// TestErrorsNameTheAttempt: a failure tells where it happened; a timer in plain words, too.
func TestErrorsNameTheAttempt(t *testing.T) {
	t.Parallel()
	list := standingTargets(2)
	list[1].Model = strings.Repeat("m", 500)
	shared := upstream.TimeoutError("first_content", 30*time.Second)
	err := attempt.Run(t.Context(), list, func(_ context.Context, _ catalog.Target, n attempt.Number) (bool, error) {
		if n.Attempts == 1 {
			return false, shared
		}
		return true, n.Describe(unreachable)
	})
	f := fault.From(err)
	if f.Metadata["attempt"] != "2" || f.Metadata["target"] != ("p2/" + list[1].Model)[:200] || unreachable.Metadata["attempt"] != "" {
		t.Errorf("%v", f.Metadata)
	}
	err = attempt.Run(t.Context(), list[:1], func(context.Context, catalog.Target, attempt.Number) (bool, error) { return true, shared })
	f = fault.From(err)
	const want = "the first_content timer ran out after 30s at p1/m, attempt 1; try again, or raise timeouts.first_content"
	if f.Message != want || f.Metadata["timer"] != "first_content" || f.Metadata["limit"] != "30s" || f.Metadata["target"] != "p1/m" {
		t.Errorf("%q %v", f.Message, f.Metadata)
	}
	hurried := slices.Clone(list[:1])
	hurried[0].Shortened.FirstContent = true
	err = attempt.Run(t.Context(), hurried, func(context.Context, catalog.Target, attempt.Number) (bool, error) { return true, shared })
	if got := fault.From(err).Message; !strings.HasSuffix(got, "attempt 1; try again with a larger x-headgate-first-content-ms") {
		t.Errorf("a timer of the caller's own: %q", got)
	}
	if shared.Metadata["attempt"] != "" {
		t.Error("an error that others hold was changed")
	}
	for _, err := range []error{mistake, unable(), status(400)} {
		got := attempt.Run(t.Context(), list, func(context.Context, catalog.Target, attempt.Number) (bool, error) { return true, err })
		if fault.From(got).Metadata["attempt"] != "" {
			t.Errorf("%v names an attempt", got)
		}
	}
}

// TestPanic: an attempt that never returns leaves the breaker as it was.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := standingTargets(1)
		trip(list...)
		time.Sleep(6 * time.Second) //nolint:forbidigo // a bubble's
		for range 10 {
			func() {
				defer func() { _ = recover() }()
				_, _ = call(t.Context(), list, func(catalog.Target) error { panic("in an adapter") })
			}()
		}
		if !list[0].Ready(time.Now()) || list[0].State(time.Now()).InFlight != 0 {
			t.Error("its probes are gone")
		}
	})
}

func BenchmarkRun(b *testing.B) {
	for name, list := range map[string][]catalog.Target{
		"nothing known": plain(3), "all": standingTargets(3, "a", "b"), "weighted": with(catalog.Weighted), "least loaded": with(catalog.LeastLoaded),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			try := func(_ context.Context, _ catalog.Target, n attempt.Number) (bool, error) {
				n.Content()
				return true, nil
			}
			for b.Loop() {
				_ = attempt.Run(b.Context(), list, try)
			}
		})
	}
}

func plain(n int) []catalog.Target {
	list := standingTargets(n)
	for i := range list {
		list[i].Standing = nil
	}
	return list
}

func with(s catalog.Strategy) []catalog.Target {
	list := standingTargets(3, "a", "b")
	for i := range list {
		list[i].Strategy, list[i].Weight = s, i+1
	}
	return list
}
