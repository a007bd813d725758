package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Rule is a condition and what to do where it holds. A rule that only has a condition leaves the request as it is, and
// spares it the rules behind.
type Rule struct {
	// Name is what errors, records and explanations call it: at most 128 bytes, and no other rule's. Required.
	Name string `yaml:"name"`
	// When is the condition, in CEL; "true" always holds. Required.
	When string `yaml:"when"`
	// Model replaces the model that was asked for: any name that clients could use.
	Model string `yaml:"model"`
	// RequireTrust is the least trust of a provider that may answer: none, low, medium, high, or local, which is high.
	RequireTrust string `yaml:"require_trust"`
	// Timeouts go before those of the model.
	Timeouts Timeouts `yaml:"timeouts"`
	// Cache is on, off, or refresh, which asks anew and keeps the answer. The caller's own wish goes first.
	Cache string `yaml:"cache"`
	// CacheTTL is how long an answer may be kept, at most 24h; it needs cache: on or refresh.
	CacheTTL time.Duration `yaml:"cache_ttl"`
	// Deny refuses the request, with this message to its caller. Nothing else can be said beside it.
	Deny string `yaml:"deny"`
	// Redact names the detectors whose findings are replaced before the text leaves, or is ["all"].
	Redact []string `yaml:"redact"`
	// Priority is interactive or batch.
	Priority string `yaml:"priority"`

	// Hedging gets its field here when calls can be hedged.
}

// Timeouts bound a call. Zero leaves the model's own in force.
type Timeouts struct {
	// FirstContent bounds the wait for the first text, reasoning or tool call of a stream.
	FirstContent time.Duration `yaml:"first_content"`
	// Gap bounds the silence between two events of a stream.
	Gap time.Duration `yaml:"gap"`
	// Total bounds the whole call.
	Total time.Duration `yaml:"total"`
}

// Names are the names that rules may mention.
type Names struct {
	// Models are the configured ones, for advice to whoever misspelt one.
	Models []string
	// Known reports whether a model can be routed; nil knows Models alone.
	Known func(model string) bool
	// Detectors are those there are; nil takes any name.
	Detectors []string
}

const (
	maxName    = 128
	maxMessage = 1024
	maxTime    = 24 * time.Hour
	// everything stands for all detectors.
	everything = "all"
)

var trusts = map[string]llmv1.Sensitivity{
	"":       llmv1.Sensitivity_SENSITIVITY_UNSPECIFIED,
	"none":   llmv1.Sensitivity_SENSITIVITY_NONE,
	"low":    llmv1.Sensitivity_SENSITIVITY_LOW,
	"medium": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"high":   llmv1.Sensitivity_SENSITIVITY_HIGH,
	"local":  llmv1.Sensitivity_SENSITIVITY_HIGH,
}

func (r *Rule) decision(index int) Decision {
	return Decision{
		Rule: r.Name, Index: index, Model: r.Model, RequireTrust: trusts[r.RequireTrust], Timeouts: r.Timeouts,
		Cache: steer.Cache(r.Cache), CacheTTL: r.CacheTTL, Redact: slices.Clone(r.Redact), Priority: r.Priority,
	}
}

// check reports what is wrong with all but the condition; seen holds the names of the rules before.
func (r *Rule) check(p *conf.Findings, index int, names Names, seen map[string]bool) {
	at := func(field string) string { return pathOf(index, field) }
	switch {
	case r.Name == "":
		p.Add(at("name"), "is required")
	case len(r.Name) > maxName:
		p.Add(at("name"), "must be at most %d bytes", maxName)
	case seen[r.Name]:
		p.Add(at("name"), "another rule has this name; give each its own")
	}
	seen[r.Name] = true
	if _, ok := trusts[r.RequireTrust]; !ok {
		p.Add(at("require_trust"), "must be none, low, medium, high or local")
	}
	if !slices.Contains([]string{"", "interactive", "batch"}, r.Priority) {
		p.Add(at("priority"), "must be interactive or batch")
	}
	r.checkModel(p, at("model"), names)
	r.checkCache(p, at)
	r.checkRedact(p, at("redact"), names.Detectors)
	r.checkDeny(p, at("deny"))
	for _, t := range []time.Duration{r.Timeouts.FirstContent, r.Timeouts.Gap, r.Timeouts.Total} {
		if t < 0 || t > maxTime {
			p.Add(at("timeouts"), "durations must be from 0s to 24h")
			break
		}
	}
}

func pathOf(index int, field string) string { return "rules[" + strconv.Itoa(index) + "]." + field }

func (r *Rule) checkModel(p *conf.Findings, path string, names Names) {
	known := names.Known
	if known == nil {
		known = func(model string) bool { return slices.Contains(names.Models, model) }
	}
	if r.Model != "" && !known(r.Model) {
		p.Add(path, "rule %q: no model %q is configured%s", r.Name, r.Model, advice(r.Model, names.Models))
	}
}

func (r *Rule) checkCache(p *conf.Findings, at func(string) string) {
	switch c := steer.Cache(r.Cache); c {
	case "", steer.CacheOff:
		if r.CacheTTL != 0 {
			p.Add(at("cache_ttl"), "needs cache: on or refresh")
		}
	case steer.CacheOn, steer.CacheRefresh:
		if r.CacheTTL != 0 && (r.CacheTTL < time.Second || r.CacheTTL > maxTime) {
			p.Add(at("cache_ttl"), "must be from 1s to 24h")
		}
	default:
		p.Add(at("cache"), "must be on, off or refresh")
	}
}

func (r *Rule) checkRedact(p *conf.Findings, path string, detectors []string) {
	for _, name := range r.Redact {
		switch {
		case name == everything && len(r.Redact) > 1:
			p.Add(path, "all holds the other detectors already; leave them out")
		case name != everything && detectors != nil && !slices.Contains(detectors, name):
			p.Add(path, "rule %q: no detector is called %q%s", r.Name, name, advice(name, detectors))
		}
	}
}

func (r *Rule) checkDeny(p *conf.Findings, path string) {
	switch {
	case r.Deny == "":
	case strings.TrimSpace(r.Deny) == "":
		p.Add(path, "needs a message to the caller")
	case len(r.Deny) > maxMessage:
		p.Add(path, "must be at most %d bytes", maxMessage)
	case r.Model != "" || r.RequireTrust != "" || r.Timeouts != (Timeouts{}) || r.Cache != "" || len(r.Redact) > 0 || r.Priority != "":
		p.Add(path, "refuses the request, so nothing else can be said of it; leave the other fields out")
	}
}

// advice goes on from a sentence about a name that nobody has.
func advice(name string, known []string) string {
	var b strings.Builder
	if best := conf.Nearest(name, known); best != "" {
		b.WriteString("; did you mean " + best + "?")
	}
	switch {
	case len(known) == 0:
	case b.Len() > 0:
		b.WriteString(" known: " + strings.Join(known, ", "))
	default:
		b.WriteString("; known: " + strings.Join(known, ", "))
	}
	return b.String()
}
