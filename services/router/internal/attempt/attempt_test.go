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
	mistake     = because(errorsv1.Reason_REASON_UNSUPPORTED)
)

func TestInOrder(t *testing.T) {
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
			err := attempt.InOrder(t.Context(), list, func(_ context.Context, target catalog.Target, number int) (bool, error) {
				numbers = append(numbers, number)
				if target.Provider != list[number-1].Provider {
					t.Errorf("attempt %d is at %s", number, target.Provider.Name())
				}
				return c.outcomes[number-1].settled, c.outcomes[number-1].err
			})
			if !errors.Is(err, c.want) || len(numbers) != c.tried {
				t.Errorf("%v after attempts %v, want %v after %d", err, numbers, c.want, c.tried)
			}
			if !slices.IsSorted(numbers) || numbers[0] != 1 {
				t.Errorf("attempts are numbered %v", numbers)
			}
		})
	}
}

// TestInOrderEndsWithTheCaller: nobody waits for a second target's answer.
func TestInOrderEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := attempt.InOrder(ctx, targets(t, 3), func(context.Context, catalog.Target, int) (bool, error) {
		tries++
		cancel()
		return false, unreachable
	})
	if tries != 1 || !errors.Is(err, unreachable) {
		t.Errorf("%d attempts, %v", tries, err)
	}
}

func TestInOrderCounts(t *testing.T) {
	t.Parallel()
	list := targets(t, 2)
	err := attempt.InOrder(t.Context(), list, func(_ context.Context, target catalog.Target, number int) (bool, error) {
		if inFlight, _, _ := target.Provider.Stats().Read(); inFlight != 1 {
			t.Errorf("%d under way at %s", inFlight, target.Provider.Name())
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
			t.Errorf("%s: %v, want %v", list[i].Provider.Name(), got, want)
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
				if adapter.AtFault(f) {
					t.Error("the provider is blamed for the call's own deadline")
				}
			})
		})
	}
}
