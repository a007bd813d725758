package quota

import (
	"context"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/pulse"
)

// ask lets the service decide. Both results are nil where nobody is there to answer. A late answer alone is no reason to
// decide here: the service may have admitted others meanwhile, and both together would be more than the limit.
func (k *Keeper) ask(ctx context.Context, c *claim, requestID string) (*Reservation, error) {
	request := k.request(c, requestID)
	answer, err := k.put(ctx, c, request)
	if answer == nil {
		return nil, err
	}
	r := &Reservation{keeper: k, tokens: c.tokens, asked: &asked{request: request, told: answer.GetBalances()}}
	for i := range r.stocks {
		if !c.none(i) {
			r.stocks[i] = k.stocks.lock(c.names[i], c.limits[i])
			r.stocks[i].open++
			r.stocks[i].mu.Unlock()
		}
	}
	return r, nil
}

// put puts the question. It returns the service's yes, or its no as an error, or neither where nobody is there to answer.
func (k *Keeper) put(ctx context.Context, c *claim, request *ratelimitv1.ReserveRequest) (*ratelimitv1.ReserveResponse, error) {
	began := k.clock()
	waiting, question := k.health.Ask(ctx, k.timeout)
	answer, err := k.client.Reserve(waiting, request)
	if err != nil {
		k.takeBack(request) // it may have happened
		return nil, k.unanswered(ctx, question, err)
	}
	question.Answered()
	k.health.answered(answer.GetDegraded())
	if c.money != nil && !answer.GetDegraded() && !answer.GetRefusal().GetUnseeded() {
		k.learn(c, answer.GetBalances(), began)
	}
	if r := answer.GetRefusal(); r != nil {
		return nil, k.refused(c, r)
	}
	return answer, nil
}

// unanswered learns from a decision that wasn't made. It returns nil where this router has to decide.
func (k *Keeper) unanswered(ctx context.Context, question *pulse.Question, err error) error {
	if ctx.Err() != nil {
		question.Left()
		return cancelled(ctx)
	}
	switch code := status.Code(err); code {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated: // a defect, and no outage
		k.log.Error("the service of limits refuses to be asked: deciding alone", "cause", err.Error())
		question.Failed(err)
	case codes.DeadlineExceeded, codes.Canceled:
		if question.Left(); !k.health.Gone() {
			return tooLate(err)
		}
	default:
		if f := fault.From(err); f.Reason == errorsv1.Reason_REASON_OVERLOADED {
			question.Answered()
			return tooLate(err)
		}
		question.Failed(err)
	}
	return nil
}

func tooLate(err error) error {
	return fault.New(errorsv1.Reason_REASON_OVERLOADED, "the limits couldn't be checked in time: repeat the request").
		Because(err).After(someTime)
}

func cancelled(ctx context.Context) error {
	if context.Cause(ctx) == context.DeadlineExceeded { //nolint:errorlint // the cause of an own deadline is the bare value
		return fault.New(errorsv1.Reason_REASON_TIMEOUT, "the deadline passed before the limits were checked").
			With("timer", "deadline").Because(ctx.Err())
	}
	return fault.New(errorsv1.Reason_REASON_CANCELLED, "the caller left before the limits were checked").Because(ctx.Err())
}

func (k *Keeper) refused(c *claim, r *ratelimitv1.Refusal) error {
	b := r.GetBalance()
	if r.GetUnseeded() {
		return unchecked(b.GetScope(), "the service of limits reads the ledger first")
	}
	if c.money != nil && b.GetDimension() == ratelimitv1.Dimension_DIMENSION_BUDGET {
		return k.unaffordable(c, r)
	}
	if c.more {
		return outrun(b, r.GetRetryAfter().AsDuration())
	}
	if r.GetNever() {
		return larger(b.GetScope(), b.GetDimension(), b.GetLimit())
	}
	return limited(b, r.GetRetryAfter().AsDuration())
}

// maxRequestID is how much of a request's id goes into the reservation's, in bytes.
const maxRequestID = 128

func (k *Keeper) request(c *claim, requestID string) *ratelimitv1.ReserveRequest {
	if len(requestID) > maxRequestID {
		requestID = requestID[:maxRequestID]
	}
	id := requestID + "." + k.holder[max(0, len(k.holder)-26):] + "." + strconv.FormatUint(k.ids.Add(1), 36)
	r := &ratelimitv1.ReserveRequest{
		ReservationId: id, Holder: k.holder, Tenant: c.names[0].tenant, Tokens: c.tokens, CostPicoUsd: c.cost(),
	}
	for i, n := range c.names {
		if !c.none(i) {
			r.Scopes = append(r.Scopes, &ratelimitv1.Scope{Kind: n.kind, Id: n.id, Limits: c.terms(i)})
		}
	}
	return r
}

// takeBack ends a reservation that may stand though nobody uses it.
func (k *Keeper) takeBack(r *ratelimitv1.ReserveRequest) {
	k.end(r, Amount{}, true, nil)
}
