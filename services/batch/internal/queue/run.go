package queue

import (
	"math/rand/v2"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// run is what is known of a batch while it is carried out. It belongs to the loop.
type run struct {
	batch store.Batch
	// flying lines are under way; unclear ones were, when the process before this one died.
	flying, unclear int
	// granted is how many more are about to be claimed.
	granted int
	// busy says that its file is being read, or its results written; not before resume again, where that failed.
	busy   bool
	resume time.Time
	// drained says that no line waits; none is due before idle.
	drained bool
	idle    time.Time
	// paused is until when nothing is asked, since pausedAt; the streak is how often in a row.
	paused, pausedAt time.Time
	streak           int
	// spare is the room that refusals leave.
	spare spare
	// failures in a row are those of lines; successes are all.
	failures, successes int
	// stumbled are lines that failed and aren't done.
	stumbled map[int64]stumble
	// forming are jobs that lines are parked in, by what those have in common; full ones take no more, and are about to be
	// sealed.
	forming map[string]*store.Job
	full    []*store.Job
	// poor says that lines wait for money which jobs hold: those that are forming are sealed as they are.
	poor bool
	// jobs are carried; closing one's channel, once, tells it to end. Halted says that all were told.
	jobs   map[int64]chan struct{}
	halted bool
}

// stumble is a line's last failure: how many it were by then, and what successes was.
type stumble struct{ failures, successes int }

const (
	// firstPause and longestPause bound the pauses after failures.
	firstPause   = time.Second
	longestPause = time.Minute
	// longestAfter bounds what others may ask for.
	longestAfter = time.Hour
	// maxTries is how often a line fails while others of its batch go well, and mostTries how often at all: about fifty
	// minutes.
	maxTries, mostTries = 10, 100
)

// started reports whether the lines were found good.
func (r *run) started() bool { return !r.batch.InProgress.IsZero() }

// over reports whether the batch's time has run out.
func (r *run) over(now time.Time) bool { return !now.Before(r.batch.Expires) }

// ready reports whether another line may be asked.
func (r *run) ready(now time.Time) bool {
	return r.batch.State == batchv1.BatchState_BATCH_STATE_IN_PROGRESS && !r.busy && !r.drained && !r.over(now) &&
		r.flying+r.granted < r.room() && !now.Before(r.paused) && !now.Before(r.idle)
}

// room is how many lines may be under way at once. After a pause one goes ahead and sees.
func (r *run) room() int {
	if r.streak > 0 {
		return 1
	}
	return r.spare.within(r.batch.Concurrency)
}

// settled reports whether all lines have ended.
func (r *run) settled() bool {
	return r.started() && !r.busy && r.flying+r.unclear+len(r.forming)+len(r.full)+len(r.jobs) == 0 &&
		(r.drained || r.batch.State != batchv1.BatchState_BATCH_STATE_IN_PROGRESS)
}

// next is when there may be something to do for the run without anything happening.
func (r *run) next(now time.Time) time.Time {
	at := now.Add(longestWait)
	times := []time.Time{r.batch.Expires, r.paused, r.idle, r.resume, r.spare.next}
	for _, j := range r.forming {
		times = append(times, j.Formed.Add(formFor))
	}
	for _, t := range times {
		if t.After(now) && t.Before(at) {
			at = t
		}
	}
	return at
}

// judge takes notice of an answer and returns when the line may be asked again, or done.
func (r *run) judge(now time.Time, l *store.Line, a *Answer) (due time.Time, done bool) {
	switch a.Verdict {
	case Busy:
		r.pause(now, l.Begun, a.After)
		return r.paused, false
	case Full:
		return r.crowd(now, l, a), false
	case Broken:
		return r.stumble(now, l, a)
	}
	r.succeed(l, a.Outcome == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
	return time.Time{}, true
}

// succeed takes notice of a line that is done, well or not.
func (r *run) succeed(l *store.Line, well bool) {
	r.streak, r.failures = 0, 0
	if well {
		r.successes++
	}
	delete(r.stumbled, l.Number)
}

// pause asks nothing for a while. Lines that were begun before the pause say nothing new.
func (r *run) pause(now, begun time.Time, after time.Duration) {
	if begun.Before(r.pausedAt) {
		return
	}
	r.streak++
	r.pausedAt = now
	r.paused = now.Add(max(jitter(r.streak, longestPause), min(after, longestAfter)))
}

// stumble counts a failure. It is the line's own where others went well since it failed last, and then it isn't asked
// often; where all fail, it hardly is, and the batch waits.
func (r *run) stumble(now time.Time, l *store.Line, a *Answer) (due time.Time, done bool) {
	last, again := r.stumbled[l.Number]
	if !again || r.successes > last.successes {
		l.Tries++
	}
	last.failures++
	if l.Tries >= maxTries || last.failures >= mostTries {
		delete(r.stumbled, l.Number)
		return time.Time{}, true
	}
	if r.stumbled == nil {
		r.stumbled = make(map[int64]stumble)
	}
	r.stumbled[l.Number] = stumble{failures: last.failures, successes: r.successes}
	if r.failures++; r.failures >= r.batch.Concurrency {
		r.pause(now, l.Begun, a.After)
	}
	return now.Add(max(jitter(last.failures, longestPause), min(a.After, longestAfter))), false
}

// jitter is a pause after n failures in a row: any, up to a bound that doubles, and isn't longer than the longest. It is
// never quite nothing.
func jitter(n int, longest time.Duration) time.Duration {
	bound := longest
	if n < 7 {
		bound = min(longest, firstPause<<(n-1))
	}
	return time.Millisecond + rand.N(bound) //nolint:gosec // a pause is no secret
}
