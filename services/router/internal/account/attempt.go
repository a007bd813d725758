package account

import (
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Attempt is one attempt at a provider, under observation and in the books. It belongs to one goroutine.
type Attempt struct {
	seen    *observe.Attempt
	call    *Call
	target  catalog.Target
	began   time.Time
	first   time.Duration
	reading dialect.Reading
	status  int
	id      string
	booked  bool
	// meter is set where the answer could use more than a limit on tokens or a budget has.
	meter *meter
}

// Attempt begins one; the context carries its span. The caller ends it.
func (c *Call) Attempt(ctx context.Context, t catalog.Target) (context.Context, *Attempt) {
	ctx, seen := c.desk.Observer.Begin(ctx, c.ask.Operation, t, c.ask.Stream)
	a := &Attempt{seen: seen, call: c, target: t, began: time.Now()}
	a.meter = c.watch(ctx, a)
	return ctx, a
}

// Answered notes how the provider's answer begins: its HTTP status, 0 where it has none, and its own id of the exchange.
func (a *Attempt) Answered(status int, upstreamRequestID string) {
	a.status, a.id = status, upstreamRequestID
}

// Content notes that the client could see something; only the first time counts.
func (a *Attempt) Content() {
	if a.first == 0 {
		a.first = time.Since(a.began)
	}
	a.seen.Content()
}

// Reading notes what the answer told so far.
func (a *Attempt) Reading(r dialect.Reading) {
	a.reading = r
	a.seen.Reading(r)
}

// Book writes the attempt down, once: before the frame that ends its answer leaves. err is nil for a complete answer.
// What never reached a provider isn't written down.
func (a *Attempt) Book(err error) {
	if a.booked {
		return
	}
	if err != nil {
		a.heard(err)
	}
	if a.status == 0 && provider.Unasked(err) {
		return
	}
	a.booked = true
	a.call.attempts++
	tokens, estimated := a.consumed(err)
	a.call.tokens += tokens.GetInputTokens() + tokens.GetOutputTokens()
	if a.call.money != nil {
		a.call.money.spend(a, tokens, err)
	}
	if a.call.desk.Ledger == nil {
		return
	}
	e := a.call.event(a.call.attempts)
	a.call.time(e, a.began)
	if a.first > 0 && a.call.ask.Stream {
		e.FirstContent = durationpb.New(a.first)
	}
	e.Provider, e.UpstreamModel, e.ResponseModel = a.target.Provider.Name, a.target.Model, a.reading.Model
	e.HttpStatus, e.UpstreamRequestId = int32(a.status), a.id //nolint:gosec // an HTTP status
	e.FinishReason, e.Tokens, e.Estimated = a.reading.Finish, tokens, estimated
	a.judge(e, err)
	a.price(e)
	a.call.write(e)
}

// heard notes what there was of an answer that can't be used.
func (a *Attempt) heard(err error) {
	var broken *provider.BrokenError
	if !errors.As(err, &broken) {
		return
	}
	if a.status == 0 {
		a.Answered(http.StatusOK, broken.UpstreamRequestID)
	}
	a.reading.Said = max(a.reading.Said, broken.Said)
}

// End books the attempt, if it isn't yet, and ends its observation.
func (a *Attempt) End(err error) {
	a.Book(err)
	a.seen.End(err)
}

// bytesPerToken is what an English text with JSON around it comes to.
const bytesPerToken = 4

// consumed is the provider's count, or an estimate where it gave none and yet answered. A count that comes before the reason
// why the answer ended is of its beginning only.
func (a *Attempt) consumed(err error) (tokens *llmv1.TokenUsage, estimated bool) {
	u := a.reading.Usage
	switch {
	case u != nil && (err == nil || a.reading.Finish != llmv1.FinishReason_FINISH_REASON_UNSPECIFIED):
		return u, false
	case a.call.ask.Operation == observe.CountTokens, a.status >= 400, a.status == 0 && a.reading.Said == 0:
		return u, false
	}
	return a.guess(a.reading), true
}

// guess is what an answer consumed that told so much and no more.
func (a *Attempt) guess(r dialect.Reading) *llmv1.TokenUsage {
	guess, u := &llmv1.TokenUsage{InputTokens: a.call.ask.Input}, r.Usage
	if a.call.ask.Operation != observe.Embeddings { // vectors are no tokens
		guess.OutputTokens = (r.Said + bytesPerToken - 1) / bytesPerToken
	}
	if u != nil {
		guess.OutputTokens = max(guess.OutputTokens, u.GetOutputTokens())
		guess.InputTokens, guess.CachedInputTokens, guess.CacheWriteTokens = u.GetInputTokens(), u.GetCachedInputTokens(), u.GetCacheWriteTokens()
	}
	return guess
}

// judge writes how it ended.
func (a *Attempt) judge(e *usagev1.Event, err error) {
	if err == nil {
		e.Outcome = usagev1.Outcome_OUTCOME_COMPLETE
		return
	}
	f := fault.From(err)
	e.Reason = fault.Code(f.Reason)
	switch f.Reason {
	case errorsv1.Reason_REASON_CANCELLED:
		e.Outcome = usagev1.Outcome_OUTCOME_CLIENT_LEFT
	case errorsv1.Reason_REASON_TIMEOUT:
		e.Outcome = usagev1.Outcome_OUTCOME_TIMEOUT
	case errorsv1.Reason_REASON_PROVIDER_ERROR, errorsv1.Reason_REASON_PROVIDER_CREDENTIALS:
		e.Outcome = usagev1.Outcome_OUTCOME_PROVIDER_ERROR
	default:
		e.Outcome = usagev1.Outcome_OUTCOME_BROKEN
	}
}

// price writes what it costs.
func (a *Attempt) price(e *usagev1.Event) {
	if cost, version, ok := a.cost(e.Tokens); ok {
		e.CostPicoUsd, e.PriceVersion = &cost, version
	}
}

// cost is what tokens cost here. Where nothing was consumed nothing is owed, whatever the price.
func (a *Attempt) cost(u *llmv1.TokenUsage) (picoUSD int64, version string, known bool) {
	prices := a.call.desk.Prices
	if u == nil || prices == nil {
		return 0, "", false
	}
	kind := a.target.Provider.Kind
	picoUSD, version, known = prices.Cost(kind, a.reading.Model, u)
	if !known && a.reading.Model != a.target.Model {
		return prices.Cost(kind, a.target.Model, u)
	}
	return picoUSD, version, known
}
