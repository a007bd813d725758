package openai

import (
	"strconv"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
)

// LimitHeaders tells how a limit stands as api.openai.com does: x-ratelimit-{limit,remaining,reset}-{requests,tokens},
// the reset as a duration such as 6m0s or 250ms.
func LimitHeaders(set func(name, value string), b dialect.Balance) {
	limit, remaining, reset := "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"
	switch b.What {
	case "requests":
	case "tokens":
		limit, remaining, reset = "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"
	default:
		return
	}
	set(limit, strconv.FormatInt(b.Limit, 10))
	set(remaining, strconv.FormatInt(max(b.Remaining, 0), 10))
	set(reset, b.Reset.Round(time.Millisecond).String())
}
