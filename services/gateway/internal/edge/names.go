package edge

import (
	"net/http"

	"github.com/headgate-mesh/headgate/kit/meta"
)

// spellings are the header names that answers and requests mostly carry, as net/http spells them: making that spelling
// anew costs an allocation each time.
var spellings = spell(
	meta.Provider, meta.Model, meta.UpstreamRequestID, meta.Attempts, meta.Warnings, meta.Cache,
	meta.Sensitivity, meta.Route, meta.TimeoutMS, meta.FirstContentMS, meta.GapMS, meta.Tags, meta.CacheTTL, meta.Priority,
	"content-type", "retry-after", "retry-after-ms", "x-should-retry",
	"openai-processing-ms", "openai-version", "openai-model",
	"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
	"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
	"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
	"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset",
	"anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset",
	"anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset",
)

func spell(names ...string) map[string]string {
	spelled := make(map[string]string, len(names))
	for _, name := range names {
		spelled[name] = http.CanonicalHeaderKey(name)
	}
	return spelled
}

// spelling returns a header's name, in lower case, as net/http spells it.
func spelling(name string) string {
	if s, ok := spellings[name]; ok {
		return s
	}
	return http.CanonicalHeaderKey(name)
}

// add is http.Header.Add for a name in lower case.
func add(h http.Header, name, value string) {
	key := spelling(name)
	h[key] = append(h[key], value)
}

// set is http.Header.Set for a name in lower case.
func set(h http.Header, name, value string) { h[spelling(name)] = []string{value} }
