package openai

import (
	"encoding/json"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

type modelList struct {
	Object string       `json:"object"`
	Data   []modelEntry `json:"data"`
}

type modelEntry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// EncodeModels writes the list of GET /v1/models.
func EncodeModels(models []*llmv1.Model) []byte {
	list := modelList{Object: "list", Data: make([]modelEntry, 0, len(models))}
	for _, m := range models {
		list.Data = append(list.Data, entryOf(m))
	}
	return encode(list)
}

// EncodeModel writes the entry of GET /v1/models/{id}.
func EncodeModel(m *llmv1.Model) []byte { return encode(entryOf(m)) }

func entryOf(m *llmv1.Model) modelEntry {
	return modelEntry{ID: m.GetId(), Object: "model", Created: m.GetCreatedUnixSeconds(), OwnedBy: m.GetOwnedBy()}
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
	if err := json.Unmarshal(body, &list); err != nil || list.Data == nil {
		return nil, malformed(err)
	}
	models := make([]*llmv1.Model, 0, len(list.Data))
	for _, e := range list.Data {
		models = append(models, &llmv1.Model{Id: e.ID, OwnedBy: e.OwnedBy, CreatedUnixSeconds: e.Created})
	}
	return models, nil
}
