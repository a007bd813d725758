package upstream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

const (
	first = 10 * time.Second
	gap   = 3 * time.Second
	tick  = time.Millisecond
)

// expiry is the timer that a context's cause names, "" while the context lives.
func expiry(ctx context.Context, t *testing.T) string {
	t.Helper()
	synctest.Wait()
	if ctx.Err() == nil {
		return ""
	}
	var f *fault.Error
	if !errors.As(context.Cause(ctx), &f) || f.Reason != errorsv1.Reason_REASON_TIMEOUT {
		t.Fatalf("cause %v, want TIMEOUT", context.Cause(ctx))
	}
	return f.Metadata["timer"]
}

// step is a wait, and then perhaps an event.
type step struct {
	wait    time.Duration
	event   bool
	content bool
}

func TestWatch(t *testing.T) {
	t.Parallel()
	silence := func(d time.Duration) step { return step{wait: d} }
	ping := func(d time.Duration) step { return step{wait: d, event: true} }
	content := func(d time.Duration) step { return step{wait: d, event: true, content: true} }
	cases := []struct {
		name  string
		steps []step
		want  string
	}{
		{"silence up to the first content's limit", []step{silence(first - tick)}, ""},
		{"silence past it", []step{silence(first)}, "first_content"},
		{"pings don't move it", []step{ping(first / 3), ping(first / 3), silence(first / 2)}, "first_content"},
		{"pings up to it are fine", []step{ping(first / 2), ping(first/2 - tick)}, ""},
		{"content in time, then silence within the gap", []step{content(first - tick), silence(gap - tick)}, ""},
		{"content in time, then silence past the gap", []step{content(first - tick), silence(gap)}, "gap"},
		{"the gap is shorter than what was left of first content", []step{content(0), silence(gap)}, "gap"},
		{"events after content move the gap", []step{content(0), content(gap - tick), ping(gap - tick), ping(gap - tick)}, ""},
		{"a ping moves the gap once", []step{content(0), ping(gap - tick), silence(gap)}, "gap"},
		{"content many times past first content's limit", []step{
			content(gap - tick), content(gap - tick), content(gap - tick), content(gap - tick), content(gap - tick),
		}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, watch := upstream.NewWatch(t.Context(), first, gap)
				defer watch.Stop()
				for _, s := range c.steps {
					<-time.After(s.wait)
					if s.event {
						watch.Progress(s.content)
						watch.Wait()
					}
				}
				if got := expiry(ctx, t); got != c.want {
					t.Errorf("timer %q ran out, want %q", got, c.want)
				}
			})
		})
	}
}

// TestWatchRests: while the reader is busy with a slow client the provider isn't blamed.
func TestWatchRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, watch := upstream.NewWatch(t.Context(), first, gap)
		defer watch.Stop()
		watch.Progress(true)
		<-time.After(10 * gap)
		if got := expiry(ctx, t); got != "" {
			t.Fatalf("timer %q ran out behind a slow client", got)
		}
		watch.Wait()
		<-time.After(gap)
		if got := expiry(ctx, t); got != "gap" {
			t.Errorf("timer %q ran out, want gap", got)
		}
	})
}

func TestWatchStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, watch := upstream.NewWatch(t.Context(), first, gap)
		watch.Stop()
		<-time.After(2 * first)
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			t.Errorf("cause %v, want the attempt's end", cause)
		}
	})
}

func TestTimeoutError(t *testing.T) {
	t.Parallel()
	err := upstream.TimeoutError("gap", time.Minute)
	var late *fault.Error
	if !errors.As(upstream.LateTimeout("gap", time.Minute), &late) || late.Error() != err.Error() || late.Reason != err.Reason {
		t.Errorf("later it is %v", late)
	}
	if err.Reason != errorsv1.Reason_REASON_TIMEOUT || err.Metadata["timer"] != "gap" || err.Metadata["limit"] != "1m0s" {
		t.Errorf("%v %v", err, err.Metadata)
	}
}
