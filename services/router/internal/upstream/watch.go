package upstream

import (
	"context"
	"sync/atomic"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	// TimerConnect names the timer over dialling.
	TimerConnect = "connect"
	// TimerFirstContent names the timer until a stream's first content.
	TimerFirstContent = "first_content"
	// TimerGap names the timer between a stream's events.
	TimerGap      = "gap"
	timerDeadline = "deadline"
	// TimerTotal names the timer over a whole call.
	TimerTotal = "total"
)

// TimeoutError names the timer that ran out and its setting.
func TimeoutError(timer string, limit time.Duration) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_TIMEOUT,
		"the %s timer ran out after %s; try again, or raise timeouts.%s", timer, limit, timer).
		With("timer", timer).With("limit", limit.String())
}

// ProvidersTimer reports whether a timer that ran out tells something about the provider: the total and the caller's own
// deadline don't.
func ProvidersTimer(timer string) bool {
	return timer == TimerConnect || timer == TimerFirstContent || timer == TimerGap
}

// Watch ends an attempt whose stream is silent for too long: until the first content, and between events after it.
// Its methods belong to the goroutine that reads the stream.
type Watch struct {
	first, gap time.Duration
	timer      *time.Timer
	cancel     context.CancelCauseFunc
	start      time.Time
	// since is when the reader began to wait for the next event, as a time after start; or one of the states below. The
	// timer looks at it when it runs out: moving the timer at each event would cost more.
	since atomic.Int64
}

const (
	// opening is the wait for the first content.
	opening = -iota - 1
	// resting is between an event and the next wait.
	resting
	// over is after Stop.
	over
)

// NewWatch starts the wait for the first content. The context it returns ends with a TIMEOUT cause when a timer runs
// out. The caller calls Stop when the attempt is over.
func NewWatch(ctx context.Context, first, gap time.Duration) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &Watch{first: first, gap: gap, cancel: cancel, start: time.Now()}
	w.since.Store(opening)
	w.timer = time.AfterFunc(first, w.look)
	return ctx, w
}

// Wait notes that the reader waits for the next event from now on. Between Progress and Wait the gap timer rests: then
// the client is slow, not the provider.
func (w *Watch) Wait() {
	if w.since.Load() == resting {
		w.since.Store(int64(time.Since(w.start)))
	}
}

// Progress notes that an event came; content says whether it showed the client something. Until the first content,
// events don't move the timer: a provider may ping for ever.
func (w *Watch) Progress(content bool) {
	switch since := w.since.Load(); {
	case since >= 0:
		w.since.Store(resting)
	case since == opening && content:
		w.since.Store(resting)
		w.timer.Reset(w.gap) // the gap may be the shorter one
	}
}

// Stop ends the attempt: the connection is given up if the answer hasn't been read to its end.
func (w *Watch) Stop() {
	w.since.Store(over)
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// look runs when the timer has run out. That is never later than a gap after the last wait began, and mostly earlier.
func (w *Watch) look() {
	since := w.since.Load()
	switch since {
	case opening:
		w.cancel(TimeoutError(TimerFirstContent, w.first))
	case over:
	case resting:
		w.timer.Reset(w.gap)
	default:
		if left := time.Duration(since) + w.gap - time.Since(w.start); left > 0 {
			w.timer.Reset(left)
			return
		}
		w.cancel(TimeoutError(TimerGap, w.gap))
	}
}

// LateTimeout is a TimeoutError that isn't made before somebody asks for it, with errors.As: every call has such a cause
// at hand, and hardly any needs it.
func LateTimeout(timer string, limit time.Duration) error { return lateTimeout{timer, limit} }

type lateTimeout struct {
	timer string
	limit time.Duration
}

// Error implements error.
func (l lateTimeout) Error() string { return TimeoutError(l.timer, l.limit).Error() }

// As makes the error.
func (l lateTimeout) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = TimeoutError(l.timer, l.limit)
	}
	return ok
}
