package router

import (
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
)

// Config says which providers exist and which names clients may ask for.
type Config struct {
	// Providers by name, in the order of the file: the first of a kind takes that kind's own model names.
	Providers conf.Map[Provider] `yaml:"providers"`
	// Models by the names clients use. A name that isn't here goes to the provider it belongs to (claude-*, gpt-*,
	// o*), or as `provider/model` to that provider.
	Models conf.Map[Model] `yaml:"models"`
	// Timeouts for every attempt, unless a provider or a model sets its own.
	Timeouts Timeouts `yaml:"timeouts"`
	// UsageLog bounds the local log of what calls consume.
	UsageLog UsageLog `yaml:"usage_log"`
	// Tenants are the limits of whole tenants, as the rate limiter has them.
	Tenants map[string]*ratelimitv1.Limits `yaml:"-"`
}

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
	// APIKey is Headgate's own credential at the provider. Required for hosted ones.
	APIKey conf.Secret `yaml:"api_key"`
	// BaseURL is what the provider's own SDK would be given: with /v1 for openai and openai_compatible, without for
	// anthropic. Default: the vendor's public address.
	BaseURL string `yaml:"base_url"`
	// Endpoints are the roots of the servers of a vllm, tgi or grpc provider, one per replica. Required for them.
	Endpoints []string `yaml:"endpoints"`
	// API is how a tgi provider is asked: messages (the default) or generate, for models without a chat template.
	API string `yaml:"api"`
	// MessagesAPI sends Anthropic requests to a vllm provider's own /v1/messages instead of translating them.
	MessagesAPI bool `yaml:"messages_api"`
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
	// Timeouts override the general ones.
	Timeouts Timeouts `yaml:"timeouts"`
}

// Model is a name that clients use, and what stands behind it.
type Model struct {
	// Strategy is how a target is chosen: failover (in order, the default).
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
	}
	for name, model := range c.Models.All() {
		c.checkModel(&p, name, model)
	}
	return p.Err()
}

func (c *Config) checkModel(p *conf.Findings, name string, m Model) {
	path := "models." + name
	if m.Strategy != "" && m.Strategy != "failover" {
		p.Add(path+".strategy", "must be failover")
	}
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

func (t Timeouts) check(p *conf.Findings, path string) {
	if t.Connect < 0 || t.FirstContent < 0 || t.Gap < 0 || t.Total < 0 {
		p.Add(path, "durations can't be negative")
	}
}
