package sim

import (
	"net/http"
	"strconv"
	"time"
)

// requestID is the id of the n-th request: unlike the ids in bodies it differs between requests alike.
func (v vendor) requestID(seed string, n uint64) string {
	d := digestOf(seed, strconv.AppendUint([]byte("request"), n, 10))
	if v == anthropic {
		return d.id("req_01", 22)
	}
	return "req_" + d.hex(32)
}

// headers are those that the vendor puts on every response.
func (v vendor) headers(h http.Header, x *exchange) {
	switch v {
	case anthropic:
		anthropicHeaders(h, x)
		return
	case vLLM:
		h["Server"] = []string{"uvicorn"}
		return
	case tgi:
		return
	}
	h["X-Request-Id"] = []string{x.id}
	h["Openai-Processing-Ms"] = []string{"42"}
	h["Openai-Version"] = []string{"2020-10-01"}
	h["Openai-Organization"] = []string{"org-sim"}
	h["Openai-Project"] = []string{"proj_sim"}
	h["X-Ratelimit-Limit-Requests"] = []string{"500"}
	h["X-Ratelimit-Remaining-Requests"] = []string{"499"}
	h["X-Ratelimit-Reset-Requests"] = []string{"120ms"}
	h["X-Ratelimit-Limit-Tokens"] = []string{"200000"}
	h["X-Ratelimit-Remaining-Tokens"] = []string{"199984"}
	h["X-Ratelimit-Reset-Tokens"] = []string{"6m0s"}
}

// anthropicLimits are the limits the vendor tells, with what remains of them, rounded to thousands for tokens.
var anthropicLimits = [...]struct{ name, limit, remaining string }{
	{"Requests", "4000", "3999"},
	{"Tokens", "280000", "279000"},
	{"Input-Tokens", "200000", "199000"},
	{"Output-Tokens", "80000", "80000"},
}

func anthropicHeaders(h http.Header, x *exchange) {
	h["Request-Id"] = []string{x.id}
	h["Anthropic-Organization-Id"] = []string{"00000000-0000-4000-8000-000000000000"}
	reset := []string{x.at.UTC().Add(time.Second).Format(time.RFC3339)}
	for i := range anthropicLimits {
		l := &anthropicLimits[i]
		h["Anthropic-Ratelimit-"+l.name+"-Limit"] = []string{l.limit}
		h["Anthropic-Ratelimit-"+l.name+"-Remaining"] = []string{l.remaining}
		h["Anthropic-Ratelimit-"+l.name+"-Reset"] = reset
	}
}

// startStream sends the headers that announce server-sent events.
func (x *exchange) startStream(status int) error {
	h := x.w.Header()
	if h.Get("Content-Type") == "" { // a recorded one stays
		h["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
		if x.host == tgi {
			h["Content-Type"] = []string{"text/event-stream"}
			h["X-Accel-Buffering"] = []string{"no"}
		}
		h["Cache-Control"] = []string{"no-cache"}
	}
	x.streaming = true
	x.s.stats.begin()
	return x.out.start(status)
}
