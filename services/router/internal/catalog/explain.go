package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/breaker"
)

// Candidate is a target of a model, and whether a call made now would be sent there.
type Candidate struct {
	Target Target
	State  State
	// Chosen says that it would be asked: first, or where those before it fail.
	Chosen bool
	// Reason is why, or why not, in a few plain words.
	Reason string
}

// Candidates returns the targets of a name in the order in which a call made now would try them, those that are spared
// last, and the model's strategy. Where that leaves something to chance, the next call may have another order. The error
// is that of Resolve.
func (c *Catalog) Candidates(model string) (list []Candidate, strategy string, err error) {
	targets, err := c.Resolve(model)
	if err != nil {
		return nil, "", err
	}
	return Explain(targets, time.Now()), targets[0].Strategy.String(), nil
}

// Explain returns the candidates among targets, at least one, of one model: those of Candidates, after others were taken
// out.
func Explain(targets []Target, now time.Time) []Candidate {
	targets = Order(targets, now, rand.Float64)
	list := make([]Candidate, 0, len(targets))
	for i := range targets {
		t := targets[i]
		list = append(list, Candidate{Target: t, State: t.State(now), Chosen: t.Ready(now)})
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return before(a.Chosen, b.Chosen) })
	e := explainer{now: now, list: list, scores: scores(list, now)}
	for i := range list {
		list[i].Reason = e.reason(i)
	}
	if !list[0].Chosen {
		return lastResort(list, now)
	}
	return list
}

func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// lastResort chooses the one of spared candidates that is back the soonest: nothing removes the last one.
func lastResort(list []Candidate, now time.Time) []Candidate {
	slices.SortStableFunc(list, func(a, b Candidate) int { return a.Target.Spared(now).Compare(b.Target.Spared(now)) })
	list[0].Chosen = true
	list[0].Reason += ", but no other is left"
	return list
}

type explainer struct {
	now  time.Time
	list []Candidate
	// scores are the candidates' loads.
	scores []ranked
}

func scores(list []Candidate, now time.Time) []ranked {
	loads, targets := make([]ranked, len(list)), make([]Target, len(list))
	for i := range list {
		loads[i].index, targets[i] = i, list[i].Target
	}
	score(loads, targets, now)
	return loads
}

func (e explainer) reason(i int) string {
	c := e.list[i]
	switch {
	case !c.Chosen:
		return e.spared(c)
	case c.State.Breaker != breaker.Closed:
		return "breaker half-open: a probe"
	case c.Target.Strategy == Weighted:
		return e.weight(i)
	case c.Target.Strategy == LeastLoaded:
		return e.load(i)
	case i == 0:
		return "first in order"
	}
	return "next in order"
}

func (e explainer) spared(c Candidate) string {
	ok, until := c.Target.Provider.Keys().Ready(c.Target.Model, e.now)
	switch {
	case c.State.Checked && !c.State.Healthy:
		return "unhealthy"
	case !ok:
		return "all keys cooling for " + e.wait(until)
	case c.State.Breaker == breaker.Open:
		return "breaker open for " + e.wait(c.State.Until)
	}
	return "breaker half-open, its probes are under way"
}

// wait is how long until a time, in seconds rounded up.
func (e explainer) wait(until time.Time) string {
	d := until.Sub(e.now)
	return (d + time.Second - 1).Truncate(time.Second).String()
}

func (e explainer) weight(i int) string {
	all := 0
	for _, c := range e.list {
		if c.Chosen {
			all += max(0, c.Target.Weight)
		}
	}
	weight := e.list[i].Target.Weight
	switch {
	case weight <= 0:
		return "weight 0: a fallback"
	case i == 0:
		return fmt.Sprintf("weight %d of %d", weight, all)
	}
	return fmt.Sprintf("weight %d of %d, drawn later", weight, all)
}

func (e explainer) load(i int) string {
	if i > 0 || len(e.list) == 1 || !e.list[1].Chosen {
		return fmt.Sprintf("load score %.2g", e.scores[i].key)
	}
	return fmt.Sprintf("least loaded: score %.2g against %.2g", e.scores[i].key, e.scores[1].key)
}
