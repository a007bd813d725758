package edge

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// WithLimits puts how Headgate's own limits stand in place of the provider's, which are not the caller's: in the form of
// the dialect. Without balances the headers stay as they are.
func (e *Edge) WithLimits(headers []*routerv1.Header, balances []*ratelimitv1.Balance) []*routerv1.Header {
	if len(balances) == 0 {
		return headers
	}
	headers = slices.DeleteFunc(headers, func(h *routerv1.Header) bool {
		return strings.HasPrefix(h.GetName(), "x-ratelimit-") || strings.HasPrefix(h.GetName(), "anthropic-ratelimit-")
	})
	made := make([]routerv1.Header, 0, 3*len(balances))
	headers = slices.Grow(headers, cap(made))
	set := func(name, value string) {
		made = append(made, routerv1.Header{Name: name, Value: value})
		headers = append(headers, &made[len(made)-1])
	}
	for _, b := range balances {
		e.limit(set, dialect.Balance{
			What: counted(b.GetDimension()), Limit: b.GetLimit(), Remaining: b.GetRemaining(), Reset: b.GetResetAfter().AsDuration(),
		})
	}
	return headers
}

func (e *Edge) limit(set func(name, value string), b dialect.Balance) {
	if e.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
		anthropic.LimitHeaders(set, b, time.Now())
		return
	}
	openai.LimitHeaders(set, b)
}

// counted is the dialects' word for what is counted; empty where they have none.
func counted(d ratelimitv1.Dimension) string {
	switch d {
	case ratelimitv1.Dimension_DIMENSION_REQUESTS:
		return "requests"
	case ratelimitv1.Dimension_DIMENSION_TOKENS:
		return "tokens"
	}
	return ""
}
