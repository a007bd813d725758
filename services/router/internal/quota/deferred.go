package quota

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// Defer reserves the most that a call can use which somebody makes later, such as a line of a batch at a provider. It takes
// no place of concurrency and stays reserved for hold, whatever becomes of this router; then it stays spent. What it
// returns ends it with SettleDeferred, at any router; nil where nothing is limited. The errors are those of Reserve, and
// SERVICE_UNAVAILABLE where nobody answers: nothing is promised alone for so long.
func (k *Keeper) Defer(ctx context.Context, a Account, requestID string, most Amount, hold time.Duration) (*ratelimitv1.ReserveRequest, error) {
	if unlimited(a.Key) && unlimited(a.TenantLimits) {
		return nil, nil
	}
	c := a.claim(most)
	if err := c.tooLarge(); err != nil {
		return nil, err
	}
	request := k.request(&c, requestID)
	request.Deferred, request.Hold = true, durationpb.New(hold)
	if k.health.Gone() {
		return nil, nobody()
	}
	answer, err := k.put(ctx, &c, request)
	if answer == nil && err == nil {
		return nil, nobody()
	}
	return request, err
}

// SettleDeferred ends what Defer reserved, here or at another router, with what was used; unused says that the call was
// never made. Only the first call for a reservation does anything. It never waits; nil is a reservation of nothing.
func (k *Keeper) SettleDeferred(r *ratelimitv1.ReserveRequest, used Amount, unused bool) {
	if r == nil {
		return
	}
	k.end(r, Amount{Tokens: max(used.Tokens, 0), PicoUSD: max(used.PicoUSD, 0)}, unused, nil)
}
