package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Model is one name the simulator answers to.
type Model struct {
	// ID is the name clients ask for. Required.
	ID string `yaml:"id"`
	// Vendor is openai or anthropic: the endpoint that knows the model. Required.
	Vendor string `yaml:"vendor"`
	// Snapshot is the dated name that answers carry in `model`. Default: ID.
	Snapshot string `yaml:"snapshot"`
	// Created is when the model appeared, as GET /v1/models tells it. Default: 2025-01-01.
	Created time.Time `yaml:"created"`
}

func (m Model) validate() error {
	if m.ID == "" {
		return errors.New("id: is empty")
	}
	if m.Vendor != openAI.String() && m.Vendor != anthropic.String() {
		return fmt.Errorf("vendor: %q is neither %s nor %s", m.Vendor, openAI, anthropic)
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
		{"gpt-5", "openai", "gpt-5-2025-08-07", day(2025, 8, 5)},
		{"gpt-5-mini", "openai", "gpt-5-mini-2025-08-07", day(2025, 8, 5)},
		{"gpt-4o", "openai", "gpt-4o-2024-08-06", day(2024, 5, 10)},
		{"o3", "openai", "o3-2025-04-16", day(2025, 4, 9)},
		{"claude-opus-4-6", "anthropic", "", day(2026, 2, 4)},
		{"claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5-20250929", day(2025, 9, 29)},
		{"claude-haiku-4-5", "anthropic", "claude-haiku-4-5-20251001", day(2025, 10, 15)},
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
