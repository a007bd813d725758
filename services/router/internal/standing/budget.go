package standing

import "sync"

// The retry budget of promise S2, in tenths: it holds at most 3 and starts there, a request adds 0.2, a repeat takes 1.
// Whatever the rate of failures, repeats stay below a fifth of the requests.
const (
	budgetFull   = 30
	budgetEarned = 2
	budgetSpent  = 10
	// budgetOwed is the most that a budget owes.
	budgetOwed = -300
)

// Budget bounds the repeats at one target. Safe for concurrent use. A nil budget allows none.
type Budget struct {
	mu     sync.Mutex
	tenths int
}

// NewBudget returns a full budget.
func NewBudget() *Budget { return &Budget{tenths: budgetFull} }

// Earn notes a request.
func (b *Budget) Earn() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tenths = min(budgetFull, b.tenths+budgetEarned)
}

// Left reports whether a repeat is possible now.
func (b *Budget) Left() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tenths >= budgetSpent
}

// Charge takes a repeat that is made in any case: where none is left, those to come pay for it.
func (b *Budget) Charge() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tenths = max(budgetOwed, b.tenths-budgetSpent)
}

// Spend takes a repeat, and reports whether there was one left.
func (b *Budget) Spend() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tenths < budgetSpent {
		return false
	}
	b.tenths -= budgetSpent
	return true
}
