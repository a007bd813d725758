// Package mcp serves agents: the public RPCs as tools and resources of the Model Context Protocol, over streamable HTTP.
// It keeps no session, so any gateway answers any request, and every tool is one call with the caller's own key: the
// services decide on access, limits and usage, as for every other client.
package mcp

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/gateway/internal/beat"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// Services are what the tools speak to. Router is required; of the others, those that are nil have no tools.
type Services struct {
	Router    routerv1.RouterServiceClient
	RateLimit ratelimitv1.RateLimitServiceClient
	Usage     usagev1.UsageServiceClient
	Batch     batchv1.BatchServiceClient
}

// Options are what the endpoint needs. Logger, Services.Router and Limits are required.
type Options struct {
	Logger   *slog.Logger
	Services Services
	Limits   edge.Limits
	// Access says which pages and names may reach the endpoint.
	Access Access
	// Version is told to clients. Default: dev.
	Version string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Handler serves the endpoint's path, behind authentication. Safe for concurrent use.
type Handler struct {
	log    *slog.Logger
	limits edge.Limits
	access guard
	calls  *calls
	sdk    http.Handler
}

// New builds the endpoint with the tools of the services that are there.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	server := newServer(o)
	return &Handler{
		log: o.Logger, limits: o.Limits, access: newGuard(o.Access), calls: newCalls(),
		// Without sessions the newest protocol is served too, which knows none. Host and origin are checked by the guard, whose
		// refusals quote nothing. The SDK's own log is left out: it may hold what was asked.
		sdk: mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
			Stateless: true, DisableLocalhostProtection: true, MaxRequestBodyBytes: -1, // the body was read within the limits
		}),
	}
}

// ServeHTTP implements http.Handler for POST, the one method there is without sessions.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.access.allow(w.Header(), r)
	if err := h.access.check(r); err != nil {
		refuse(w, err)
		return
	}
	body, err := edge.ReadBody(w, r, h.limits)
	if err != nil {
		w.Header().Set("Connection", "close") // the rest of the body is still on its way
		refuse(w, fault.From(err))
		return
	}
	if err := wellFormed(body); err != nil {
		refuse(w, err)
		return
	}
	h.answer(w, r, body)
}

func wellFormed(body []byte) *fault.Error {
	if err := rawjson.Check(body, dialect.MaxDepth); err != nil {
		return fault.New(errorsv1.Reason_REASON_INVALID_JSON,
			"the body isn't one JSON value, nested at most %d deep; send one JSON-RPC message", dialect.MaxDepth).Because(err)
	}
	if tooMany(body) {
		return fault.New(errorsv1.Reason_REASON_REQUEST_TOO_LARGE, "the batch is longer than %d messages; send less at once", maxBatch)
	}
	return nil
}

// answer lets the SDK answer what the body asks.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	m := readMessage(body)
	whose := owner(r)
	if m.cancels != "" {
		h.calls.cancel(whose, m.cancels)
	}
	if m.initialize && sessionOf(r) == "" {
		w.Header().Set(sessionHeader, newSession())
	}
	ctx, end := h.calls.begin(steered(r), whose, m.call)
	defer end()
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not hold progress back
	out := beat.New(w, h.limits.Heartbeat, h.limits.WriteStall, heartbeat)
	defer out.Stop()
	// The SDK drops an answer whose request has ended, so its request doesn't end: the call does, and says why.
	asked := r.WithContext(context.WithoutCancel(ctx))
	asked.Body = io.NopCloser(bytes.NewReader(body))
	h.sdk.ServeHTTP(out, asked)
}

// heartbeat is a comment between events.
func heartbeat() []byte { return []byte(": ping\n\n") }

// newServer is the SDK's server with everything that is offered.
func newServer(o Options) *mcp.Server {
	if o.Version == "" {
		o.Version = "dev"
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "headgate", Title: "Headgate", Version: o.Version}, &mcp.ServerOptions{
		Instructions: instructions,
		// What is offered never changes while the process runs: nothing is announced, nothing can be subscribed to.
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}, Resources: &mcp.ResourceCapabilities{}},
		SetCacheable: cacheable,
	})
	server.AddReceivingMiddleware(recoverPanic(o.Logger), refuseUndeclared, followCall)
	for _, t := range tools(o) {
		server.AddTool(t.definition, t.handler)
	}
	addResources(server, o)
	return server
}

const instructions = "Headgate is a gateway to language models. list_models tells which models this key may ask for; chat asks one. " +
	"Every call counts against the key's limits and is recorded in its usage."

// listTTL is how long clients may keep lists that only another version of Headgate changes.
const listTTL = 5 * time.Minute

// cacheable tells how long results may be kept, and by whom: what a key reads is its own.
func cacheable(_ context.Context, req mcp.Request, c *mcp.Cacheable) {
	if _, ok := req.(*mcp.ReadResourceRequest); ok {
		c.TTLMs, c.CacheScope = 0, "private"
		return
	}
	c.TTLMs, c.CacheScope = int(listTTL.Milliseconds()), "public"
}

// requestID is the id of the HTTP request that a tool is called by.
func requestID(ctx context.Context) string { return meta.RequestID(ctx) }
