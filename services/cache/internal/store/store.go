// Package store says what a place for answers promises; storetest is the suite that every backend passes.
package store

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrWithdrawn refuses an answer of which something was withdrawn since its lookup.
	ErrWithdrawn = errors.New("store: withdrawn since the lookup")
	// ErrTooLarge refuses an answer that has no room in the whole store.
	ErrTooLarge = errors.New("store: too large")
)

// Digest stands for everything that decides an answer.
type Digest [32]byte

// Generation stands for all withdrawals so far that concern a tenant and a model. It is opaque: two are equal or not, and
// the zero value equals none that a store gives.
type Generation [16]byte

// Key is where an answer is kept. The digest alone would do; tenant and model say who may have it and what withdraws it.
type Key struct {
	Tenant, Model string
	Digest        Digest
}

// Entry is an answer, together with the key it was kept under.
type Entry struct {
	Key Key
	// Value is the answer. Nobody changes it.
	Value []byte
	// StoredAt is when it was put, by the clock of the instance that put it.
	StoredAt time.Time
}

// Result is what a lookup gives.
type Result struct {
	// Entry is set where Found is true.
	Entry Entry
	Found bool
	// Generation belongs to the key's tenant and model, and is given to Put for an answer that is made after this lookup.
	Generation Generation
	// Damaged says that something lies there that isn't what was put, and that it wasn't returned.
	Damaged bool
}

// Scope is which entries to withdraw: those that match every field that is set; all of them where none is.
type Scope struct{ Tenant, Model string }

// Size is what a store holds.
type Size struct {
	// Entries and Bytes are kept now; Evictions had to go to make room since the start.
	Entries, Bytes, Evictions int64
	// Known is false where the backend is shared and these figures aren't this instance's to tell.
	Known bool
}

// Store keeps answers until they are old, withdrawn or pushed out by others. It is safe for concurrent use. Every method
// returns soon after its context ends. Other errors than those named are failures of the backend.
type Store interface {
	// Get looks an entry up. What it finds was put under exactly this key, isn't older than its time, and nothing that
	// concerns it was withdrawn between the lookup that its generation comes from and the beginning of this call. The
	// value may be shared with other callers.
	Get(ctx context.Context, k Key) (Result, error)
	// Put keeps an entry for ttl, in place of one under the same key. It returns ErrWithdrawn where g isn't the present
	// generation any more, and ErrTooLarge. An entry that was put with an old generation is never found, whatever Put
	// returns. The store takes the value over.
	Put(ctx context.Context, e Entry, ttl time.Duration, g Generation) error
	// Acquire takes the fill lease of a key for LeaseTTL where it is free, or prolongs it for the one who has it: at most one
	// holder has it at a time, at all instances on the same backend. The result is Get's, of a moment when the lease was
	// already taken: what was put before anybody's lease ended is found. Where an entry is found the holder has no lease, and
	// Free is returned.
	Acquire(ctx context.Context, k Key, h Holder) (Result, Lease, error)
	// Lease tells, for less than Acquire, whether the lease of a key is Free, Filling (whoever has it) or Declined.
	Lease(ctx context.Context, k Key) (Lease, error)
	// Release ends a lease, or leaves it Declined for DeclinedTTL; another holder's stays as it is.
	Release(ctx context.Context, k Key, h Holder, declined bool) error
	// Withdraw makes every entry in the scope, and every later one of an earlier generation, unfindable: once it returns
	// nil, no call of Get that begins afterwards finds one, at any instance on the same backend. After an error it may or
	// may not have happened, and can be repeated. It may withdraw more than the scope, never less.
	Withdraw(ctx context.Context, s Scope) error
	// Size tells what is held.
	Size() Size
	// Name is the backend's, for the figures: memory or redis.
	Name() string
	// Run does what has to be done beside the calls, until ctx ends.
	Run(ctx context.Context)
	// Close gives up connections. No other method is called afterwards.
	Close() error
}
