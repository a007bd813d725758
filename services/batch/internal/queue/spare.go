package queue

import (
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// spare is how many lines of a batch there is room for beside those who wait, as refusals tell. Each takes its line's place
// away, while the others go on in theirs. Once there was none for a while there is one place more, then two, then four. Its
// zero value is room for all.
type spare struct {
	// size is the room; 0 is for all.
	size int
	// step is how much larger it is from next on, where nothing is refused before.
	step int
	next time.Time
	// streak is how often in a row there was no room at all.
	streak int
}

const (
	// calm is how long nothing is refused before more is tried: where there isn't more, one line is refused each time.
	calm = 250 * time.Millisecond
	// sparePause bounds the pauses while there is no room at all: it comes and goes by the second.
	sparePause = 3 * time.Second
)

// within is the room, of the most that there may be.
func (s *spare) within(most int) int {
	if s.size == 0 {
		return most
	}
	return min(s.size, most)
}

// refuse takes the place of a refused line away, of those that are under way with it. It returns false where it was the last
// one: then one place stays, for a line that goes ahead later.
func (s *spare) refuse(now time.Time, flying, most int) bool {
	s.size, s.step, s.next = min(s.within(most), flying)-1, 1, now.Add(calm)
	left := s.size > 0
	s.size = max(s.size, 1)
	return left
}

// grow makes room for more when it is time.
func (s *spare) grow(now time.Time, most int) {
	for s.size > 0 && !now.Before(s.next) {
		s.size, s.step, s.next, s.streak = s.size+s.step, 2*s.step, s.next.Add(calm), 0
		if s.size >= most {
			*s = spare{}
		}
	}
}

// crowd makes do with less room, or pauses where there is none, and returns when a refused line may be asked again. Lines
// that were begun before a pause say nothing new of it.
func (r *run) crowd(now time.Time, l *store.Line, a *Answer) time.Time {
	after := min(a.After, longestAfter)
	if r.spare.refuse(now, r.flying, r.batch.Concurrency) {
		return now.Add(max(jitter(1, sparePause), after))
	}
	if !l.Begun.Before(r.pausedAt) {
		r.spare.streak++
		r.pausedAt, r.paused = now, now.Add(max(jitter(r.spare.streak, sparePause), after))
	}
	r.spare.next = r.paused.Add(calm)
	return r.paused
}
