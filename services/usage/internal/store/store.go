// Package store is the contract of the ledger's storage. Package storetest is the suite that every backend passes.
package store

import (
	"context"
	"time"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
)

// Store keeps events. Safe for concurrent use.
type Store interface {
	// Insert adds events, all or none, and returns how many were new. Once it has returned, they survive the death of the
	// process and a power failure. An event is known by its id together with its start: one that is there already is left
	// as it is, within one call too. A router writes an event down once and sends those bytes until it is answered, so
	// the same id always comes with the same start.
	Insert(ctx context.Context, events []*usagev1.Event) (inserted int, err error)
	// Sums adds up what matches, in the order of time, then of cost, the largest first, then of the groups' values. At
	// most q.Limit sums are returned; truncated tells whether there are more. Sums are exact.
	Sums(ctx context.Context, q Query) (sums []*usagev1.Sum, truncated bool, err error)
	// Spent returns what accounts have spent since a time, in 10^-12 US dollars and in their order: what events cost that
	// began then or later. Those count that were deleted too, where the time is a midnight of UTC, or zero for ever. An
	// answer from the cache costs nothing, and neither do an event without a price and one whose cost is below zero.
	// Sums are exact; what doesn't fit is math.MaxInt64.
	Spent(ctx context.Context, since time.Time, accounts []Account) ([]int64, error)
	// Page returns the first limit events behind a cursor that match, oldest first, those of one instant in the order of
	// their ids, and the cursor behind them. Fewer than limit mean that there are no more. What is inserted between
	// two pages never makes a row come twice or an older row be left out.
	Page(ctx context.Context, f Filter, after Cursor, limit int) (events []*usagev1.Event, next Cursor, err error)
	// Prune deletes up to limit events that began before a time, oldest first, and returns how many.
	Prune(ctx context.Context, before time.Time, limit int) (deleted int, err error)
	// Close ends the store's use of its resources, after the last call has returned.
	Close() error
}

// Account is a key or, where KeyID is empty, a whole tenant.
type Account struct{ Tenant, KeyID string }

// Filter says which events match: those that match every field that is set.
type Filter struct {
	// Start is the first instant, End the first one that is too late; zero leaves an end open.
	Start, End time.Time
	// Tenant, KeyID, Model, Provider and RequestID match as they stand; empty matches all.
	Tenant, KeyID, Model, Provider, RequestID string
	// Tag, where it isn't nil, has to be there.
	Tag *Tag
}

// Tag is a tag's name and the value it must have; nil stands for any.
type Tag struct {
	Name  string
	Value *string
}

// Query says what to add up.
type Query struct {
	Filter Filter
	// Groups are what to add up by; none means all together. TagName is the tag of GROUP_TAG.
	Groups  []usagev1.Group
	TagName string
	// Interval is how long a stretch of time is; unspecified means all time in one.
	Interval usagev1.Interval
	// Limit is the largest number of sums, at least 1.
	Limit int
}

// Cursor is a place between two events; the zero value is before all of them.
type Cursor struct {
	// Started is in nanoseconds since 1970.
	Started int64
	ID      string
}

// Started returns when an event began, in nanoseconds since 1970. An event without a time that fits is filed under 1970,
// always the same, so that it is known again.
func Started(e *usagev1.Event) int64 {
	t := e.GetStartedAt()
	if t == nil || !t.IsValid() || t.GetSeconds() < 0 || t.GetSeconds() > latest {
		return 0
	}
	return t.AsTime().UnixNano()
}

// latest is the year 2262, where nanoseconds end.
const latest = (1<<63-1)/1_000_000_000 - 1
