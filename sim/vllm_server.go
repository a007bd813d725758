package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// vllmModel is the card of a model, with the context it is served with.
func (s *Sim) vllmModel(m Model) any {
	type permission struct {
		ID                 string  `json:"id"`
		Object             string  `json:"object"`
		Created            int64   `json:"created"`
		AllowCreateEngine  bool    `json:"allow_create_engine"`
		AllowSampling      bool    `json:"allow_sampling"`
		AllowLogprobs      bool    `json:"allow_logprobs"`
		AllowSearchIndices bool    `json:"allow_search_indices"`
		AllowView          bool    `json:"allow_view"`
		AllowFineTuning    bool    `json:"allow_fine_tuning"`
		Organization       string  `json:"organization"`
		Group              *string `json:"group"`
		IsBlocking         bool    `json:"is_blocking"`
	}
	now := s.cfg.Now().Unix() // vLLM knows no other time
	return struct {
		ID          string       `json:"id"`
		Object      string       `json:"object"`
		Created     int64        `json:"created"`
		OwnedBy     string       `json:"owned_by"`
		Root        string       `json:"root"`
		Parent      *string      `json:"parent"`
		MaxModelLen int          `json:"max_model_len"`
		Permission  []permission `json:"permission"`
	}{m.ID, "model", now, "vllm", m.snapshot(), nil, s.cfg.VLLM.Context, []permission{{
		ID: "modelperm-" + digestOf(s.cfg.Seed+"permission", []byte(m.ID)).hex(16), Object: "model_permission", Created: now,
		AllowSampling: true, AllowLogprobs: true, AllowView: true, Organization: "*",
	}}}
}

// vllmTokenize serves POST /tokenize: a prompt, or a chat's messages and tools.
func (x *exchange) vllmTokenize() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	r := &reader{v: vLLM, in: x.in}
	a := &ask{lax: true}
	var words []string
	if r.has("messages") {
		readVLLMTools(r, a)
		readChatMessages(r, a)
	} else {
		r.need("prompt")
		words = byTokens(r.text("prompt"))
		a.prompt.add(r.text("prompt"))
	}
	if r.bad != nil {
		return x.fail(*r.bad)
	}
	if _, p := x.s.vllmServed(r); p != nil {
		return x.fail(*p)
	}
	return x.json(http.StatusOK, encode(newTokenized(a.prompt.tokens, x.s.cfg.VLLM.Context, words, r.truth("return_token_strs", false))))
}

type tokenized struct {
	Count       int      `json:"count"`
	MaxModelLen int      `json:"max_model_len"`
	Tokens      []int    `json:"tokens"`
	TokenStrs   []string `json:"token_strs"`
}

// newTokenized has an id for every word; what a chat's template adds has none that mean anything.
func newTokenized(count, context int, words []string, strs bool) tokenized {
	t := tokenized{Count: count, MaxModelLen: context, Tokens: make([]int, count)}
	for i, w := range words[:min(count, len(words))] {
		t.Tokens[i] = tokenID(w)
	}
	if strs {
		t.TokenStrs = append([]string{}, words...)
	}
	return t
}

func (x *exchange) vllmVersion() error { return x.json(http.StatusOK, []byte(`{"version":"0.29.0"}`)) }

func (x *exchange) vllmLoad() error {
	l := x.load()
	return x.json(http.StatusOK, append(field(nil, `{"server_load":`, l.running+l.waiting), '}'))
}

// vllmMetrics serves GET /metrics.
func (x *exchange) vllmMetrics() error {
	e, l := x.s.engines[vLLM], x.load()
	p := &page{labels: fmt.Sprintf(`engine="0",model_name=%q,`, x.s.servedName(vLLM))}
	gauge := func(name, help string, value float64) { p.one("vllm:"+name, "gauge", help, value) }
	gauge("num_requests_running", "Number of requests in model execution batches.", float64(l.running))
	gauge("num_requests_waiting", "Number of requests waiting to be processed.", float64(l.waiting))
	p.head("vllm:num_requests_waiting_by_reason", "gauge", "Number of waiting requests by reason.")
	p.series("vllm:num_requests_waiting_by_reason", `reason="capacity",`, float64(l.waiting))
	p.series("vllm:num_requests_waiting_by_reason", `reason="deferred",`, 0)
	gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", l.kvCache)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range []struct {
		name  string
		value int
	}{
		{"num_preemptions", 0},
		{"prefix_cache_queries", e.work.prompt},
		{"prefix_cache_hits", e.work.cached},
		{"prompt_tokens", e.work.prompt},
		{"generation_tokens", e.work.generated},
	} {
		p.one("vllm:"+c.name+"_total", "counter", strings.ReplaceAll(c.name, "_", " ")+".", float64(c.value))
	}
	p.head("vllm:request_success_total", "counter", "Count of successfully processed requests.")
	for _, reason := range []string{"abort", "length", "stop"} {
		n := e.done[reason]
		if reason == "stop" {
			n += e.done["tool_calls"]
		}
		p.series("vllm:request_success_total", `finished_reason="`+reason+`",`, float64(n))
	}
	p.histogram("vllm:e2e_request_latency_seconds", "End to end request latency in seconds.", &e.took)
	return x.metrics(p)
}

// servedName is the name of a self-hosted server's first model.
func (s *Sim) servedName(v vendor) string {
	i := slices.IndexFunc(s.cfg.Models, func(m Model) bool { return m.Vendor == v.String() })
	if i < 0 {
		return "none"
	}
	return s.cfg.Models[i].snapshot()
}
