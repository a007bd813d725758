package sim

import (
	"net/http"
	"unicode/utf8"
)

// tgiModel is the one entry of the list: the model that is served.
func tgiModel(m Model) any {
	return struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}{m.snapshot(), "model", 0, m.snapshot()}
}

// tgiInfo serves GET /info.
func (x *exchange) tgiInfo() error {
	e := x.s.cfg.TGI
	return x.json(http.StatusOK, encode(struct {
		ModelID          string  `json:"model_id"`
		ModelSHA         *string `json:"model_sha"`
		Pipeline         string  `json:"model_pipeline_tag"`
		MaxConcurrent    int     `json:"max_concurrent_requests"`
		MaxBestOf        int     `json:"max_best_of"`
		MaxStopSequences int     `json:"max_stop_sequences"`
		MaxInput         int     `json:"max_input_tokens"`
		MaxTotal         int     `json:"max_total_tokens"`
		Workers          int     `json:"validation_workers"`
		MaxClientBatch   int     `json:"max_client_batch_size"`
		Router           string  `json:"router"`
		Version          string  `json:"version"`
		SHA              *string `json:"sha"`
		Docker           *string `json:"docker_label"`
	}{
		x.s.servedName(tgi), nil, "text-generation", e.Limit, 2, 4, e.Context - 1, e.Context, 2, 4,
		"text-generation-router", tgiRelease, nil, nil,
	}))
}

type tgiPiece struct {
	ID    int    `json:"id"`
	Text  string `json:"text"`
	Start int    `json:"start"`
	Stop  int    `json:"stop"`
}

// tgiPieces are the tokens of a text with where they stand in it, in characters.
func tgiPieces(text string) []tgiPiece {
	list, at := []tgiPiece{}, 0
	for _, t := range byTokens(text) {
		n := utf8.RuneCountInString(t)
		list = append(list, tgiPiece{tokenID(t), t, at, at + n})
		at += n
	}
	return list
}

// tgiTokenize serves POST /tokenize.
func (x *exchange) tgiTokenize() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	r := &reader{v: tgi, in: x.in}
	r.need("inputs")
	text := r.text("inputs")
	if r.bad != nil {
		return x.fail(*r.bad)
	}
	return x.json(http.StatusOK, encode(tgiPieces(text)))
}

// tgiChatTokenize serves POST /chat_tokenize: the text that the model would get, taken apart. There are as many pieces as
// a chat's prompt_tokens.
func (x *exchange) tgiChatTokenize() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	a, refused, invalid := x.s.readTGIChat(x.in)
	if refused != nil {
		return x.fail(*refused)
	}
	if invalid != nil {
		return x.fail(*invalid)
	}
	text := prose(1, opening(a), a.prompt.tokens, 0)
	text, _ = firstTokens(text, a.prompt.tokens)
	return x.json(http.StatusOK, encode(struct {
		Pieces []tgiPiece `json:"tokenize_response"`
		Text   string     `json:"templated_text"`
	}{tgiPieces(text), text}))
}

// tgiMetrics serves GET /metrics.
func (x *exchange) tgiMetrics() error {
	e, l := x.s.engines[tgi], x.load()
	p := &page{}
	p.one("tgi_queue_size", "gauge", "Requests that wait.", float64(l.waiting))
	p.one("tgi_batch_current_size", "gauge", "Requests in the batch.", float64(l.running))
	p.one("tgi_batch_current_max_tokens", "gauge", "Tokens that the batch may grow to.", float64(l.running*e.Context))
	e.mu.Lock()
	defer e.mu.Unlock()
	p.one("tgi_request_count", "counter", "Requests.", float64(e.took.count))
	p.one("tgi_request_success", "counter", "Requests that were answered.", float64(e.done["stop"]))
	p.histogram("tgi_request_duration", "Duration of requests in seconds.", &e.took)
	return x.metrics(p)
}
