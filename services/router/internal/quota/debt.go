package quota

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// owe notes money that was spent while nobody answered, to be told later.
func (k *Keeper) owe(c *claim, requestID string, picoUSD int64) {
	debt := settlement(k.request(c, requestID))
	debt.CostPicoUsd = picoUSD
	select {
	case k.debts <- debt:
	default:
		k.log.Warn("too much was spent alone: a budget learns of some of it from the ledger only")
	}
}

// repay tells debts, one after the other, until ctx ends. What isn't told by then is in the ledger.
func (k *Keeper) repay(ctx context.Context) {
	for {
		select {
		case d := <-k.debts:
			for !k.repaid(ctx, d) {
				if !wait(ctx, settlePause) {
					return
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// repaid tells a debt: a reservation of nothing, and an overrun. It returns false where it has to be told again; by its
// id it counts once.
func (k *Keeper) repaid(ctx context.Context, d *ratelimitv1.SettleRequest) bool {
	if k.health.Gone() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	answer, err := k.client.Reserve(ctx, &ratelimitv1.ReserveRequest{
		ReservationId: d.GetReservationId(), Holder: d.GetHolder(), Tenant: d.GetTenant(), Scopes: d.GetScopes(),
	})
	switch code := status.Code(err); {
	case code == codes.InvalidArgument, code == codes.PermissionDenied, code == codes.Unauthenticated:
		k.log.Error("what was spent alone can't be told to the service of limits", "cause", err.Error())
		return true
	case err != nil, answer.GetDegraded(), answer.GetRefusal().GetUnseeded():
		return false
	case answer.GetRefusal() != nil: // the budget is overdrawn without it
		k.log.Warn("what was spent alone finds its budget overdrawn")
		return true
	}
	_, err = k.client.Settle(ctx, d)
	return err == nil
}
