// Package store says what keeping keys takes: one interface, its promises on each method, and the errors. The backends
// are beside it, and package storetest proves each of them.
package store

import (
	"context"
	"errors"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
)

// Key is one key as it is kept. Times are UTC, in whole microseconds; a zero time means never. Models is nobody's to
// change.
type Key struct {
	ID     string
	Name   string
	Tenant string
	Role   accessv1.Role
	Models []string
	Limits Limits
	// Created, Expires and Revoked are when it was made, when it ends by itself, and when it was ended.
	Created, Expires, Revoked time.Time
	// CreatedBy is the id of the key that made it.
	CreatedBy string
	// Hint is the secret's beginning.
	Hint string
	// Hash is what the secret is looked up by.
	Hash apikey.Hash
	// Rotated is when it got this secret, where that wasn't when it was made.
	Rotated time.Time
	// OldHash is that of the secret before, valid until OldUntil; both are zero where that ended at once.
	OldHash  apikey.Hash
	OldUntil time.Time
}

// Limits are a key's own; zero means none.
type Limits struct {
	RequestsPerMinute, TokensPerMinute, ConcurrentRequests int64
	// Budget is money for each BudgetPeriod, in 10^-12 US dollars. The period is set where there is a budget.
	Budget       int64
	BudgetPeriod ratelimitv1.BudgetPeriod
}

// Valid reports whether the key may be used at a time.
func (k Key) Valid(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// Old is the hash of the secret before, where that is valid at a time, and the zero hash otherwise.
func (k Key) Old(now time.Time) apikey.Hash {
	if now.Before(k.OldUntil) {
		return k.OldHash
	}
	return apikey.Hash{}
}

// Time is a time as a store keeps it.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

var (
	// ErrNotFound is what a method returns for an id or a hash that no key has.
	ErrNotFound = errors.New("no such key")
	// ErrExists is what Create and Change return for an id or a hash that another key has.
	ErrExists = errors.New("a key with this id or hash exists")
)

// Query picks a page of keys.
type Query struct {
	// Tenant whose keys; empty for all.
	Tenant string
	// ValidAt leaves out what was revoked, or has expired, by then; the zero time takes everything.
	ValidAt time.Time
	// After is the id of the last key of the page before; empty for the first page.
	After string
	// Limit is the most keys to return, at least 1.
	Limit int
}

// Store keeps keys for good: they are revoked, never deleted. It is safe for concurrent use, and one process uses it at
// a time. What a method that changes something has returned survives the end of the process and of the machine, where
// the backend is durable at all.
type Store interface {
	// Create keeps a new key, whole or not at all. ErrExists where its id or its hash is taken: no two secrets share a hash,
	// old ones included.
	Create(ctx context.Context, k Key) error

	// Get returns the key with an id, ended or not. ErrNotFound where there is none.
	Get(ctx context.Context, id string) (Key, error)

	// Find returns the key with a hash, ended or not, be it that of its secret or of the one before, whose time may be over.
	// ErrNotFound where no key has it; the zero hash is nobody's.
	Find(ctx context.Context, hash apikey.Hash) (Key, error)

	// List returns at most Limit keys in the order of their creation, oldest first, which doesn't change as keys come and
	// end. ErrNotFound where After is no key's id.
	List(ctx context.Context, q Query) ([]Key, error)

	// Change lets f change a key, keeps what becomes of it and returns that, whole or not at all. f sees every change that
	// was kept before, and nothing else happens to the key meanwhile: of changes made at the same time none is lost. It
	// may change Name, Models (as another slice), Limits, Expires, Rotated, Hint and the hashes with OldUntil; what else it
	// changes is ignored. It doesn't use the store. Where it fails, its error is returned as it is and nothing changes.
	// ErrExists where another key has a new hash. ErrNotFound where there is no such key.
	Change(ctx context.Context, id string, f func(k *Key) error) (Key, error)

	// Revoke ends a key at a time and returns it as it then is. A key that was revoked before keeps its first time. What
	// is revoked stays so. ErrNotFound where there is no such key.
	Revoke(ctx context.Context, id string, at time.Time) (Key, error)

	// Close ends the use of the store. No other method may be called then.
	Close() error
}
