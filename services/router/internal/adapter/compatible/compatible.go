// Package compatible is the adapter for providers of kind openai_compatible: servers and vendors that speak OpenAI's
// dialect, each a little differently. A preset knows how.
package compatible

import (
	"maps"
	"slices"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "openai_compatible"

// Preset is what is known of a server or vendor.
type Preset struct {
	// BaseURL is its usual address, with /v1; empty where it has none.
	BaseURL string
	// Hosted says that it is somewhere else: it needs a key, and may fetch what a prompt points at.
	Hosted bool
	// Flavour is how its dialect differs from OpenAI's.
	Flavour openai.Flavour
}

// presets, by the configuration's names; "" is for any other server, with the names that most understand. Sources: the
// vendors' API references of 2026.
var presets = map[string]Preset{
	"":           {Flavour: openai.Flavour{MaxTokens: true, Reasoning: "reasoning_content", ToolIDs: wire.AnyToolID}},
	"ollama":     {BaseURL: "http://127.0.0.1:11434/v1", Flavour: openai.Flavour{MaxTokens: true, Reasoning: "reasoning", ToolIDs: wire.AnyToolID}},
	"llama_cpp":  {Flavour: openai.Flavour{MaxTokens: true, Reasoning: "reasoning_content", ToolIDs: wire.AnyToolID, Sampling: true}},
	"groq":       {BaseURL: "https://api.groq.com/openai/v1", Hosted: true, Flavour: openai.Flavour{Reasoning: "reasoning"}},
	"mistral":    {BaseURL: "https://api.mistral.ai/v1", Hosted: true, Flavour: openai.Flavour{MaxTokens: true, ToolIDs: dialect.MistralToolID, NoEffort: true}},
	"deepseek":   {BaseURL: "https://api.deepseek.com/v1", Hosted: true, Flavour: openai.Flavour{MaxTokens: true, Reasoning: "reasoning_content"}},
	"together":   {BaseURL: "https://api.together.xyz/v1", Hosted: true, Flavour: openai.Flavour{MaxTokens: true, Sampling: true}},
	"openrouter": {BaseURL: "https://openrouter.ai/api/v1", Hosted: true, Flavour: openai.Flavour{MaxTokens: true, Reasoning: "reasoning", ReasoningDetails: true, Sampling: true}},
}

// Presets returns the names of all presets, sorted.
func Presets() []string {
	names := slices.Sorted(maps.Keys(presets))
	return names[1:]
}

// Lookup returns a preset; ok is false where there is none of the name.
func Lookup(name string) (p Preset, ok bool) {
	p, ok = presets[name]
	return p, ok
}

// New builds the provider. It fails on an address that isn't a URL.
func New(cfg adapter.Config, p Preset) (*provider.Provider, error) {
	cfg.Kind = Kind
	if len(cfg.BaseURLs) == 0 {
		cfg.BaseURLs = []string{p.BaseURL}
	}
	a, err := adapter.New(cfg, wire.Compatible(p.Flavour))
	if err != nil {
		return nil, err
	}
	return a.Provider(nil), nil
}
