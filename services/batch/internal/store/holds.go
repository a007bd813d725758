package store

import (
	"context"
	"time"
)

// Holds keeps what is reserved of money for lines that were prepared and that nobody will finish, until it is given back.
// Refuse, Cancel, Expire and Park add those of the parked lines that they end, or let be asked live, in the same change.
type Holds interface {
	// AddHolds adds those of lines that were prepared and never parked.
	AddHolds(ctx context.Context, list []Hold) error
	// Holds returns up to limit holds behind a number, in the order in which they were made.
	Holds(ctx context.Context, after int64, limit int) ([]Hold, error)
	// DropHolds forgets holds by their numbers; those that aren't there are left out.
	DropHolds(ctx context.Context, numbers []int64) error
	// ExpireHolds forgets holds of lines that were prepared before a time, and returns how many.
	ExpireHolds(ctx context.Context, before time.Time) (int64, error)
}

// Hold is what is reserved for a line. It stays when its batch is forgotten.
type Hold struct {
	// Number is the store's; it rises.
	Number int64
	// Batch and Job are ids; Job is one of its own where the line never was in one.
	Batch, Job    string
	KeyID, Tenant string
	Line          int64
	// Context is what the router said of the line.
	Context []byte
	// Since is when the line was prepared, or somewhat earlier.
	Since time.Time
}
