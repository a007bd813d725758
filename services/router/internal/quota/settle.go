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
	// gather is how long settlements that nobody waits for are gathered, and together how many go in one message.
	gather, together = 50 * time.Millisecond, 256
)

// few is how many settlements of money and overruns are told at once: where there are more, together is sooner.
const few = 64

// scarce is how many places may be left where somebody may soon wait for one.
const scarce = 32

// enqueue has a reservation settled, without waiting: at once where somebody may wait for its place or its money, or where
// over says that more was used than reserved, which others could still be admitted on; else together with others. The
// balances are those that it was answered with.
func (k *Keeper) enqueue(s *ratelimitv1.SettleRequest, told []*ratelimitv1.Balance, over bool) {
	queue := k.gathered
	if over && len(k.settles) < few {
		queue = k.settles
	}
	for _, scope := range s.GetScopes() {
		l := scope.GetLimits()
		if (l.GetConcurrentRequests() > 0 && !roomy(told)) || (l.GetBudgetUsd() != 0 && len(k.settles) < few) {
			queue = k.settles
		}
	}
	select {
	case queue <- s:
	default:
		k.log.Warn("too many settlements under way: a reservation stays spent until it runs out")
	}
}

// roomy reports whether at least half of the places were left, and not few, of every account.
func roomy(told []*ratelimitv1.Balance) (roomy bool) {
	for _, b := range told {
		if b.GetDimension() != ratelimitv1.Dimension_DIMENSION_CONCURRENCY {
			continue
		}
		if b.GetRemaining() < max(scarce, b.GetLimit()/2) {
			return false
		}
		roomy = true
	}
	return roomy
}

// settleAll tells the service of settlements until ctx ends, and then for a moment of what is left.
func (k *Keeper) settleAll(ctx context.Context) {
	var wg sync.WaitGroup
	for range settlers {
		wg.Go(func() { k.settler(ctx) })
	}
	wg.Go(func() { k.gatherer(ctx) })
	wg.Go(func() { k.repay(ctx) })
	wg.Wait()
}

func (k *Keeper) settler(ctx context.Context) {
	for {
		select {
		case s := <-k.settles:
			k.tell(ctx, s)
		case <-ctx.Done():
			k.tellRest(ctx, k.settles)
			return
		}
	}
}

// gatherer tells settlements that nobody waits for, many in one message.
func (k *Keeper) gatherer(ctx context.Context) {
	for {
		select {
		case s := <-k.gathered:
			if len(k.gathered) < together {
				wait(ctx, gather)
			}
			k.tellMany(ctx, k.drawn(s))
		case <-ctx.Done():
			k.tellRest(ctx, k.gathered)
			return
		}
	}
}

// drawn is a message's worth of what was gathered.
func (k *Keeper) drawn(first *ratelimitv1.SettleRequest) []*ratelimitv1.SettleRequest {
	list := []*ratelimitv1.SettleRequest{first}
	for len(list) < together {
		select {
		case s := <-k.gathered:
			list = append(list, s)
		default:
			return list
		}
	}
	return list
}

// tellMany repeats settlements until all are done; by their ids they count once.
func (k *Keeper) tellMany(ctx context.Context, list []*ratelimitv1.SettleRequest) {
	for range settleAttempts {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		answer, err := k.client.SettleMany(bounded, &ratelimitv1.SettleManyRequest{Settlements: list})
		cancel()
		if err == nil {
			list = failed(list, answer.GetFailed())
		}
		if len(list) == 0 || !wait(ctx, settlePause) {
			return
		}
	}
	k.log.Warn("settlements couldn't be told: the reservations stay spent until they run out", "count", len(list))
}

// failed are those that have to be repeated.
func failed(list []*ratelimitv1.SettleRequest, places []int32) []*ratelimitv1.SettleRequest {
	var again []*ratelimitv1.SettleRequest
	for _, i := range places {
		if int(i) < len(list) {
			again = append(again, list[i])
		}
	}
	return again
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

func (k *Keeper) tellRest(ctx context.Context, queue <-chan *ratelimitv1.SettleRequest) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSettles)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case s := <-queue:
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
