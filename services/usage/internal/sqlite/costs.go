package sqlite

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// cell is what one key spent on one day.
type cell struct {
	day           int64 // since 1970, or ever
	tenant, keyID string
}

const (
	dayNanos = 24 * 60 * 60 * nanos
	// ever is the day of the cells that hold all days.
	ever = -1
)

// costs are what cells come to, in 10^-12 US dollars. None is below zero.
type costs map[cell]int64

// note adds an event. What came from the cache cost nothing, since no provider was asked.
func (c costs) note(e *usagev1.Event) {
	if n := e.GetCostPicoUsd(); n > 0 && e.GetOutcome() != usagev1.Outcome_OUTCOME_CACHED {
		c.add(cell{day: store.Started(e) / dayNanos, tenant: e.GetTenant(), keyID: e.GetKeyId()}, n)
	}
}

func (c costs) noteAll(events []*usagev1.Event) {
	for _, e := range events {
		c.note(e)
	}
}

func (c costs) add(to cell, n int64) { c[to] = plus(c[to], n) }

// withTotals adds the cells of all days.
func (c costs) withTotals() costs {
	all := make(costs, 2*len(c))
	for at, n := range c {
		all.add(at, n)
		at.day = ever
		all.add(at, n)
	}
	return all
}

// sorted is the cells in the order of the table, where neighbours share pages.
func (c costs) sorted() []cell {
	return slices.SortedFunc(maps.Keys(c), func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.keyID, b.keyID))
	})
}

// whole puts the halves of a sum together.
func whole(high, low int64) int64 {
	if high += low / half; high > math.MaxInt64/half {
		return math.MaxInt64
	}
	return plus(high*half, low%half)
}

// plus adds amounts that aren't below zero. What doesn't fit is the largest number there is, so that the order in which
// amounts are added up doesn't matter.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// encode writes the cells one behind the other. They are many, and read each time someone asks: JSON would take several
// times as long.
func (c costs) encode() []byte {
	b := make([]byte, 0, 48*len(c))
	for at, n := range c {
		b = protowire.AppendVarint(b, uint64(at.day)) //nolint:gosec // a day is never below zero here
		b = protowire.AppendString(b, at.tenant)
		b = protowire.AppendString(b, at.keyID)
		b = protowire.AppendVarint(b, uint64(n)) //nolint:gosec // a cost neither
	}
	return b
}

// errCosts says that what encode wrote was changed.
var errCosts = errors.New("the costs of an insert are damaged")

// decode adds what encode wrote.
func (c costs) decode(b []byte) error {
	return eachCost(b, func(day int64, tenant, keyID []byte, n int64) {
		c.add(cell{day: day, tenant: string(tenant), keyID: string(keyID)}, n)
	})
}

// eachCost goes through what encode wrote.
func eachCost(b []byte, visit func(day int64, tenant, keyID []byte, n int64)) error {
	r := reader{left: b}
	for len(r.left) > 0 {
		day, tenant, keyID, n := r.number(), r.text(), r.text(), r.number()
		if r.damaged {
			return errCosts
		}
		visit(day, tenant, keyID, n)
	}
	return nil
}

// reader takes values off the front, until one isn't there.
type reader struct {
	left    []byte
	damaged bool
}

func (r *reader) number() int64 {
	v, n := protowire.ConsumeVarint(r.left)
	r.skip(n)
	r.damaged = r.damaged || v > math.MaxInt64
	return int64(v) //nolint:gosec // who reads looks at damaged
}

func (r *reader) text() []byte {
	v, n := protowire.ConsumeBytes(r.left)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n < 0 {
		r.left, r.damaged = nil, true
		return
	}
	r.left = r.left[n:]
}
