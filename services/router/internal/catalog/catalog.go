// Package catalog knows which targets answer to a model's name.
package catalog

import (
	"slices"
	"strings"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/standing"
)

// Target is one model at one provider.
type Target struct {
	// Provider answers.
	Provider *provider.Provider
	// Model is the name sent to it.
	Model string
	// Silences bound an attempt's, Total the whole call.
	Silences provider.Silences
	Total    time.Duration
	// Shortened says that the caller made this call's timers shorter than the configured ones: when they run out, that
	// teaches nothing about the provider.
	Shortened Shortened
	// Standing is how it is doing; nil, where nothing is kept of that, allows no repeats.
	Standing *standing.Target
	// Strategy is the model's, Weight the target's share where that is weighted.
	Strategy Strategy
	Weight   int
}

// Shortened are timers that a caller made shorter.
type Shortened struct{ FirstContent, Gap bool }

// Any reports whether one is.
func (s Shortened) Any() bool { return s.FirstContent || s.Gap }

// Model is a configured name and its targets in order of preference.
type Model struct {
	Name    string
	Targets []Target
	// Strategy is how a target is chosen; each of the targets has it too.
	Strategy Strategy
	// Cache says that answers are kept unless a call says otherwise.
	Cache bool
}

// Provider is a configured provider with its timers.
type Provider struct {
	Provider *provider.Provider
	Silences provider.Silences
	Total    time.Duration
	// Standing is how its targets are doing; nil where nothing is kept of that.
	Standing *standing.Provider
}

// Catalog resolves names. It doesn't change after New and is safe for concurrent use.
type Catalog struct {
	models    map[string]Model
	order     []Model
	providers []Provider
}

// New builds a catalog; the order of models and providers is the order of lists, and the first provider of a kind takes
// that kind's own names.
func New(models []Model, providers []Provider) *Catalog {
	c := &Catalog{models: make(map[string]Model, len(models)), order: models, providers: providers}
	for _, m := range models {
		c.models[m.Name] = m
	}
	return c
}

// Models returns the configured models in order; callers don't change them.
func (c *Catalog) Models() []Model { return c.order }

// Providers returns the configured providers in order; callers don't change them.
func (c *Catalog) Providers() []Provider { return c.providers }

// Cached reports whether a configured model's answers are kept unless a call says otherwise.
func (c *Catalog) Cached(name string) bool { return c.models[name].Cache }

// Resolve returns the targets of a name: those of a configured model, else the provider's in provider/model, else the
// first provider whose vendor uses such names. The error is MODEL_NOT_FOUND.
func (c *Catalog) Resolve(name string) ([]Target, error) {
	if m, ok := c.models[name]; ok {
		return m.Targets, nil
	}
	if provider, model, ok := strings.Cut(name, "/"); ok && model != "" {
		if p, ok := c.byName(provider); ok {
			return []Target{p.target(model)}, nil
		}
	}
	kind := vendorOf(name)
	if kind == "" {
		return nil, notFound("the model isn't configured and its name belongs to no known vendor; GET /v1/models lists the names that are")
	}
	for _, p := range c.providers {
		if p.Provider.Kind == kind {
			return []Target{p.target(name)}, nil
		}
	}
	return nil, notFound("the model's name belongs to a provider of kind " + kind + ", and none is configured; GET /v1/models lists the names that are")
}

func (c *Catalog) byName(name string) (Provider, bool) {
	i := slices.IndexFunc(c.providers, func(p Provider) bool { return p.Provider.Name == name })
	if i < 0 {
		return Provider{}, false
	}
	return c.providers[i], true
}

func (p Provider) target(model string) Target {
	return Target{Provider: p.Provider, Model: model, Silences: p.Silences, Total: p.Total, Standing: p.Standing.Other(model)}
}

func notFound(message string) error {
	return fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "%s", message).With("field", "model")
}

// Vendors reports whether a name is one that vendors give their models.
func Vendors(name string) bool { return vendorOf(name) != "" }

// vendorOf tells which vendor names its models like this: claude-*, gpt-*, chatgpt-*, text-embedding-*, or o and a digit.
func vendorOf(name string) string {
	switch {
	case strings.HasPrefix(name, "claude-"):
		return "anthropic"
	case strings.HasPrefix(name, "gpt-"), strings.HasPrefix(name, "chatgpt-"), strings.HasPrefix(name, "text-embedding-"):
		return "openai"
	case len(name) >= 2 && name[0] == 'o' && name[1] >= '0' && name[1] <= '9':
		return "openai"
	}
	return ""
}

// Trusted keeps the targets that may see a request of this sensitivity, in order. The error, where none may, is
// SENSITIVITY: a label fails closed.
func Trusted(targets []Target, label llmv1.Sensitivity) ([]Target, error) {
	kept := Keep(targets, func(t Target) bool { return t.Provider.Trust >= label })
	if len(kept) == 0 {
		return nil, fault.New(errorsv1.Reason_REASON_SENSITIVITY,
			"no target of this model may see a request of sensitivity %s; ask for a model whose provider has that trust",
			strings.ToLower(strings.TrimPrefix(label.String(), "SENSITIVITY_"))).With("field", "x-headgate-sensitivity")
	}
	return kept, nil
}

// Keep returns those that are good; targets itself when all are: the common case costs nothing.
func Keep(targets []Target, good func(Target) bool) []Target {
	if !slices.ContainsFunc(targets, func(t Target) bool { return !good(t) }) {
		return targets
	}
	var kept []Target
	for _, t := range targets {
		if good(t) {
			kept = append(kept, t)
		}
	}
	return kept
}
