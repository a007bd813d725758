// Package adapter makes a provider answer over HTTP: raw, in its own dialect, for the relay path, and typed, as a
// headgate.provider.v1.ProviderService would, for everybody else.
package adapter

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Config is one provider.
type Config struct {
	// Name is the configured name, Kind the wire protocol.
	Name, Kind string
	// BaseURLs are its replicas; none for the vendor's public address.
	BaseURLs []string
	// Key is Headgate's only credential at the provider; empty sends none. Keys, where it is set, are used instead.
	Key  string
	Keys *credential.Pool
	// Trust is the highest sensitivity the provider may see.
	Trust llmv1.Sensitivity
	// Connect bounds dialling.
	Connect time.Duration
	// UserAgent goes with every request.
	UserAgent string
	// MaxInFlight bounds the calls under way at each replica; 0 doesn't.
	MaxInFlight int64
	// URLs says which addresses in prompts it may be given.
	URLs URLs
	// BatchOff says that a batch API gets no new work; MarkSecret is what keys are marked with in references to jobs.
	BatchOff   bool
	MarkSecret []byte
}

// Adapter is one provider over HTTP. Safe for concurrent use.
type Adapter struct {
	cfg    Config
	wire   *wire.Wire
	raw    map[llmv1.Dialect]*wire.Wire
	client *upstream.Client
	batch  provider.Batch
}

// New builds the adapter of a provider that speaks w, and takes raw requests in the dialects of also too.
func New(cfg Config, w *wire.Wire, also ...*wire.Wire) (*Adapter, error) {
	bases := cfg.BaseURLs
	if len(bases) == 0 {
		bases = []string{w.BaseURL}
	}
	if cfg.Keys == nil {
		cfg.Keys = credential.New([]string{cfg.Key}, nil)
	}
	client, err := upstream.New(upstream.Config{
		Name: cfg.Name, BaseURLs: bases, Keys: cfg.Keys, Authorize: w.Authorize,
		Connect: cfg.Connect, UserAgent: cfg.UserAgent, MaxInFlight: cfg.MaxInFlight,
	})
	if err != nil {
		return nil, err
	}
	a := &Adapter{cfg: cfg, wire: w, client: client, raw: map[llmv1.Dialect]*wire.Wire{w.Dialect: w}}
	for _, other := range also {
		a.raw[other.Dialect] = other
	}
	return a, nil
}

// Client is the adapter's HTTP side.
func (a *Adapter) Client() *upstream.Client { return a.client }

// Provider returns the adapter as a provider of the router; load is nil where it doesn't say how busy it is.
func (a *Adapter) Provider(load func() (provider.Load, bool)) *provider.Provider {
	id := provider.Identity{Name: a.cfg.Name, Kind: a.cfg.Kind, Trust: a.cfg.Trust, Dialect: a.wire.Dialect, Vendor: a.wire.BaseURL != ""}
	return provider.New(id, a, provider.Options{
		Raw: a, Batch: a.batch, BatchOff: a.cfg.BatchOff, Keys: a.cfg.Keys, Load: load, Healthy: a.client.Healthy, Replicas: len(a.client.Replicas()),
		MaxInFlight: a.cfg.MaxInFlight, Close: a.client.Close,
	})
}

// Speaks implements provider.Raw.
func (a *Adapter) Speaks(d llmv1.Dialect, o routerv1.Operation) bool {
	w, ok := a.raw[d]
	if !ok || d == llmv1.Dialect_DIALECT_UNSPECIFIED {
		return false
	}
	_, ok = w.Raw[o]
	return ok
}

// post sends a body about a model to one of the provider's endpoints.
func (a *Adapter) post(ctx context.Context, model, path string, h http.Header, body []byte) (*http.Response, error) {
	return a.client.Send(ctx, upstream.Request{Method: http.MethodPost, Path: path, Header: h, Body: body, Model: model})
}

// ownHeader is the header of a request that Headgate makes itself.
func (a *Adapter) ownHeader() http.Header {
	h := make(http.Header, 8)
	for name, value := range a.wire.FixedHeaders {
		h.Set(name, value)
	}
	return h
}

// refused reports whether an answer is about Headgate's own credential, which is nothing the client can mend.
func (a *Adapter) refused(resp *http.Response) error {
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS,
		"provider %s refused Headgate's credential%s; the operator has to check providers.%s.api_key",
		a.cfg.Name, a.client.Key(resp).Name(), a.cfg.Name).With("provider", a.cfg.Name)
}

// exhausted lets the key of an answer rest whose account is empty: the status alone doesn't always say so.
func (a *Adapter) exhausted(resp *http.Response, said dialect.ProviderError) {
	if provider.OfAccount(said.Status, said.Code) {
		a.client.Key(resp).Exhausted(time.Now())
	}
}

func (a *Adapter) malformed(what string, cause error) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		"provider %s sent %s; try again, or ask the operator to check its address", a.cfg.Name, what).
		With("provider", a.cfg.Name).Because(cause)
}

// Both runs two things until both have ended.
func Both(a, b func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		var wg sync.WaitGroup
		wg.Go(func() { a(ctx) })
		b(ctx)
		wg.Wait()
	}
}

func isEventStream(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "text/event-stream")
}

// text is a header's value as a proto string can carry it: HTTP allows any bytes, proto only UTF-8.
func text(value string) string { return strings.ToValidUTF8(value, "?") }

func itoa(n int) string { return strconv.Itoa(n) }
