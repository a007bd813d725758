package sim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Model is one name the simulator answers to.
type Model struct {
	// ID is the name clients ask for. Required.
	ID string `yaml:"id"`
	// Vendor is openai, anthropic, vllm or tgi: the server that knows the model. Required.
	Vendor string `yaml:"vendor"`
	// Snapshot is the dated name that answers carry in `model`. Default: ID.
	Snapshot string `yaml:"snapshot"`
	// Dimensions is how long the vectors of an embedding model are; 0: it is a model for chat.
	Dimensions int `yaml:"dimensions"`
	// Created is when the model appeared, as GET /v1/models tells it. Default: 2025-01-01.
	Created time.Time `yaml:"created"`
}

func (m Model) validate() error {
	if m.ID == "" {
		return errors.New("id: is empty")
	}
	if !slices.Contains(vendors[:], m.Vendor) {
		return fmt.Errorf("vendor: %q is not one of %s", m.Vendor, strings.Join(vendors[:], ", "))
	}
	if m.Dimensions < 0 || m.Dimensions > maxDimensions {
		return fmt.Errorf("dimensions: %d is not from 0 to %d", m.Dimensions, maxDimensions)
	}
	return nil
}

// created is the creation time, never zero.
func (m Model) created() time.Time {
	if m.Created.IsZero() {
		return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return m.Created.UTC()
}

// snapshot is the name an answer carries.
func (m Model) snapshot() string {
	if m.Snapshot == "" {
		return m.ID
	}
	return m.Snapshot
}

func defaultModels() []Model {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	return []Model{
		{ID: "gpt-5", Vendor: "openai", Snapshot: "gpt-5-2025-08-07", Created: day(2025, 8, 5)},
		{ID: "gpt-5-mini", Vendor: "openai", Snapshot: "gpt-5-mini-2025-08-07", Created: day(2025, 8, 5)},
		{ID: "gpt-4o", Vendor: "openai", Snapshot: "gpt-4o-2024-08-06", Created: day(2024, 5, 10)},
		{ID: "o3", Vendor: "openai", Snapshot: "o3-2025-04-16", Created: day(2025, 4, 9)},
		{ID: "text-embedding-3-small", Vendor: "openai", Dimensions: 1536, Created: day(2024, 1, 22)},
		{ID: "text-embedding-3-large", Vendor: "openai", Dimensions: 3072, Created: day(2024, 1, 22)},
		{ID: "claude-opus-4-6", Vendor: "anthropic", Created: day(2026, 2, 4)},
		{ID: "claude-sonnet-4-5", Vendor: "anthropic", Snapshot: "claude-sonnet-4-5-20250929", Created: day(2025, 9, 29)},
		{ID: "claude-haiku-4-5", Vendor: "anthropic", Snapshot: "claude-haiku-4-5-20251001", Created: day(2025, 10, 15)},
		{ID: "qwen3-8b", Vendor: "vllm", Created: day(2025, 4, 28)},
		{ID: "bge-m3", Vendor: "vllm", Dimensions: 1024, Created: day(2024, 1, 30)},
		{ID: "tgi", Vendor: "tgi", Snapshot: "meta-llama/Llama-3.1-8B-Instruct", Created: day(2024, 7, 23)},
	}
}

// lookup finds the model of that name at a vendor: a listed one, else any name of the vendor's families.
func (s *Sim) lookup(v vendor, id string) (Model, bool) {
	for _, m := range s.cfg.Models {
		if m.Vendor == v.String() && (m.ID == id || m.Snapshot == id) {
			return m, true
		}
	}
	return Model{ID: id, Vendor: v.String()}, v.family(id)
}

// reasons tells whether an OpenAI name is of a reasoning family, which refuses max_tokens and sampling parameters.
func reasons(id string) bool {
	return strings.HasPrefix(id, "gpt-5") || oSeries(id)
}

func oSeries(id string) bool {
	return len(id) > 1 && id[0] == 'o' && id[1] >= '0' && id[1] <= '9'
}

// chatModel finds a model that answers in words, or says as the vendor does that there is none.
func (s *Sim) chatModel(v vendor, id string) (Model, *problem) {
	m, ok := s.lookup(v, id)
	if !ok {
		p := v.noModel(id)
		return m, &p
	}
	if m.Dimensions == 0 {
		return m, nil
	}
	p := problem{status: http.StatusNotFound, param: "model", message: "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/embeddings?"}
	if v == vLLM {
		p = problem{status: http.StatusBadRequest, message: "The model does not support Chat Completions API"}
	}
	return m, &p
}
