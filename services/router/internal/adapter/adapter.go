// Package adapter makes a configured provider answer: raw, in its own dialect, for the relay path, and typed, as a
// headgate.provider.v1.ProviderService would, for everybody else.
package adapter

import (
	"context"
	"net/http"
	"strings"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Config is one provider.
type Config struct {
	// Name is the configured name, Kind the wire protocol.
	Name, Kind string
	// BaseURL is empty for the vendor's public address.
	BaseURL string
	// Key is Headgate's credential at the provider.
	Key string
	// Trust is the highest sensitivity the provider may see.
	Trust llmv1.Sensitivity
	// Connect bounds dialling.
	Connect time.Duration
	// UserAgent goes with every request.
	UserAgent string
}

// Adapter is one provider over HTTP. Safe for concurrent use.
type Adapter struct {
	cfg    Config
	wire   *wire.Wire
	client *upstream.Client
	stats  Stats
	models modelList
}

// New builds the adapter of a provider that speaks w.
func New(cfg Config, w *wire.Wire) (*Adapter, error) {
	base := cfg.BaseURL
	if base == "" {
		base = w.DefaultBaseURL
	}
	client, err := upstream.New(upstream.Config{
		Name: cfg.Name, BaseURL: base, Key: cfg.Key, Authorize: w.Authorize,
		Connect: cfg.Connect, UserAgent: cfg.UserAgent,
	})
	if err != nil {
		return nil, err
	}
	return &Adapter{cfg: cfg, wire: w, client: client}, nil
}

// Name is the provider's configured name.
func (a *Adapter) Name() string { return a.cfg.Name }

// Kind is the provider's wire protocol.
func (a *Adapter) Kind() string { return a.cfg.Kind }

// Trust is the highest sensitivity the provider may see.
func (a *Adapter) Trust() llmv1.Sensitivity { return a.cfg.Trust }

// Dialect is the dialect it takes raw requests in.
func (a *Adapter) Dialect() llmv1.Dialect { return a.wire.Dialect }

// Stats counts its attempts.
func (a *Adapter) Stats() *Stats { return &a.stats }

// Close gives up idle connections.
func (a *Adapter) Close() { a.client.Close() }

// post sends a body to the chat endpoint.
func (a *Adapter) post(ctx context.Context, path string, h http.Header, body []byte) (*http.Response, error) {
	return a.client.Send(ctx, upstream.Request{Method: http.MethodPost, Path: path, Header: h, Body: body})
}

// ownHeader is the header of a request that Headgate makes itself.
func (a *Adapter) ownHeader() http.Header {
	h := make(http.Header, 8)
	for name, value := range a.wire.FixedHeaders {
		h.Set(name, value)
	}
	return h
}

// refused reports whether a status is about Headgate's own credential, which is nothing the client can mend.
func (a *Adapter) refused(status int) error {
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS,
		"provider %s refused Headgate's credential; the operator has to check providers.%s.api_key",
		a.cfg.Name, a.cfg.Name).With("provider", a.cfg.Name)
}

func (a *Adapter) malformed(what string, cause error) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		"provider %s sent %s; try again, or ask the operator to check its address", a.cfg.Name, what).
		With("provider", a.cfg.Name).Because(cause)
}

func isEventStream(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "text/event-stream")
}
