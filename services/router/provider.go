package router

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/compatible"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/remote"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/tgi"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/vllm"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	defaultVLLMInFlight = 256
	defaultMaxWaiting   = 32

	defaultHealthInterval = 5 * time.Second
	defaultHealthTimeout  = 2 * time.Second
	defaultHealthPath     = "/health"

	batchAuto = "auto"
	batchOff  = "off"
)

// kinds are the provider kinds that Headgate speaks.
var kinds = []string{openai.Kind, anthropic.Kind, vllm.Kind, tgi.Kind, compatible.Kind, remote.Kind}

// replicated reports whether a kind is addressed by endpoints.
func replicated(kind string) bool {
	return kind == vllm.Kind || kind == tgi.Kind || kind == remote.Kind
}

// build makes a provider with its keys, and what has to run beside it; run is nil where nothing has.
func (m Provider) build(name string, about build, t Timeouts, keys *credential.Pool) (p *provider.Provider, run func(context.Context), err error) {
	userAgent := "headgate/" + about.version
	cfg := adapter.Config{
		Name: name, BaseURLs: m.addresses(), Keys: keys, Trust: trusts[m.Trust],
		Connect: t.Connect, UserAgent: userAgent, MaxInFlight: m.inFlight(), URLs: m.urls(),
		BatchOff: m.Batch == batchOff, MarkSecret: about.marks,
	}
	switch m.Kind {
	case anthropic.Kind:
		p, err = anthropic.New(cfg)
	case vllm.Kind:
		return vllm.New(cfg, vllm.Options{MessagesAPI: m.MessagesAPI, MaxWaiting: m.waiting(), Health: m.health()})
	case tgi.Kind:
		return tgi.New(cfg, tgi.Options{Generate: m.API == "generate", MaxWaiting: m.waiting(), Health: m.health()})
	case compatible.Kind:
		preset, _ := compatible.Lookup(m.Preset)
		p, err = compatible.New(cfg, preset)
	case remote.Kind:
		return remote.New(remote.Config{
			Name: name, Endpoints: m.Endpoints, Keys: keys, Trust: cfg.Trust, UserAgent: userAgent, Health: m.health(),
		})
	default:
		p, err = openai.New(cfg)
	}
	return p, nil, err
}

// keys are all credentials in order of preference.
func (m Provider) keys() []string {
	keys := []string{m.APIKey.Reveal()}
	for _, k := range m.APIKeys {
		keys = append(keys, k.Reveal())
	}
	return keys
}

// identity stands for which servers the provider is: another one under the same name starts with a clean slate.
func (m Provider) identity() string {
	return strings.Join(append([]string{m.Kind, m.Preset}, m.addresses()...), " ")
}

func (m Provider) health() health.Options {
	o := health.Options{Interval: defaultHealthInterval, Timeout: defaultHealthTimeout, Path: defaultHealthPath}
	if m.HealthCheck.Interval != nil {
		o.Interval = *m.HealthCheck.Interval
	}
	if m.HealthCheck.Timeout > 0 {
		o.Timeout = m.HealthCheck.Timeout
	}
	if m.HealthCheck.Path != "" {
		o.Path = m.HealthCheck.Path
	}
	return o
}

func (m Provider) addresses() []string {
	switch {
	case len(m.Endpoints) > 0:
		return m.Endpoints
	case m.BaseURL != "":
		return []string{m.BaseURL}
	}
	return nil
}

func (m Provider) inFlight() int64 {
	switch {
	case m.MaxInFlight != nil:
		return *m.MaxInFlight
	case m.Kind == vllm.Kind:
		return defaultVLLMInFlight
	}
	return 0
}

func (m Provider) waiting() int64 {
	if m.MaxWaiting != nil {
		return *m.MaxWaiting
	}
	return defaultMaxWaiting
}

// hosted reports whether the provider is a vendor's, somewhere else; one of an unknown kind is taken for such.
func (m Provider) hosted() bool {
	preset, _ := compatible.Lookup(m.Preset)
	return !replicated(m.Kind) && (m.Kind != compatible.Kind || preset.Hosted)
}

func (m Provider) urls() adapter.URLs {
	return adapter.URLs{Guarded: !m.hosted(), Allowed: m.AllowURLs}
}

func (m Provider) check(p *conf.Findings, name string) {
	path := "providers." + name
	if strings.ContainsAny(name, "/ ") || name == "" {
		p.Add(path, "a provider's name must be non-empty, without a slash or a space: it is the part before the slash in provider/model")
	}
	if !slices.Contains(kinds, m.Kind) {
		p.Add(path+".kind", "must be one of %s", strings.Join(kinds, ", "))
	}
	m.checkKeys(p, path)
	m.checkHealth(p, path+".health_check")
	if _, ok := trusts[m.Trust]; !ok {
		p.Add(path+".trust", "must be one of none, low, medium, high, local")
	}
	if (m.MaxInFlight != nil && *m.MaxInFlight < 0) || (m.MaxWaiting != nil && *m.MaxWaiting < 0) {
		p.Add(path, "max_in_flight and max_waiting can't be negative")
	}
	m.checkAddress(p, path)
	m.checkKind(p, path)
	m.Timeouts.check(p, path+".timeouts")
}

func (m Provider) checkKeys(p *conf.Findings, path string) {
	if m.APIKey == "" && len(m.APIKeys) == 0 && m.hosted() {
		p.Add(path+".api_key", "is required")
	}
	seen := map[conf.Secret]bool{m.APIKey: m.APIKey != ""}
	for _, k := range m.APIKeys {
		switch {
		case k == "":
			p.Add(path+".api_keys", "one of them is empty; check the variables it comes from")
		case seen[k]:
			p.Add(path+".api_keys", "names a key twice")
		}
		seen[k] = true
	}
}

func (m Provider) checkHealth(p *conf.Findings, path string) {
	h := m.HealthCheck
	if h == (HealthCheck{}) {
		return
	}
	switch {
	case !replicated(m.Kind):
		p.Add(path, "is for kinds vllm, tgi and grpc only")
	case h.Path != "" && m.Kind == remote.Kind:
		p.Add(path+".path", "isn't for kind grpc, which is asked over grpc.health.v1.Health")
	case h.Path != "" && !strings.HasPrefix(h.Path, "/"):
		p.Add(path+".path", "must begin with a slash")
	}
	if h.Timeout < 0 || (h.Interval != nil && *h.Interval != 0 && *h.Interval < 100*time.Millisecond) {
		p.Add(path, "interval must be 0 (no checks) or at least 100ms, and timeout can't be negative")
	}
}

func (m Provider) checkAddress(p *conf.Findings, path string) {
	switch {
	case replicated(m.Kind) && m.BaseURL != "":
		p.Add(path+".base_url", "isn't for kind %s; give the servers' roots as endpoints", m.Kind)
	case replicated(m.Kind) && len(m.Endpoints) == 0:
		p.Add(path+".endpoints", "is required: the servers' roots, such as http://10.0.0.7:8000")
	case !replicated(m.Kind) && len(m.Endpoints) > 0:
		p.Add(path+".endpoints", "isn't for kind %s; give one base_url", m.Kind)
	}
	if m.BaseURL != "" && !httpURL(m.BaseURL) {
		p.Add(path+".base_url", "must be an http or https address without query, fragment or user, as the provider's SDK would be given")
	}
	for _, endpoint := range m.Endpoints {
		if !httpURL(endpoint) {
			p.Add(path+".endpoints", "must be http or https addresses without query, fragment or user")
		}
	}
	for _, prefix := range m.AllowURLs {
		if !httpURL(prefix) || !strings.Contains(strings.TrimPrefix(strings.TrimPrefix(prefix, "http://"), "https://"), "/") {
			p.Add(path+".allow_urls", "must be addresses with at least a slash after the host, such as https://images.example.com/")
		}
	}
}

// checkKind refuses settings that belong to another kind: they would do nothing.
func (m Provider) checkKind(p *conf.Findings, path string) {
	preset, known := compatible.Lookup(m.Preset)
	switch {
	case m.Preset != "" && m.Kind != compatible.Kind:
		p.Add(path+".preset", "is for kind %s only", compatible.Kind)
	case !known:
		p.Add(path+".preset", "must be one of %s", strings.Join(compatible.Presets(), ", "))
	case m.Kind == compatible.Kind && m.BaseURL == "" && preset.BaseURL == "":
		p.Add(path+".base_url", "is required, with /v1 at its end")
	}
	if m.API != "" && (m.Kind != tgi.Kind || (m.API != "messages" && m.API != "generate")) {
		p.Add(path+".api", "is for kind tgi only: messages or generate")
	}
	switch {
	case m.Batch == "":
	case m.Kind != openai.Kind && m.Kind != anthropic.Kind:
		p.Add(path+".batch", "is for kinds openai and anthropic only")
	case m.Batch != batchAuto && m.Batch != batchOff:
		p.Add(path+".batch", "must be auto or off")
	}
	if m.MessagesAPI && m.Kind != vllm.Kind {
		p.Add(path+".messages_api", "is for kind vllm only")
	}
}

func httpURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}
