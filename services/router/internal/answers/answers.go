// Package answers is the router's side of the cache: the key of a request, the value of an answer, and what happens to a
// call on the way. It gives out only what the cache service has for exactly this caller's tenant and exactly this
// question, and keeps only whole, successful answers of the target that was meant.
//
// A relay asks before it plans an attempt, hands what it sends to the fill, and ends it:
//
//	hit, fill, ahead := a.Lookup(ctx, ask)
//	if ahead != nil {
//		hit, fill = ahead.Wait(ctx, limit)
//	}
//	if hit != nil {
//		return hit.Replay(out.Send)
//	}
//	defer fill.Close()
//	... fill.Take(message) beside each out.Send(message)
//
// Answers of streams and of unary calls are kept apart: one is never made of the other.
//
// Calls that ask the same at the same time are one flight: one of them leads, which asks the provider, the others follow.
// Among the calls of this router the flight itself says who leads; among routers the cache service's fill lease does,
// which the flight holds while a call of this router leads, and waits for while another router's does. A follower gets
// nothing from its leader but the word that there is an answer: it looks that up like any other call.
package answers

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
)

// Options of Answers. Every zero value but Secret and Generation has a default, given beside the field.
type Options struct {
	// Secret makes the keys of questions and seals the answers: auth.Secret.Derive("cache key"). Required; all routers
	// that share a cache share it.
	Secret []byte
	// Generation stands for the configuration that decides what a model's name means; another one finds no older answers.
	Generation string
	// MaxEntry is the largest answer kept, in bytes, sealed. Default 1 MiB, which is the cache service's.
	MaxEntry int
	// MaxFilling bounds what answers under way take, all together. Default 64 MiB.
	MaxFilling int64
	// LookupTimeout is how long a lookup may take before it is a miss. Default 25 ms.
	LookupTimeout time.Duration
	// StoreTimeout is how long keeping an answer may take; nobody waits for it. Default 2 s.
	StoreTimeout time.Duration
	// Storing bounds how many are being kept at a time; more are let go. Default 64.
	Storing int
	// AllowSensitive lets answers to requests of high sensitivity be kept and found.
	AllowSensitive bool
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.MaxEntry = cmp.Or(o.MaxEntry, 1<<20)
	o.MaxFilling = cmp.Or(o.MaxFilling, 64<<20)
	o.LookupTimeout = cmp.Or(o.LookupTimeout, 25*time.Millisecond)
	o.StoreTimeout = cmp.Or(o.StoreTimeout, 2*time.Second)
	o.Storing = cmp.Or(o.Storing, 64)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Answers looks answers up and keeps them. Safe for concurrent use. A nil *Answers finds and keeps nothing.
type Answers struct {
	client  cachev1.CacheServiceClient
	o       Options
	seal    []byte
	breaker breaker
	filling atomic.Int64
	storing chan struct{}
	stores  sync.WaitGroup
	counts  counts
	holders *holders
	flights flights
	// generation is Options.Generation, or what SetGeneration said since.
	generation atomic.Pointer[string]
}

// New returns the router's side of a cache service.
func New(client cachev1.CacheServiceClient, o Options) *Answers {
	o = o.withDefaults()
	a := &Answers{
		client: client, o: o, seal: mac(o.Secret, "answers"),
		breaker: breaker{now: o.Now}, storing: make(chan struct{}, o.Storing),
		holders: newHolders(), flights: flights{all: make(map[Digest]*flight), looking: make(map[Digest]*gate)},
	}
	a.SetGeneration(o.Generation)
	return a
}

// SetGeneration replaces Options.Generation: another configuration is in force.
func (a *Answers) SetGeneration(g string) {
	if a != nil {
		a.generation.Store(&g)
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Close waits until what is being kept is kept, or its time is over. No fill takes anything meanwhile: it is for the time
// after the last call.
func (a *Answers) Close() {
	if a != nil {
		a.stores.Wait()
	}
}

// keep stores an answer in the background.
func (a *Answers) keep(f *Fill, sealed []byte) {
	select {
	case a.storing <- struct{}{}:
	default:
		a.counts.dropped.Add(1)
		f.release()
		f.flight.pass(unkept)
		return
	}
	request := &cachev1.StoreRequest{
		Digest: f.digest[:], Tenant: f.ask.Tenant, Model: f.ask.Model, Value: sealed, Generation: f.generation,
		Holder: f.flight.heldBy(),
	}
	if f.ask.TTL > 0 {
		request.Ttl = durationpb.New(f.ask.TTL)
	}
	ctx := context.WithoutCancel(f.ctx) // the caller leaves with the last frame
	a.stores.Go(func() {
		defer func() { <-a.storing }()
		defer f.release()
		f.flight.pass(a.store(ctx, request))
	})
}

func (a *Answers) store(ctx context.Context, r *cachev1.StoreRequest) outcome {
	ctx, cancel := context.WithTimeout(ctx, a.o.StoreTimeout)
	defer cancel()
	resp, err := a.client.Store(ctx, r)
	switch {
	case err != nil:
		a.counts.errors.Add(1)
		return lost
	case resp.GetStored():
		a.counts.stores.Add(1)
		return kept
	}
	a.counts.dropped.Add(1)
	if resp.GetWithdrawn() {
		return failed
	}
	return unkept
}

// counts are what calls came to.
type counts struct{ hits, misses, coalesced, stores, dropped, errors, foreign atomic.Int64 }

// Counts are figures since the start.
type Counts struct {
	// Hits and Misses are lookups; Stores are answers that the service kept, Dropped those that it or the router let go.
	Hits, Misses, Stores, Dropped int64
	// Coalesced are those of the hits that had waited for somebody else's fill.
	Coalesced int64
	// Errors are calls of the service that failed or took too long; Foreign are values that weren't answers to what was
	// asked, and weren't given out.
	Errors, Foreign int64
}

// Counts returns the figures.
func (a *Answers) Counts() Counts {
	if a == nil {
		return Counts{}
	}
	c := &a.counts
	return Counts{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Coalesced: c.coalesced.Load(), Stores: c.stores.Load(),
		Dropped: c.dropped.Load(), Errors: c.errors.Load(), Foreign: c.foreign.Load(),
	}
}
