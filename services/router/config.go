package router

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// Config says which providers exist and which names clients may ask for.
type Config struct {
	// Providers by name, in the order of the file: the first of a kind takes that kind's own model names.
	Providers conf.Map[Provider] `yaml:"providers"`
	// Models by the names clients use. A name that isn't here goes to the provider it belongs to (claude-*, gpt-*,
	// o*), or as `provider/model` to that provider.
	Models conf.Map[Model] `yaml:"models"`
	// Rules decide where requests go; the first that matches does.
	Rules []Rule `yaml:"rules"`
	// Sensitivity says what counts as sensitive.
	Sensitivity Sensitivity `yaml:"sensitivity"`
	// Timeouts for every attempt, unless a provider or a model sets its own.
	Timeouts Timeouts `yaml:"timeouts"`
	// UsageLog bounds the local log of what calls consume.
	UsageLog UsageLog `yaml:"usage_log"`
	// Tenants are the limits of whole tenants, as the rate limiter has them.
	Tenants map[string]*ratelimitv1.Limits `yaml:"-"`
}

// Rule is a condition and what to do where it holds.
type Rule = policy.Rule

// Sensitivity says what counts as sensitive, and how much.
type Sensitivity = sensitive.Config

// UsageLog is the log in the data directory that holds what calls consumed until the usage service has it.
type UsageLog struct {
	// MaxBytes bounds it; where it is full no call is taken. At least 64KiB. Default 1GiB, about four million attempts.
	MaxBytes conf.Bytes `yaml:"max_bytes"`
}

// Provider is one place that answers.
type Provider struct {
	// Kind is the wire protocol: openai, anthropic, vllm, tgi, openai_compatible or grpc. Required.
	Kind string `yaml:"kind"`
	// Preset is what an openai_compatible provider is: ollama, llama_cpp, groq, mistral, deepseek, together or
	// openrouter. Default: any other server.
	Preset string `yaml:"preset"`
	// APIKey is Headgate's own credential at the provider. Required for hosted ones, unless there are api_keys.
	APIKey conf.Secret `yaml:"api_key"`
	// APIKeys are several, in order of preference, after api_key where both are given. The first that doesn't rest is used:
	// a 429 lets one rest for Retry-After (10s where there is none) and a 403 for 5m, for the model that was asked; a 401
	// for 5m and a 402 or an empty account for 10m, for all models.
	APIKeys []conf.Secret `yaml:"api_keys"`
	// BaseURL is what the provider's own SDK would be given: with /v1 for openai and openai_compatible, without for
	// anthropic. Default: the vendor's public address.
	BaseURL string `yaml:"base_url"`
	// Endpoints are the roots of the servers of a vllm, tgi or grpc provider, one per replica. Required for them.
	Endpoints []string `yaml:"endpoints"`
	// API is how a tgi provider is asked: messages (the default) or generate, for models without a chat template.
	API string `yaml:"api"`
	// MessagesAPI sends Anthropic requests to a vllm provider's own /v1/messages instead of translating them.
	MessagesAPI bool `yaml:"messages_api"`
	// Batch says whether lines of batches go to the provider's own batch API, at its price for that: auto (the default)
	// where the kind has one (openai, anthropic), at any base_url; off asks them one by one.
	Batch string `yaml:"batch"`
	// Trust is the highest sensitivity the provider may see: none, low, medium (the default), high or local.
	Trust string `yaml:"trust"`
	// AllowURLs are the beginnings of the addresses of pictures and files that prompts may point a self-hosted provider
	// to; none by default. Hosted providers may be pointed anywhere.
	AllowURLs []string `yaml:"allow_urls"`
	// MaxInFlight bounds the calls under way at each replica. Default 256 for vllm, which never says no; none for others.
	MaxInFlight *int64 `yaml:"max_in_flight"`
	// MaxWaiting is the length of a replica's own queue at which it gets no more calls (vllm, tgi). Default 32; 0 means
	// any length.
	MaxWaiting *int64 `yaml:"max_waiting"`
	// HealthCheck is how the servers of a vllm, tgi or grpc provider are asked whether they are well.
	HealthCheck HealthCheck `yaml:"health_check"`
	// Timeouts override the general ones.
	Timeouts Timeouts `yaml:"timeouts"`
}

// Model is a name that clients use, and what stands behind it.
type Model struct {
	// Strategy is how a target is chosen, the others following where it fails: failover (in order, the default), weighted
	// (at random, by the targets' weights) or least_loaded (the better one of two, by the time to the first content, the
	// calls under way and what a self-hosted server says of its queue and its KV cache).
	Strategy string `yaml:"strategy"`
	// Targets in order of preference; at least one.
	Targets []Target `yaml:"targets"`
	// Cache keeps answers, and finds them again for the same tenant, unless a call says otherwise (x-headgate-cache).
	Cache bool `yaml:"cache"`
	// Timeouts override the provider's.
	Timeouts Timeouts `yaml:"timeouts"`
}

// Target is one model at one provider.
type Target struct {
	// Provider is a name under `providers`. Required.
	Provider string `yaml:"provider"`
	// Model is the name sent to the provider. Required.
	Model string `yaml:"model"`
	// Weight is the target's share of the model's calls, for strategy weighted only. Default 1; 0 makes it a fallback, tried
	// after all others.
	Weight *int `yaml:"weight"`
}

// HealthCheck is how a self-hosted server is asked whether it is well. One that fails twice in a row gets no calls while
// another server, or another target, is there; one good answer brings it back.
type HealthCheck struct {
	// Interval is the time between two checks of each server; 0 makes none. Default 5s.
	Interval *time.Duration `yaml:"interval"`
	// Timeout bounds one check. Default 2s.
	Timeout time.Duration `yaml:"timeout"`
	// Path is what is asked for: any answer below 500 is a good one. Default /health. Not for kind grpc, which is asked over
	// grpc.health.v1.Health.
	Path string `yaml:"path"`
}

// Timeouts bound one attempt. Zero leaves the more general setting in force.
type Timeouts struct {
	// Connect bounds dialling and the TLS handshake. Default 5s. Only the general and the provider's setting count:
	// connections are shared by models.
	Connect time.Duration `yaml:"connect"`
	// FirstContent bounds the wait from sending the request to the first text, reasoning or tool call of a stream.
	// Default 120s.
	FirstContent time.Duration `yaml:"first_content"`
	// Gap bounds the silence between two events of a stream. Default 60s.
	Gap time.Duration `yaml:"gap"`
	// Total bounds the whole call. Default 600s.
	Total time.Duration `yaml:"total"`
}

// DefaultTimeouts are in force where the configuration is silent.
func DefaultTimeouts() Timeouts {
	return Timeouts{Connect: 5 * time.Second, FirstContent: 120 * time.Second, Gap: 60 * time.Second, Total: 600 * time.Second}
}

// Over returns t with what it leaves unset taken from base.
func (t Timeouts) Over(base Timeouts) Timeouts {
	pick := func(a, b time.Duration) time.Duration {
		if a > 0 {
			return a
		}
		return b
	}
	return Timeouts{
		Connect:      pick(t.Connect, base.Connect),
		FirstContent: pick(t.FirstContent, base.FirstContent),
		Gap:          pick(t.Gap, base.Gap),
		Total:        pick(t.Total, base.Total),
	}
}

// trusts are the words for a provider's trust.
var trusts = map[string]llmv1.Sensitivity{
	"":       llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"none":   llmv1.Sensitivity_SENSITIVITY_NONE,
	"low":    llmv1.Sensitivity_SENSITIVITY_LOW,
	"medium": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"high":   llmv1.Sensitivity_SENSITIVITY_HIGH,
	"local":  llmv1.Sensitivity_SENSITIVITY_HIGH,
}

// Validate reports every field that can't work, by its path in the file.
func (c *Config) Validate() error {
	var p conf.Findings
	c.Timeouts.check(&p, "timeouts")
	if n := c.UsageLog.MaxBytes; n != 0 && n < 64<<10 {
		p.Add("usage_log.max_bytes", "must be at least 64KiB")
	}
	for name, provider := range c.Providers.All() {
		provider.check(&p, name)
		provider.checkPorts(&p, "providers."+name)
	}
	for name, model := range c.Models.All() {
		c.checkModel(&p, name, model)
	}
	p.Join("sensitivity", c.Sensitivity.Validate())
	if _, err := policy.Compile(c.Rules, c.ruleNames()); err != nil {
		p.Join("", err)
	}
	return p.Err()
}

// CheckFiles reports, by their paths in the file, dictionaries that can't be read. [New] and [Service.Reload] refuse them too.
func (c *Config) CheckFiles() error {
	_, err := sensitive.New(c.Sensitivity)
	return conf.Under("sensitivity", err)
}

func (m Provider) checkPorts(p *conf.Findings, path string) {
	check := func(field, address string) {
		u, err := url.Parse(address)
		if err == nil && u.Port() != "" && conf.DialAddress(net.JoinHostPort(u.Hostname(), u.Port())) != nil {
			p.Add(path+"."+field, "has a port that isn't from 1 to 65535")
		}
	}
	check("base_url", m.BaseURL)
	for i, address := range m.Endpoints {
		check("endpoints["+strconv.Itoa(i)+"]", address)
	}
}

// ruleNames are the names that rules may mention. A vendor's own model is known even where its provider comes from the
// environment.
func (c *Config) ruleNames() policy.Names {
	return policy.Names{
		Models: c.Models.Keys(),
		Known: func(model string) bool {
			_, configured := c.Models.Get(model)
			provider, name, ok := strings.Cut(model, "/")
			if ok && name != "" {
				_, ok = c.Providers.Get(provider)
			}
			return configured || ok || catalog.Vendors(model)
		},
		Detectors: c.Sensitivity.Names(),
	}
}

func (c *Config) checkModel(p *conf.Findings, name string, m Model) {
	path := "models." + name
	if _, ok := catalog.StrategyOf(m.Strategy); !ok {
		p.Add(path+".strategy", "must be failover, weighted or least_loaded")
	}
	m.checkWeights(p, path+".targets")
	if len(m.Targets) == 0 {
		p.Add(path+".targets", "needs at least one target")
	}
	for _, t := range m.Targets {
		if _, ok := c.Providers.Get(t.Provider); !ok {
			p.Add(path+".targets", "names provider %q, which isn't under providers", t.Provider)
		}
		if t.Model == "" {
			p.Add(path+".targets", "each target needs a model: the name sent to the provider")
		}
	}
	m.Timeouts.check(p, path+".timeouts")
}

// checkWeights refuses weights that would do nothing.
func (m Model) checkWeights(p *conf.Findings, path string) {
	shared := false
	for _, t := range m.Targets {
		shared = shared || t.weight() > 0
		switch {
		case t.Weight == nil:
		case m.Strategy != "weighted":
			p.Add(path, "weight is for strategy weighted only")
		case *t.Weight < 0 || *t.Weight > maxWeight:
			p.Add(path, "weight must be from 0 to %d", maxWeight)
		}
	}
	if len(m.Targets) > 0 && !shared {
		p.Add(path, "at least one target needs a weight above 0")
	}
}

// maxWeight leaves room for shares of a thousandth of a percent.
const maxWeight = 1_000_000

func (t Target) weight() int {
	if t.Weight == nil {
		return 1
	}
	return *t.Weight
}

func (t Timeouts) check(p *conf.Findings, path string) {
	if t.Connect < 0 || t.FirstContent < 0 || t.Gap < 0 || t.Total < 0 {
		p.Add(path, "durations can't be negative")
	}
}
