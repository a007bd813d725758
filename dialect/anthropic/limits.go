package anthropic

import (
	"strconv"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
)

// LimitHeaders tells how a limit stands as api.anthropic.com does: anthropic-ratelimit-{requests,tokens}-{limit,remaining,
// reset}, the reset as a time in RFC 3339.
func LimitHeaders(set func(name, value string), b dialect.Balance, now time.Time) {
	if b.What != "requests" && b.What != "tokens" {
		return
	}
	prefix := "anthropic-ratelimit-" + b.What
	set(prefix+"-limit", strconv.FormatInt(b.Limit, 10))
	set(prefix+"-remaining", strconv.FormatInt(max(b.Remaining, 0), 10))
	set(prefix+"-reset", now.Add(b.Reset+time.Second-1).UTC().Truncate(time.Second).Format(time.RFC3339))
}
