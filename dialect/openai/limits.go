package openai

import (
	"strconv"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
)

// LimitHeaders tells how a limit stands as api.openai.com does: x-ratelimit-{limit,remaining,reset}-{requests,tokens},
// the reset as a duration such as 6m0s or 250ms.
func LimitHeaders(set func(name, value string), b dialect.Balance) {
	if b.What != "requests" && b.What != "tokens" {
		return
	}
	set("x-ratelimit-limit-"+b.What, strconv.FormatInt(b.Limit, 10))
	set("x-ratelimit-remaining-"+b.What, strconv.FormatInt(max(b.Remaining, 0), 10))
	set("x-ratelimit-reset-"+b.What, b.Reset.Round(time.Millisecond).String())
}
