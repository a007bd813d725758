package plan

import (
	"slices"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// timed gives the targets the timers of a rule, and those of the caller where they are shorter. Mostly neither says
// anything, and the targets stay what they are.
func timed(targets []catalog.Target, rule policy.Timeouts, w steer.Wishes) []catalog.Target {
	if rule == (policy.Timeouts{}) && w.FirstContent == 0 && w.Gap == 0 {
		return targets
	}
	targets = slices.Clone(targets)
	for i := range targets {
		t := &targets[i]
		override(&t.Silences.FirstContent, rule.FirstContent)
		override(&t.Silences.Gap, rule.Gap)
		override(&t.Total, rule.Total)
		t.Shortened = catalog.Shortened{
			FirstContent: shorten(&t.Silences.FirstContent, w.FirstContent), Gap: shorten(&t.Silences.Gap, w.Gap),
		}
	}
	return targets
}

func override(timer *time.Duration, d time.Duration) {
	if d > 0 {
		*timer = d
	}
}

func shorten(timer *time.Duration, d time.Duration) bool {
	shorter := d > 0 && (*timer == 0 || d < *timer)
	if shorter {
		*timer = d
	}
	return shorter
}
