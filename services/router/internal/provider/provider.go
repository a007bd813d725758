// Package provider is a configured provider as the rest of the router sees it: who it is, how much it is trusted, how it
// is doing, and the two ways to ask it: typed, which every provider answers, and raw, in a client's own dialect, which
// some do.
package provider

import (
	"context"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
)

// Silences bound how long a stream may be silent: until its first content, and between events after that.
type Silences struct{ FirstContent, Gap time.Duration }

// Emit takes one step of an answer; more says that the next one is here already. An error ends the call.
type Emit func(m *providerv1.StreamChatResponse, more bool) error

// Typed asks in the shared vocabulary, as headgate.provider.v1.ProviderService does. Errors are *fault.Error; those of
// the provider itself are PROVIDER_ERROR. UNSUPPORTED says that the provider can't be asked this. Implementations are
// safe for concurrent use.
type Typed interface {
	Chat(ctx context.Context, r *providerv1.ChatRequest) (*providerv1.ChatResponse, error)
	// StreamChat returns nil after a complete answer only.
	StreamChat(ctx context.Context, r *providerv1.StreamChatRequest, s Silences, emit Emit) error
	Embed(ctx context.Context, r *providerv1.EmbedRequest) (*providerv1.EmbedResponse, error)
	CountTokens(ctx context.Context, r *providerv1.CountTokensRequest) (*providerv1.CountTokensResponse, error)
	ListModels(ctx context.Context, r *providerv1.ListModelsRequest) (*providerv1.ListModelsResponse, error)
}

// Raw asks in a client's own dialect. Implementations are safe for concurrent use.
type Raw interface {
	// Speaks reports whether the provider takes an operation in a dialect as it is.
	Speaks(d llmv1.Dialect, o routerv1.Operation) bool
	// Relay sends a client's bytes with only the model, the usage option and the credential changed. An answer whose
	// status is an error of the provider is an Answer, not an error: its message is the client's to read. Errors are
	// *fault.Error.
	Relay(ctx context.Context, c Call) (*Answer, error)
}

// Identity is what the operator's file says of a provider.
type Identity struct {
	// Name is the configured name, Kind the wire protocol.
	Name, Kind string
	// Trust is the highest sensitivity the provider may see.
	Trust llmv1.Sensitivity
	// Dialect is the one it speaks at heart; unspecified where that is none of the HTTP edges'.
	Dialect llmv1.Dialect
	// Vendor says that its models have names of their own (gpt-*, claude-*), which need no provider's name before them.
	Vendor bool
}

// Provider is one configured provider. Safe for concurrent use.
type Provider struct {
	Identity
	Typed

	options Options
	stats   Stats
	models  modelList
}

// Load is what a self-hosted server says of itself.
type Load struct {
	// Running and Waiting are requests being answered and queued.
	Running, Waiting int64
	// CacheUsage is the filled part of the KV cache, 0 to 1.
	CacheUsage float64
	// Capacity is how many it answered at once when others had to queue, lately; 0 where none had to.
	Capacity int64
}

// Options are what not every provider has.
type Options struct {
	// Raw is how it is asked in a client's dialect.
	Raw Raw
	// Batch is its batch API; nil where it has none. BatchOff says that it gets no new work.
	Batch    Batch
	BatchOff bool
	// Keys are Headgate's credentials at it; nil where it has none.
	Keys *credential.Pool
	// Load tells how busy it says it is; false where that isn't known.
	Load func() (Load, bool)
	// Healthy tells what the last active health checks said of it; known is false where none is made.
	Healthy func() (healthy, known bool)
	// Replicas is how many servers share its calls; 0 counts as one.
	Replicas int
	// MaxInFlight bounds the calls under way at each of them; 0 doesn't.
	MaxInFlight int64
	// Close gives up what it holds.
	Close func()
}

// New builds a provider that t asks.
func New(id Identity, t Typed, o Options) *Provider {
	return &Provider{Identity: id, Typed: t, options: o}
}

// Speaks reports whether the provider takes an operation in a dialect as it is.
func (p *Provider) Speaks(d llmv1.Dialect, o routerv1.Operation) bool {
	return p.options.Raw != nil && p.options.Raw.Speaks(d, o)
}

// Relay asks in a client's own dialect; see [Raw]. Only for what it speaks.
func (p *Provider) Relay(ctx context.Context, c Call) (*Answer, error) {
	return p.options.Raw.Relay(ctx, c)
}

// Stats counts its attempts.
func (p *Provider) Stats() *Stats { return &p.stats }

// Keys returns Headgate's credentials at the provider; nil where it has none.
func (p *Provider) Keys() *credential.Pool { return p.options.Keys }

// Load returns what the provider says of how busy it is; false where that isn't known.
func (p *Provider) Load() (Load, bool) {
	if p.options.Load == nil {
		return Load{}, false
	}
	return p.options.Load()
}

// Healthy returns what the last active health checks said: it is healthy while one of its replicas is. known is false
// where none is made.
func (p *Provider) Healthy() (healthy, known bool) {
	if p.options.Healthy == nil {
		return false, false
	}
	return p.options.Healthy()
}

// Replicas returns how many servers share its calls, at least one.
func (p *Provider) Replicas() int { return max(1, p.options.Replicas) }

// Close gives up idle connections.
func (p *Provider) Close() {
	if p.options.Close != nil {
		p.options.Close()
	}
}
