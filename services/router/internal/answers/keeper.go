package answers

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
)

const (
	// renewEvery is how often the lease of a call under way is prolonged; it lapses after 2 s.
	renewEvery = 400 * time.Millisecond
	// pollWait is how long one call waits at the service for another router's fill.
	pollWait = 400 * time.Millisecond
	// holdTimeout is how long the service may take beyond that.
	holdTimeout = 300 * time.Millisecond
	// holdPatience is how long the service may fail, tried every holdAgain, before the followers go on alone: a flight ends
	// 1.1 s after its service, at most, and outlasts what a busy one, or its Redis, doesn't answer once.
	holdPatience, holdAgain = 600 * time.Millisecond, 50 * time.Millisecond
)

// keep holds the flight's lease while a call of this router leads, and waits for it while another router's does, until ctx
// ends.
func (f *flight) keep(ctx context.Context) {
	failing := time.Time{} // since when
	for ctx.Err() == nil {
		holder, led := f.standing()
		wait := pollWait
		if led || !failing.IsZero() {
			wait = 0
		}
		if !pause(ctx, before(led, !failing.IsZero())) {
			return
		}
		due := time.Now().Add(wait)
		l := f.hold(ctx, holder, wait)
		switch {
		case ctx.Err() != nil:
			if !led { // it may have been granted with nobody there to hear of it
				f.release(holder, false)
			}
			return
		case l != cachev1.Lease_LEASE_UNSPECIFIED:
			failing = time.Time{}
		case failing.IsZero():
			failing = due
		}
		if failing.IsZero() || time.Since(failing) >= holdPatience {
			f.heard(l, holder)
		}
	}
}

// before is how long to pause before the service is asked again.
func before(led, failing bool) time.Duration {
	switch {
	case failing:
		return holdAgain
	case led:
		return renewEvery
	}
	return 0
}

func (f *flight) standing() (holder []byte, led bool) {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	return f.holder, f.led
}

// pause returns false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hold asks the service; unspecified stands for every kind of failure.
func (f *flight) hold(ctx context.Context, holder []byte, wait time.Duration) cachev1.Lease {
	limited, cancel := context.WithTimeout(ctx, wait+holdTimeout)
	defer cancel()
	resp, err := f.answers.client.Hold(limited, &cachev1.HoldRequest{
		Digest: f.digest[:], Tenant: f.tenant, Model: f.model, Holder: holder, Wait: durationpb.New(wait),
	})
	if err != nil && ctx.Err() == nil {
		f.answers.counts.errors.Add(1)
	}
	return resp.GetLease()
}

// heard acts by what the service said to a holder.
func (f *flight) heard(l cachev1.Lease, holder []byte) {
	f.answers.flights.mu.Lock()
	defer f.answers.flights.mu.Unlock()
	switch {
	case f.ended:
		if l == cachev1.Lease_LEASE_GRANTED {
			f.release(holder, false)
		}
	case l == cachev1.Lease_LEASE_UNSPECIFIED:
		f.finish(lost)
	case l == cachev1.Lease_LEASE_KEPT:
		f.finish(kept)
	case f.led: // whether or not somebody else has the lease by now, this router's calls wait for their own
	case l == cachev1.Lease_LEASE_DECLINED:
		f.finish(unkept)
	case l == cachev1.Lease_LEASE_GRANTED:
		f.led = true
		f.handOver() // the other router gave up, or died
	}
}

// release ends a lease in the background: where that fails, it lapses by itself.
func (f *flight) release(holder []byte, declined bool) {
	a := f.answers
	a.stores.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), holdTimeout)
		defer cancel()
		_, err := a.client.Release(ctx, &cachev1.ReleaseRequest{
			Digest: f.digest[:], Tenant: f.tenant, Model: f.model, Holder: holder, Declined: declined,
		})
		if err != nil {
			a.counts.errors.Add(1)
		}
	})
}
