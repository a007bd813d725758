package quota

import (
	"context"
	"sync"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

const (
	// settlers tell the service of settlements at the same time.
	settlers = 4
	// settleTimeout bounds one attempt; nobody waits for it.
	settleTimeout = time.Second
	// settlePause is between attempts, settleAttempts how many there are: then the reservation runs out by itself, as spent.
	settlePause    = 200 * time.Millisecond
	settleAttempts = 300
	// lastSettles bounds how long those under way hold up the end.
	lastSettles = 2 * time.Second
)

// enqueue has a reservation settled, without waiting.
func (k *Keeper) enqueue(s *ratelimitv1.SettleRequest) {
	select {
	case k.settles <- s:
	default:
		k.log.Warn("too many settlements under way: a reservation stays spent until it runs out")
	}
}

// settleAll tells the service of settlements until ctx ends, and then for a moment of what is left.
func (k *Keeper) settleAll(ctx context.Context) {
	var wg sync.WaitGroup
	for range settlers {
		wg.Go(func() { k.settler(ctx) })
	}
	wg.Wait()
}

func (k *Keeper) settler(ctx context.Context) {
	for {
		select {
		case s := <-k.settles:
			k.tell(ctx, s)
		case <-ctx.Done():
			k.tellRest(ctx)
			return
		}
	}
}

// tell repeats a settlement until it is done; by its id it counts once.
func (k *Keeper) tell(ctx context.Context, s *ratelimitv1.SettleRequest) {
	for range settleAttempts {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		_, err := k.client.Settle(bounded, s)
		cancel()
		if err == nil || !wait(ctx, settlePause) {
			return
		}
	}
	k.log.Warn("a settlement couldn't be told: the reservation stays spent until it runs out")
}

func (k *Keeper) tellRest(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSettles)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case s := <-k.settles:
			_, _ = k.client.Settle(ctx, s)
		default:
			return
		}
	}
}

// wait reports false where ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
