package sim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listModels serves GET /v1/models in the shape of the vendor whose client asks.
func (x *exchange) listModels() error {
	var mine []Model
	for _, m := range x.s.cfg.Models {
		if m.Vendor == x.host.String() {
			mine = append(mine, m)
		}
	}
	if x.v == anthropic {
		return x.page(mine)
	}
	data := make([]any, len(mine))
	for i, m := range mine {
		data[i] = x.modelCard(m)
	}
	return x.json(http.StatusOK, encode(struct {
		Object string `json:"object"`
		Data   []any  `json:"data"`
	}{"list", data}))
}

// getModel serves GET /v1/models/{id}; the id may contain escaped slashes.
func (x *exchange) getModel() error {
	id := strings.TrimPrefix(x.path, "/v1/models/")
	m, ok := x.s.lookup(x.host, id)
	switch {
	case !ok:
		return x.fail(x.v.noModel(id))
	case x.v == anthropic:
		return x.json(http.StatusOK, encode(anthropicModel(m)))
	}
	return x.json(http.StatusOK, encode(x.modelCard(m)))
}

// page is Anthropic's list: limit, after_id and before_id choose a part of it.
func (x *exchange) page(all []Model) error {
	q := x.r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if q.Get("limit") == "" {
		limit, err = 20, nil
	}
	if err != nil || limit < 1 || limit > 1000 {
		return x.fail(r400("limit", "Input should be a valid integer from 1 to 1000"))
	}
	at := func(id string) int { return slices.IndexFunc(all, func(m Model) bool { return m.ID == id }) }
	if i := at(q.Get("after_id")); i >= 0 {
		all = all[i+1:]
	}
	if i := at(q.Get("before_id")); i >= 0 {
		all = all[max(0, i-limit):i]
	}
	more := len(all) > limit
	all = all[:min(limit, len(all))]
	return x.json(http.StatusOK, encode(newPage(all, more)))
}

// modelPage is the list's shape; first and last are null when it is empty.
type modelPage struct {
	Data    []any   `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

func newPage(list []Model, more bool) modelPage {
	p := modelPage{Data: []any{}, HasMore: more}
	for i := range list {
		p.Data = append(p.Data, anthropicModel(list[i]))
		p.LastID = &list[i].ID
	}
	if len(list) > 0 {
		p.FirstID = &list[0].ID
	}
	return p
}

// modelCard is a model in the shape of the OpenAI dialect's servers.
func (x *exchange) modelCard(m Model) any {
	switch x.host {
	case vLLM:
		return x.s.vllmModel(m)
	case tgi:
		return tgiModel(m)
	}
	return openAIModel(m)
}

func openAIModel(m Model) any {
	return struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}{m.ID, "model", m.created().Unix(), "system"}
}

func anthropicModel(m Model) any {
	return struct {
		Type        string `json:"type"`
		ID          string `json:"id"`
		DisplayName string `json:"display_name"`
		CreatedAt   string `json:"created_at"`
		MaxInput    int    `json:"max_input_tokens"`
		MaxTokens   int    `json:"max_tokens"`
	}{"model", m.ID, m.ID, m.created().Format(time.RFC3339), 200_000, 64_000}
}
