package queue

import (
	"context"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// settleTime is how long after a crash a row of what was answered before it may take into the ledger: the router keeps
// it in a log of its own and ships it as soon as both are there.
const settleTime = 5 * time.Second

// clearAll looks up the lines that were under way when the process before this one died.
func (l *loop) clearAll(ctx context.Context) {
	for r, begun := range l.begun {
		if len(begun) == 0 {
			continue
		}
		r.unclear = len(begun)
		l.live++
		b := r.batch
		go func() { l.events <- event{run: r, unclear: true, ends: l.clear(ctx, &b, begun)} }()
	}
	l.begun = nil
}

// clear finds out what became of begun lines. An answer that was given is gone with the process that waited for it, and
// the line isn't asked twice; one that nobody answered is asked again. Without a ledger nobody can tell, and no line is.
func (l *loop) clear(ctx context.Context, b *store.Batch, lines []store.Line) []end {
	ends := make([]end, len(lines))
	for i, line := range lines {
		ends[i] = end{line: line, again: l.Ledger != nil, answer: interrupted(b, line.Number)}
	}
	for pass := range 2 {
		for i := range ends {
			if e := &ends[i]; e.again {
				e.again, e.unknown = l.unanswered(ctx, b, e.line)
			}
		}
		if pass == 0 && !rest(ctx, settleTime) {
			break
		}
	}
	for i := range ends {
		ends[i].unknown = ends[i].unknown || (ends[i].again && ctx.Err() != nil)
	}
	l.Logger.Info("lines were under way when the process before ended", "batch", b.ID, "lines", len(lines))
	return ends
}

// unanswered asks the ledger until it answers, or until ctx ends.
func (l *loop) unanswered(ctx context.Context, b *store.Batch, line store.Line) (again, unknown bool) {
	for ctx.Err() == nil {
		answered, err := l.Ledger.Answered(ctx, b, line.Number, line.Begun)
		if err == nil {
			return !answered, false
		}
		l.Logger.Warn("the ledger can't say what became of a line; asking again", "batch", b.ID, "line", line.Number, "error", err)
		rest(ctx, settleTime)
	}
	return false, true
}

func interrupted(b *store.Batch, line int64) Answer {
	return Answer{Outcome: batchv1.LineOutcome_LINE_OUTCOME_ERRORED, Body: result.OwnError(b.Dialect, result.Interrupted,
		"Headgate stopped while this line was under way; it may have been answered and charged, and wasn't asked again",
		result.RequestID(b.ID, line))}
}

// rest waits, and returns false where ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
