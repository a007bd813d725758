// Package bucket is the arithmetic of a limit per minute: a bucket that holds one minute's worth, refills continuously
// and knows what was promised elsewhere. It reads no clock and takes no lock.
//
// The promise: whatever is taken from a bucket of n per minute in any window of t minutes is at most n + n*t. It holds
// because level + held + returnable never exceeds the limit: what can still be spent elsewhere (held) leaves no room for
// a refill, and a refill takes the room of what could have come back (returnable), which then comes back no more.
package bucket

import (
	"math"
	"time"
)

// MaxLimit is the largest limit per minute that the arithmetic bears.
const MaxLimit = 10_000_000_000

// Little is so little of a limit that each of n holders may keep it for a while: half a percent, of all together.
func Little(limit, n int64) int64 { return limit / (200 * max(n, 1)) }

// parts of one unit: a limit of n per minute refills n parts in a microsecond, so that nothing is ever rounded.
const parts = 60_000_000

// faded is the factor below which claims are worth nothing.
const faded = 1e-9

// Bucket is one limit. The zero value is a bucket of nothing; New makes a full one. Not safe for concurrent use.
type Bucket struct {
	limit int64
	level int64 // in parts; negative after an overrun
	held  int64 // in parts: granted, to be spent without asking
	at    time.Time

	// What open claims may bring back, in parts, all together. Each claim is worth its size times factor: where there is
	// less room for them than they are, all of them shrink alike.
	returnable float64
	factor     float64
	epoch      int64 // counts up when all claims are void
}

// Claim is a part of what was taken that may come back. The zero value is worth nothing. A claim belongs to the bucket
// that gave it.
type Claim struct {
	size  float64 // in parts, divided by the factor at the time
	epoch int64
}

// New returns a full bucket.
func New(limit int64, now time.Time) Bucket {
	return Bucket{limit: limit, level: limit * parts, at: now, factor: 1, epoch: now.UnixMicro()}
}

// Advance refills the bucket up to now. Another limit than before leaves what was used as it is: the level moves by the
// difference. A clock that went back refills nothing.
func (b *Bucket) Advance(limit int64, now time.Time) {
	if b.at.IsZero() {
		*b = New(limit, now)
		return
	}
	b.level += (limit - b.limit) * parts
	b.limit = limit
	b.refill(now)
	b.settle()
}

func (b *Bucket) refill(now time.Time) {
	passed := now.Sub(b.at).Microseconds()
	if passed < 0 {
		b.at = now
		return
	}
	b.at = b.at.Add(time.Duration(passed) * time.Microsecond)
	short := b.limit*parts - b.held - b.level
	switch {
	case short <= 0 || b.limit == 0:
	case passed > short/b.limit: // the product below can't overflow
		b.level += short
	default:
		b.level += b.limit * passed
	}
}

// settle restores level + held + returnable <= limit.
func (b *Bucket) settle() {
	b.level = min(b.level, b.limit*parts-b.held)
	room := float64(b.limit*parts - b.held - b.level)
	if b.returnable <= room {
		return
	}
	f := b.factor * room / b.returnable
	if f < faded {
		b.returnable, b.factor, b.epoch = 0, 1, b.epoch+1
		return
	}
	b.returnable, b.factor = room, f
}

// At is the time up to which the bucket is refilled; zero for the zero value.
func (b *Bucket) At() time.Time { return b.at }

// Limit is the limit per minute.
func (b *Bucket) Limit() int64 { return b.limit }

// Left is what can be taken now, in whole units; negative after an overrun.
func (b *Bucket) Left() int64 { return floor(b.level) }

// Held is what was granted and may be spent without asking.
func (b *Bucket) Held() int64 { return b.held / parts }

// Reset is how long until the bucket is full again, if nothing is taken and all that is held comes back unspent.
func (b *Bucket) Reset() time.Duration { return b.until(b.limit*parts - b.held) }

// Wait is how long until n can be taken; zero means now. Where what is held leaves no room for n, it is how long it
// would take without.
func (b *Bucket) Wait(n int64) time.Duration { return b.until(n * parts) }

func (b *Bucket) until(level int64) time.Duration {
	short := level - b.level
	if short <= 0 {
		return 0
	}
	return time.Duration(ceil(short, b.limit)) * time.Microsecond
}

// Room reports whether n can ever be taken while what is held stays out.
func (b *Bucket) Room(n int64) bool { return n*parts <= b.limit*parts-b.held }

// Spend takes n for good, even where there is less.
func (b *Bucket) Spend(n int64) { b.level -= n * parts }

// Take takes n and returns the claim to what of it isn't used in the end.
func (b *Bucket) Take(n int64) Claim {
	b.level -= n * parts
	return b.Join(Claim{}, n)
}

// Join adds n, which was spent already, to a claim.
func (b *Bucket) Join(c Claim, n int64) Claim {
	if n <= 0 {
		return c
	}
	if c.epoch != b.epoch {
		c = Claim{epoch: b.epoch}
	}
	b.returnable += float64(n * parts)
	c.size += float64(n*parts) / b.factor
	b.settle()
	return b.renewed(c)
}

// renewed empties a claim that is void.
func (b *Bucket) renewed(c Claim) Claim {
	if c.epoch != b.epoch {
		return Claim{}
	}
	return c
}

// Worth is how much of a claim can still come back, in whole units.
func (b *Bucket) Worth(c Claim) int64 { return int64(b.worth(c) / parts) }

func (b *Bucket) worth(c Claim) float64 {
	if c.epoch != b.epoch {
		return 0
	}
	return math.Min(c.size*b.factor, b.returnable)
}

// Return ends a claim and brings back n of it, or what it is still worth.
func (b *Bucket) Return(c Claim, n int64) {
	worth := b.worth(c)
	b.returnable -= worth
	b.level += min(max(n, 0)*parts, int64(worth))
	b.settle()
}

// Draw brings back n of a claim, or what it is still worth, and returns the rest of it.
func (b *Bucket) Draw(c Claim, n int64) Claim {
	back := min(max(n, 0)*parts, int64(b.worth(c)))
	if back == 0 {
		return b.renewed(c)
	}
	b.returnable -= float64(back)
	b.level += back
	c.size -= float64(back) / b.factor
	b.settle()
	return b.renewed(c)
}

// Hold grants n to be spent without asking.
func (b *Bucket) Hold(n int64) {
	b.level -= n * parts
	b.held += n * parts
}

// Release ends a grant of n, of which back comes back unspent.
func (b *Bucket) Release(n, back int64) {
	b.held = max(0, b.held-n*parts)
	b.level += min(back, n) * parts
	b.settle()
}

func floor(v int64) int64 {
	q := v / parts
	if v%parts < 0 {
		q--
	}
	return q
}

func ceil(v, by int64) int64 {
	if by <= 0 {
		return math.MaxInt64 / int64(time.Second)
	}
	return (v + by - 1) / by
}
