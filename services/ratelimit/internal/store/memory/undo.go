package memory

import (
	"slices"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// undo names an attempt that was undone.
type undo struct{ call, attempt string }

// join notes an attempt that reserved the call, perhaps as others did.
func (c *call) join(attempt string) {
	if !slices.Contains(c.attempts, attempt) {
		c.attempts = append(c.attempts, attempt)
	}
}

// undo notes that an attempt was undone, should it come yet, and reports whether it was the last that reserved the call; c
// is nil where that isn't known.
func (t *tenant) undo(c *call, x store.Settlement, now time.Time) bool {
	if c != nil && !now.Before(c.ends) {
		return false // it ended as spent
	}
	t.undone[undo{call: x.ID, attempt: x.Attempt}] = now.Add(store.Keep).UnixNano()
	if c == nil {
		return false
	}
	c.attempts = slices.DeleteFunc(c.attempts, func(a string) bool { return a == x.Attempt })
	return len(c.attempts) == 0
}
