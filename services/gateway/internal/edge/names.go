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
	"content-type", "content-length", "retry-after", "retry-after-ms", "x-should-retry",
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

// fields writes to a header, with names in lower case. The values are made in one piece: most names have one.
type fields struct {
	header http.Header
	values []string
}

// fieldsOf writes about n fields.
func fieldsOf(h http.Header, n int) *fields { return &fields{header: h, values: make([]string, 0, n)} }

// add is http.Header.Add.
func (f *fields) add(name, value string) {
	key := spelling(name)
	if before := f.header[key]; len(before) > 0 {
		f.header[key] = append(before, value)
		return
	}
	f.header[key] = f.one(value)
}

// set is http.Header.Set.
func (f *fields) set(name, value string) { f.header[spelling(name)] = f.one(value) }

func (f *fields) one(value string) []string {
	f.values = append(f.values, value)
	n := len(f.values)
	return f.values[n-1 : n : n]
}
