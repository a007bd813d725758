package answers

import (
	"context"
	"time"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Lookup finds the answer to a question, or returns a fill that keeps the one to come, or whom to wait for: a call that
// asks the same already. At most one of the three is set; none where the cache isn't to be used for this call, or can't be.
// A nil fill may be used as any other. It takes no longer than its timeout, and doesn't fail: what goes wrong is a miss.
func (a *Answers) Lookup(ctx context.Context, ask Ask) (*Hit, *Fill, *Follower) {
	if a == nil || !a.wanted(ask) {
		return nil, nil, nil
	}
	digest, ok := a.Key(ask)
	if !ok {
		return nil, nil, nil
	}
	if !ask.joins() {
		hit, fill, _, _ := a.look(ctx, ask, digest, false)
		return hit, fill, nil
	}
	return a.first(ctx, ask, digest)
}

// first is the first lookup of a call that may be joined. It waits behind another one of the same question, and asks by
// itself where that has found something.
func (a *Answers) first(ctx context.Context, ask Ask, digest Digest) (*Hit, *Fill, *Follower) {
	limited := a.o.LookupTimeout
	for began := time.Now(); ; limited = a.o.LookupTimeout - time.Since(began) {
		w, g, mine := a.arrive(ask, digest)
		switch {
		case w != nil:
			return nil, nil, w
		case mine:
			return a.ahead(ctx, ask, digest, g)
		case g != nil && (!g.wait(ctx, limited) || g.failed):
			return nil, nil, a.follow(ask, digest)
		case g != nil && g.left:
			continue
		}
		if w := a.follow(ask, digest); w != nil {
			return nil, nil, w
		}
		hit, fill, w, _ := a.look(ctx, ask, digest, false)
		return hit, fill, w
	}
}

// ahead looks up while others wait behind the gate.
func (a *Answers) ahead(ctx context.Context, ask Ask, digest Digest, g *gate) (*Hit, *Fill, *Follower) {
	defer a.letIn(digest, g)
	hit, fill, w, ok := a.look(ctx, ask, digest, false)
	g.left = !ok && ctx.Err() != nil
	g.failed = !ok && !g.left
	return hit, fill, w
}

// wanted reports whether this call is the cache's business.
func (a *Answers) wanted(ask Ask) bool {
	if ask.Sensitivity >= llmv1.Sensitivity_SENSITIVITY_HIGH && !a.o.AllowSensitive {
		return false
	}
	switch ask.Wish {
	case steer.CacheOn, steer.CacheRefresh:
		return true
	case steer.CacheOff:
		return false
	}
	return ask.On
}

// joins reports whether the call may wait for somebody else's answer: not where it asks for a new one.
func (ask Ask) joins() bool { return ask.Wish != steer.CacheRefresh }

// look asks the service; waited says that the call has followed another. It returns false where the service or its backend
// doesn't answer.
func (a *Answers) look(ctx context.Context, ask Ask, digest Digest, waited bool) (hit *Hit, fill *Fill, w *Follower, ok bool) {
	var holder []byte
	if ask.joins() {
		holder = a.holders.next()
	}
	found, ok := a.lookup(ctx, ask, digest, holder, waited)
	if !ok {
		if ctx.Err() == nil { // somebody else may have got through
			w = a.follow(ask, digest)
		}
		return nil, nil, w, w != nil
	}
	if hit := a.hit(found, ask, digest, waited); hit != nil {
		return hit, nil, nil, true
	}
	if len(found.GetGeneration()) == 0 { // the service couldn't ask its backend
		return nil, nil, nil, false
	}
	fill, w = a.missed(ctx, ask, digest, holder, found)
	return nil, fill, w, true
}

// missed is what follows a lookup that found nothing.
func (a *Answers) missed(ctx context.Context, ask Ask, digest Digest, holder []byte, found *cachev1.LookupResponse) (*Fill, *Follower) {
	switch found.GetLease() {
	case cachev1.Lease_LEASE_GRANTED:
		f, leads := a.lead(ask, digest, holder)
		if !leads {
			return nil, &Follower{answers: a, ask: ask, digest: digest, flight: f}
		}
		return a.fill(ctx, ask, digest, found.GetGeneration(), f), nil
	case cachev1.Lease_LEASE_FILLING:
		return nil, &Follower{answers: a, ask: ask, digest: digest, flight: a.watch(ask, digest, holder)}
	case cachev1.Lease_LEASE_UNSPECIFIED:
		if w := a.follow(ask, digest); w != nil {
			return nil, w
		}
	}
	return a.fill(ctx, ask, digest, found.GetGeneration(), nil), nil
}

// waitedTimeout is how long a lookup may take that has waited for its answer: nearly always there is one.
const waitedTimeout = 500 * time.Millisecond

// lookup returns false where the service can't be asked or doesn't answer in time.
func (a *Answers) lookup(ctx context.Context, ask Ask, digest Digest, holder []byte, waited bool) (*cachev1.LookupResponse, bool) {
	if !a.breaker.allow() {
		return nil, false
	}
	timeout := a.o.LookupTimeout
	if waited {
		timeout = max(timeout, waitedTimeout)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := a.client.Lookup(limited, &cachev1.LookupRequest{
		Digest: digest[:], Tenant: ask.Tenant, Model: ask.Model, Holder: holder, Waited: waited,
	})
	if err != nil {
		a.counts.errors.Add(1)
	}
	if err != nil && ctx.Err() != nil { // the caller left: that says nothing about the service
		a.breaker.forget()
		return nil, false
	}
	a.breaker.record(err)
	return found, err == nil
}

// hit returns nil where nothing was found, or something that isn't an answer to this question.
func (a *Answers) hit(found *cachev1.LookupResponse, ask Ask, digest Digest, waited bool) *Hit {
	a.flights.found.note(digest, found.GetFound())
	if !found.GetFound() || ask.Wish == steer.CacheRefresh {
		a.counts.misses.Add(1)
		return nil
	}
	v, err := a.open(found.GetValue(), digest)
	if err != nil || v.head.GetStream() != ask.Stream {
		a.counts.foreign.Add(1)
		a.counts.misses.Add(1)
		return nil
	}
	a.counts.hits.Add(1)
	if waited {
		a.counts.coalesced.Add(1)
	}
	return newHit(v, found.GetStoredAt().AsTime(), waited)
}
