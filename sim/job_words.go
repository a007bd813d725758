package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// jobWords are what a script says about a batch. They are saved with it, so that it goes on in the same way.
type jobWords struct {
	// Delay is how long a batch takes besides its lines, Line how long each line.
	Delay, Line pause
	// Cancel is how long it takes to stop, Late how long the results aren't there yet.
	Cancel, Late pause
	// Refuse fails the validation.
	Refuse bool
	// Expire is how many lines are answered before the batch expires; never: by its time alone.
	Expire int
	// Lost is how many creates make the batch and lose the answer.
	Lost int
	// Create, Upload and Poll fail that often before they succeed.
	Create, Upload, Poll trouble
	RetryAfter           string
	// Cut and Reset are how many downloads of results end in the middle.
	Cut, Reset int
	// Missing is how many results are left out, Double how many come twice.
	Missing, Double int
}

// trouble is a status, and how often.
type trouble struct{ Status, Times int }

// What a batch takes when no script says otherwise.
const (
	usualDelay  = 200 * time.Millisecond
	usualLine   = 200 * time.Microsecond
	usualCancel = 50 * time.Millisecond
)

func usualJob() jobWords {
	return jobWords{Delay: usualDelay, Line: usualLine, Cancel: usualCancel, Expire: never}
}

// troubled is a word such as 529x2: a status and how often, once if that is left out.
func troubled(at func(*plan) *trouble) setter {
	return func(p *plan, v string) error {
		status, times, repeated := strings.Cut(v, "x")
		if !repeated {
			times = "1"
		}
		t := at(p)
		s, err := strconv.Atoi(status)
		n, err2 := strconv.Atoi(times)
		if err != nil || err2 != nil || s < 400 || s > 599 || n < 1 {
			return fmt.Errorf("%q is not a status from 400 to 599, or one with a number of times, such as 529x2", v)
		}
		*t = trouble{s, n}
		return nil
	}
}

// overlay takes over what the body of a line says about the batch; what can't be read is told in the line's answer.
func (w *jobWords) overlay(in object) {
	said := strings.Join(carriedBy(in), ",")
	if !strings.Contains(said, "batch_") {
		return
	}
	p := newPlan()
	p.job = *w
	if p, err := parseScript(p, said); err == nil {
		*w = p.job
	}
}
