// Package keyring knows the keys of the mesh in a process that serves callers. It follows the feed of the keys service
// and answers from memory alone: a request never waits for another service to find out who is calling.
//
// A revoked key is refused as soon as the feed tells, which is milliseconds. A feed that breaks or falls silent is
// opened again within a second or so; meanwhile the keyring serves what it knew, flagged as stale, and after a bounded
// time refuses everybody rather than accept a key that may be revoked by now (promise K1).
//
// A key has one secret, or two while callers change over from the old one to the new; when the old one ends the keyring
// knows by itself, whether the feed holds or not.
//
// A key is hashed each time it is asked about, at the gateway and again at the router: that is a third of a microsecond
// (see the benchmarks), too little for a cache of verified keys, which would have to hold secrets and forget in time.
package keyring

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Options configures a Keyring. Every zero value has a default, given beside the field.
type Options struct {
	// Logger tells when the feed breaks and when it is back. Default: discards.
	Logger *slog.Logger
	// Clock tells the time. Default time.Now.
	Clock func() time.Time
	// StaleAfter is how long keys are still accepted while the keys service can't be heard. Default 5 min.
	StaleAfter time.Duration
	// Silence is how long the feed may say nothing before it is taken for broken. Default 3 s; the keys service says
	// something at least every second.
	Silence time.Duration
}

const (
	defaultStaleAfter = 5 * time.Minute
	defaultSilence    = 3 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.StaleAfter <= 0 {
		o.StaleAfter = defaultStaleAfter
	}
	if o.Silence <= 0 {
		o.Silence = defaultSilence
	}
	return o
}

// Keyring implements auth.Verifier. Make it with [New]; it knows nothing until Run has heard from the keys service. It is
// safe for concurrent use.
type Keyring struct {
	client  keysv1.KeyServiceClient
	hasher  *apikey.Hasher
	options Options
	// start is what heard counts from; it keeps the clock's monotonic reading.
	start time.Time

	// table is nil until the first snapshot is complete.
	table atomic.Pointer[table]
	// heard is when the keys service last said something after a complete snapshot, in nanoseconds since start.
	heard atomic.Int64
}

// New returns a keyring that follows the feed of a keys service. The hasher is that of the mesh's root secret.
func New(client keysv1.KeyServiceClient, hasher *apikey.Hasher, o Options) *Keyring {
	o = o.withDefaults()
	return &Keyring{client: client, hasher: hasher, options: o, start: o.Clock()}
}

// Verify returns whose key it is. An empty key is MISSING_API_KEY. One that is malformed, unknown, revoked or expired, or
// was replaced and isn't kept any longer, is INVALID_API_KEY. SERVICE_UNAVAILABLE where the keyring doesn't know: before it
// has heard of any keys, and when it has heard nothing for too long. The principal's Models and Limits are shared and never
// change.
func (k *Keyring) Verify(_ context.Context, key string) (auth.Principal, error) {
	if key == "" {
		return auth.Principal{}, missingKey()
	}
	if !apikey.WellFormed(key) {
		return auth.Principal{}, invalidKey()
	}
	now := k.options.Clock()
	t := k.table.Load()
	if t == nil || k.silent(now) > k.options.StaleAfter {
		return auth.Principal{}, k.unavailable(t)
	}
	return valid(t.find(k.hasher.Hash(key)), now)
}

// VerifyID implements auth.IDVerifier: it is Verify for a key that is known by its id.
func (k *Keyring) VerifyID(_ context.Context, id string) (auth.Principal, error) {
	now := k.options.Clock()
	t := k.table.Load()
	if t == nil || k.silent(now) > k.options.StaleAfter {
		return auth.Principal{}, k.unavailable(t)
	}
	return valid(t.byID(id), now)
}

func valid(c *credential, now time.Time) (auth.Principal, error) {
	if c == nil {
		return auth.Principal{}, invalidKey()
	}
	if c.ended(now) {
		return auth.Principal{}, c.over(now)
	}
	return c.principal, nil
}

// silent is how long the keys service hasn't been heard.
func (k *Keyring) silent(now time.Time) time.Duration {
	return now.Sub(k.start) - time.Duration(k.heard.Load())
}

// Ready is nil while keys can be verified; else it says why they can't.
func (k *Keyring) Ready() error {
	t := k.table.Load()
	if t == nil || k.silent(k.options.Clock()) > k.options.StaleAfter {
		return k.unavailable(t)
	}
	return nil
}

// Stale reports whether the keyring serves keys of which it may not know the latest: it has heard nothing for longer
// than a working feed is ever silent.
func (k *Keyring) Stale() bool {
	return k.table.Load() != nil && k.silent(k.options.Clock()) > k.options.Silence
}

// Len is how many keys the keyring knows, for metrics.
func (k *Keyring) Len() int {
	if t := k.table.Load(); t != nil {
		return int(t.size.Load())
	}
	return 0
}

func (k *Keyring) unavailable(t *table) *fault.Error {
	if t == nil {
		return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
			"the API keys aren't loaded yet, so yours can't be checked; try again shortly")
	}
	return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		"the keys service hasn't been heard for too long, so your API key can't be checked; try again shortly")
}

func missingKey() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_MISSING_API_KEY,
		"this call needs an API key: send it as Authorization: Bearer or as x-api-key")
}

func invalidKey() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid")
}

// over is why a secret that has ended isn't valid any more.
func (c *credential) over(now time.Time) *fault.Error {
	if expires := c.principal.Expires; !expires.IsZero() && now.UnixMicro() >= expires.UnixMicro() {
		return expiredKey()
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key was replaced by a newer one: use that")
}

func expiredKey() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key has expired; ask for a new one")
}
