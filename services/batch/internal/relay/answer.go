package relay

import (
	"net/http"
	"strconv"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// answer collects what the router says to one line.
type answer struct {
	batch     *store.Batch
	requestID string
	limit     int

	status   int
	after    time.Duration
	body     []byte
	large    bool
	complete bool
	usage    *llmv1.TokenUsage
}

func (a *answer) take(m *routerv1.RelayResponse) {
	if h := m.GetHead(); h != nil {
		a.status = int(h.GetStatus())
		a.after = retryAfter(h.GetHeaders())
	}
	if a.large = len(a.body)+len(m.GetData()) > a.limit; a.large {
		return
	}
	a.body = append(a.body, m.GetData()...)
	if t := m.GetTrailer(); t != nil {
		a.complete, a.usage = t.GetComplete(), t.GetUsage()
	}
}

// retryAfter reads the header in seconds, which is how providers write it.
func retryAfter(headers []*routerv1.Header) time.Duration {
	for _, h := range headers {
		if h.GetName() != "retry-after" {
			continue
		}
		if s, err := strconv.Atoi(h.GetValue()); err == nil && s > 0 {
			return time.Duration(s) * time.Second
		}
	}
	return 0
}

// judge says what becomes of the line.
func (a *answer) judge(err error) queue.Answer {
	switch {
	case a.large:
		return a.errored(0, result.OwnError(a.batch.Dialect, result.TooLarge, "the answer is larger than a batch keeps", a.requestID))
	case err != nil:
		return a.failed(fault.From(err))
	case a.status == 0 || (a.status < http.StatusBadRequest && !a.complete):
		return a.failed(fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "the answer ended before its end"))
	case a.status < http.StatusBadRequest:
		return a.answered(batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, a.status, result.Text(a.body))
	}
	answer := a.errored(a.status, result.Text(a.body))
	answer.Verdict, answer.After = verdictOf(a.status), a.after
	return answer
}

// failed is for what the router itself reports.
func (a *answer) failed(f *fault.Error) queue.Answer {
	answer := a.errored(f.HTTPStatus(), result.ErrorBody(a.batch.Dialect, f, a.requestID))
	answer.After = f.RetryAfter
	switch f.Reason {
	case errorsv1.Reason_REASON_OVERLOADED:
		answer.Verdict = queue.Full
	case errorsv1.Reason_REASON_RATE_LIMITED, errorsv1.Reason_REASON_SERVICE_UNAVAILABLE,
		errorsv1.Reason_REASON_USAGE_LOG_FULL, errorsv1.Reason_REASON_PROVIDER_UNREACHABLE:
		answer.Verdict = queue.Busy
	case errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		answer.Poor = true
		if f.RetryAfter > 0 { // there will be money again, perhaps in time
			answer.Verdict = queue.Busy
		}
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		answer.Verdict = verdictOf(f.HTTPStatus())
	case errorsv1.Reason_REASON_CANCELLED, errorsv1.Reason_REASON_INTERNAL:
		answer.Verdict = queue.Broken
	default:
		if f.Retryable() {
			answer.Verdict = queue.Broken
		}
	}
	return answer
}

// statusOverloaded is Anthropic's.
const statusOverloaded = 529

// verdictOf tells a provider that wants to be left alone from one that stumbled over the request.
func verdictOf(status int) queue.Verdict {
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == statusOverloaded:
		return queue.Busy
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status >= http.StatusInternalServerError:
		return queue.Broken
	}
	return queue.Done
}

func (a *answer) errored(status int, body []byte) queue.Answer {
	return a.answered(batchv1.LineOutcome_LINE_OUTCOME_ERRORED, status, body)
}

func (a *answer) answered(o batchv1.LineOutcome, status int, body []byte) queue.Answer {
	u := a.usage
	return queue.Answer{Outcome: o, HTTPStatus: status, Body: body, Usage: store.Usage{
		Input: u.GetInputTokens(), Cached: u.GetCachedInputTokens(), Written: u.GetCacheWriteTokens(),
		Output: u.GetOutputTokens(), Reasoning: u.GetReasoningTokens(),
	}}
}
