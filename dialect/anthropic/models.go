package anthropic

import (
	"encoding/json"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

type modelList struct {
	Data    []modelEntry `json:"data"`
	HasMore bool         `json:"has_more"`
	FirstID *string      `json:"first_id"`
	LastID  *string      `json:"last_id"`
}

type modelEntry struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
}

// EncodeModels writes the list of GET /v1/models, in one page.
func EncodeModels(models []*llmv1.Model) []byte {
	list := modelList{Data: make([]modelEntry, 0, len(models))}
	for _, m := range models {
		list.Data = append(list.Data, entryOf(m))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	return encode(list)
}

// EncodeModel writes the entry of GET /v1/models/{id}.
func EncodeModel(m *llmv1.Model) []byte { return encode(entryOf(m)) }

func entryOf(m *llmv1.Model) modelEntry {
	name := m.GetDisplayName()
	if name == "" {
		name = m.GetId()
	}
	return modelEntry{Type: "model", ID: m.GetId(), DisplayName: name, CreatedAt: time.Unix(m.GetCreatedUnixSeconds(), 0).UTC()}
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return body
}

// DecodeModels reads a provider's list. The error is a *fault.Error, PROVIDER_MALFORMED.
func DecodeModels(body []byte) ([]*llmv1.Model, error) {
	var list modelList
	if err := parse(body, &list); err != nil {
		return nil, err
	}
	if list.Data == nil {
		return nil, malformed(nil)
	}
	models := make([]*llmv1.Model, 0, len(list.Data))
	for _, e := range list.Data {
		models = append(models, e.model())
	}
	return models, nil
}

func (e modelEntry) model() *llmv1.Model {
	m := &llmv1.Model{Id: e.ID, DisplayName: e.DisplayName, OwnedBy: "anthropic"}
	if !e.CreatedAt.IsZero() {
		m.CreatedUnixSeconds = e.CreatedAt.Unix()
	}
	return m
}

// parse checks text before it decodes it: encoding/json takes invalid UTF-8 for U+FFFD.
func parse(data []byte, into any) error {
	if err := rawjson.Check(data, dialect.MaxAnswerDepth); err != nil {
		return malformed(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return malformed(err)
	}
	return nil
}
