package store

import "time"

// Holder is who has a fill lease: no two calls use the same one.
type Holder [16]byte

// Lease is how the fill lease of a key stands.
type Lease uint8

const (
	// Free says that nobody has it.
	Free Lease = iota
	// Granted says that the caller has it.
	Granted
	// Filling says that somebody else has it.
	Filling
	// Declined says that the last holder's answer couldn't be kept, a moment ago.
	Declined
)

const (
	// LeaseTTL is how long a lease is held without being acquired again: a holder that died keeps the others that long.
	LeaseTTL = 2 * time.Second
	// DeclinedTTL is how long a lease stays declined: long enough for everyone who waits to hear of it.
	DeclinedTTL = 5 * time.Second
)
