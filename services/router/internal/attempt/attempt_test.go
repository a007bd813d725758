package attempt_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

func targets(t *testing.T, n int) []catalog.Target {
	t.Helper()
	var list []catalog.Target
	for i := range n {
		a, err := openai.New(adapter.Config{Name: fmt.Sprintf("p%d", i+1), Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, catalog.Target{Provider: a, Total: time.Minute})
	}
	return list
}

func because(r errorsv1.Reason) *fault.Error { return fault.New(r, "because") }

var (
	unreachable = because(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE)
	truncated   = because(errorsv1.Reason_REASON_STREAM_TRUNCATED)
	mistake     = because(errorsv1.Reason_REASON_INVALID_FIELD)
)

// same compares reasons: what Run returns also names the target and the attempt.
func same(got, want error) bool {
	if got == nil || want == nil {
		return got == want //nolint:errorlint // both nil
	}
	return fault.From(got).Reason == fault.From(want).Reason
}

func TestRun(t *testing.T) {
	t.Parallel()
	type outcome struct {
		settled bool
		err     error
	}
	cases := []struct {
		name     string
		outcomes []outcome
		tried    int
		want     error
	}{
		{"the first answers", []outcome{{true, nil}, {true, nil}}, 1, nil},
		{"the second answers", []outcome{{false, unreachable}, {true, nil}, {true, nil}}, 2, nil},
		{"none answers: the last error", []outcome{{false, unreachable}, {false, truncated}}, 2, truncated},
		{"broken after it began: nobody else is tried", []outcome{{true, truncated}, {true, nil}}, 1, truncated},
		{"the caller's mistake: nobody else is tried", []outcome{{false, mistake}, {true, nil}}, 1, mistake},
		{"one target only", []outcome{{false, unreachable}}, 1, unreachable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := targets(t, len(c.outcomes))
			var numbers []int
			err := attempt.Run(t.Context(), list, func(_ context.Context, target catalog.Target, n attempt.Number) (bool, error) {
				number := n.Attempts
				numbers = append(numbers, number)
				if target.Provider != list[number-1].Provider {
					t.Errorf("attempt %d is at %s", number, target.Provider.Name)
				}
				return c.outcomes[number-1].settled, c.outcomes[number-1].err
			})
			if !same(err, c.want) || len(numbers) != c.tried {
				t.Errorf("%v after attempts %v, want %v after %d", err, numbers, c.want, c.tried)
			}
			if !slices.IsSorted(numbers) || numbers[0] != 1 {
				t.Errorf("attempts are numbered %v", numbers)
			}
		})
	}
}

// TestRunEndsWithTheCaller: nobody waits for a second target's answer.
func TestRunEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := attempt.Run(ctx, targets(t, 3), func(context.Context, catalog.Target, attempt.Number) (bool, error) {
		tries++
		cancel()
		return false, unreachable
	})
	if tries != 1 || !same(err, unreachable) {
		t.Errorf("%d attempts, %v", tries, err)
	}
}

func TestRunCounts(t *testing.T) {
	t.Parallel()
	list := targets(t, 2)
	err := attempt.Run(t.Context(), list, func(_ context.Context, target catalog.Target, n attempt.Number) (bool, error) {
		number := n.Attempts
		if inFlight, _, _ := target.Provider.Stats().Read(); inFlight != 1 {
			t.Errorf("%d under way at %s", inFlight, target.Provider.Name)
		}
		if number == 1 {
			return false, unreachable
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][3]int64{{0, 1, 1}, {0, 1, 0}} {
		inFlight, attempts, failures := list[i].Provider.Stats().Read()
		if got := [3]int64{inFlight, attempts, failures}; got != want {
			t.Errorf("%s: %v, want %v", list[i].Provider.Name, got, want)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		wish  time.Duration
		after time.Duration
		limit string
	}{
		{"no wish", 0, time.Minute, "1m0s"},
		{"shorter wish", 10 * time.Second, 10 * time.Second, "10s"},
		{"longer wish", time.Hour, time.Minute, "1m0s"},
		{"the same", time.Minute, time.Minute, "1m0s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := targets(t, 1)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := attempt.Deadline(t.Context(), list, c.wish)
				defer cancel()
				start := time.Now()
				<-ctx.Done()
				if took := time.Since(start); took != c.after {
					t.Errorf("ended after %s, want %s", took, c.after)
				}
				var f *fault.Error
				if !errors.As(context.Cause(ctx), &f) || f.Reason != errorsv1.Reason_REASON_TIMEOUT {
					t.Fatalf("cause %v", context.Cause(ctx))
				}
				if f.Metadata["timer"] != "total" || f.Metadata["limit"] != c.limit {
					t.Errorf("metadata %v", f.Metadata)
				}
				if provider.AtFault(f) {
					t.Error("the provider is blamed for the call's own deadline")
				}
			})
		})
	}
}

func busy(wait time.Duration) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "busy").With("http_status", "503").After(wait)
}

func quota() error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no money").With("http_status", "429").With("provider_code", "insufficient_quota")
}

func unable() error { return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "can't say it") }

// TestRunRepeats: what may pass by itself is tried again after a pause, at most three times in all.
func TestRunRepeats(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		targets  int
		outcomes []error
		// order are the targets tried, slept the pause at least and at most.
		order       []int
		least, most time.Duration
		want        string
	}{
		{"until it answers", 1, []error{busy(0), nil}, []int{0, 0}, 0, 500 * time.Millisecond, ""},
		{"three times", 1, []error{busy(0), busy(0), busy(0)}, []int{0, 0, 0}, 0, 1500 * time.Millisecond, "busy"},
		{"as late as the provider asks", 1, []error{busy(7 * time.Second), nil}, []int{0, 0}, 7 * time.Second, 7 * time.Second, ""},
		{"not past the deadline", 1, []error{busy(2 * time.Minute), nil}, []int{0}, 0, 0, "busy"},
		{"the next one first, without a pause", 2, []error{busy(time.Hour), nil}, []int{0, 1}, 0, 0, ""},
		{"then the first again", 2, []error{busy(0), busy(0), nil}, []int{0, 1, 0}, 0, 500 * time.Millisecond, ""},
		{"an empty account doesn't clear", 1, []error{quota(), nil}, []int{0}, 0, 0, "no money"},
		{"what the provider calls final", 2, []error{provider.Final(fault.From(busy(0)), true), unreachable, nil}, []int{0, 1, 1}, 0, 500 * time.Millisecond, ""},
		{"but another provider may do", 2, []error{quota(), nil}, []int{0, 1}, 0, 0, ""},
		{"who can't say it hides no failure", 2, []error{quota(), unable()}, []int{0, 1}, 0, 0, "no money"},
		{"nobody can say it", 2, []error{unable(), unable()}, []int{0, 1}, 0, 0, "can't say it"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := targets(t, c.targets)
			for i := range list {
				list[i].Standing = standing.NewTarget(standing.NewBudget())
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var order []int
				start := time.Now()
				err := attempt.Run(ctx, list, func(_ context.Context, target catalog.Target, _ attempt.Number) (bool, error) {
					order = append(order, slices.IndexFunc(list, func(t catalog.Target) bool { return t.Provider == target.Provider }))
					err := c.outcomes[len(order)-1]
					return err == nil, err
				})
				if took := time.Since(start); took < c.least || took > c.most {
					t.Errorf("slept %s, want %s to %s", took, c.least, c.most)
				}
				if !slices.Equal(order, c.order) {
					t.Errorf("tried %v, want %v", order, c.order)
				}
				if (err == nil) != (c.want == "") || (err != nil && fault.From(err).Message != c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			})
		})
	}
}

// TestRunBudget: whatever fails, repeats stay below a fifth of the requests, and three.
func TestRunBudget(t *testing.T) {
	t.Parallel()
	list := targets(t, 1)
	list[0].Standing = standing.NewTarget(standing.NewBudget())
	synctest.Test(t, func(t *testing.T) {
		const requests = 1000
		attempts := 0
		for range requests {
			_ = attempt.Run(t.Context(), list, func(context.Context, catalog.Target, attempt.Number) (bool, error) {
				attempts++
				return false, busy(0)
			})
		}
		if limit := requests*12/10 + 3; attempts > limit {
			t.Errorf("%d attempts for %d requests, at most %d", attempts, requests, limit)
		}
	})
}

// TestRunTellsWhetherMoreMayCome: what shows nothing is held back only while somebody else may do better.
func TestRunTellsWhetherMoreMayCome(t *testing.T) {
	t.Parallel()
	list := targets(t, 2)
	var more []bool
	_ = attempt.Run(t.Context(), list, func(_ context.Context, _ catalog.Target, n attempt.Number) (bool, error) {
		more = append(more, n.More)
		return false, unreachable
	})
	if !slices.Equal(more, []bool{true, false}) {
		t.Errorf("more: %v", more)
	}
}
