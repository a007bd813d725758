package mcp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// versions are the protocols that the SDK speaks.
var versions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", newest}

const newest = "2026-07-28"

// limits never run out within a test.
var limits = edge.Limits{MaxBody: 1 << 20, ReadProgress: 10 * time.Second, WriteStall: time.Minute, Heartbeat: time.Minute}

// router plays the services: it remembers what it was asked, and answers what it is told to.
type router struct {
	routerv1.RouterServiceClient
	ratelimitv1.RateLimitServiceClient
	usagev1.UsageServiceClient
	batchv1.BatchServiceClient

	err error
	// steps are a stream's; wait, where set, is what a call waits for first: it closes begun, and is left when the call ends.
	steps []*routerv1.StreamChatResponse
	// results are those of a batch.
	results []*batchv1.StreamResultsResponse
	wait    bool
	begun   chan struct{}
	ended   chan error
	panic   any

	asked    any
	metadata metadata.MD
}

// take notes a call and waits where that is the script.
func (r *router) take(ctx context.Context, m any) error {
	if r.panic != nil {
		panic(r.panic)
	}
	r.asked = m
	r.metadata, _ = metadata.FromOutgoingContext(ctx)
	if r.wait {
		close(r.begun)
		<-ctx.Done()
		r.ended <- context.Cause(ctx)
		return ctx.Err()
	}
	return r.err
}

func waiting() *router {
	return &router{wait: true, begun: make(chan struct{}), ended: make(chan error, 1)}
}

var served = &routerv1.Served{Provider: "acme", Model: "m-1", Warnings: []string{"dropped seed"}}

func (r *router) Chat(ctx context.Context, m *routerv1.ChatRequest, _ ...grpc.CallOption) (*routerv1.ChatResponse, error) {
	if err := r.take(ctx, m); err != nil {
		return nil, err
	}
	message := said(llmv1.Role_ROLE_ASSISTANT, "a < b")
	message.Parts = append([]*llmv1.Part{{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: "hm"}}}}, message.GetParts()...)
	return &routerv1.ChatResponse{Served: served, Completion: &llmv1.Completion{
		Message: message, FinishReason: llmv1.FinishReason_FINISH_REASON_LENGTH, Usage: &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 2, ReasoningTokens: 1},
	}}, nil
}

func (r *router) StreamChat(ctx context.Context, m *routerv1.StreamChatRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[routerv1.StreamChatResponse], error) {
	return &stream{r: r, ctx: ctx, asked: m, left: r.steps}, nil
}

type stream struct {
	grpc.ClientStream

	r     *router
	ctx   context.Context //nolint:containedctx // a stream has one
	asked any
	left  []*routerv1.StreamChatResponse
}

func (s *stream) Recv() (*routerv1.StreamChatResponse, error) {
	if len(s.left) > 0 {
		next := s.left[0]
		s.left = s.left[1:]
		return next, nil
	}
	if err := s.r.take(s.ctx, s.asked); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (r *router) ListModels(ctx context.Context, m *routerv1.ListModelsRequest, _ ...grpc.CallOption) (*routerv1.ListModelsResponse, error) {
	if err := r.take(ctx, m); err != nil {
		return nil, err
	}
	return &routerv1.ListModelsResponse{Models: []*llmv1.Model{
		{Id: "m", Provider: "acme", OwnedBy: "them", DisplayName: "M", Dialects: []llmv1.Dialect{llmv1.Dialect_DIALECT_OPENAI}},
	}}, nil
}

func (r *router) CountTokens(ctx context.Context, m *routerv1.CountTokensRequest, _ ...grpc.CallOption) (*routerv1.CountTokensResponse, error) {
	return &routerv1.CountTokensResponse{InputTokens: 7, Estimated: true, Served: served}, r.take(ctx, m)
}

func (r *router) ExplainRoute(ctx context.Context, m *routerv1.ExplainRouteRequest, _ ...grpc.CallOption) (*routerv1.ExplainRouteResponse, error) {
	return &routerv1.ExplainRouteResponse{
		Model: "m", Strategy: "failover", Rule: "r", Rules: []*routerv1.RuleOutcome{{Name: "r", Matched: true}},
		Redactions: map[string]int32{"email": 1},
		Facts:      &routerv1.RouteFacts{InputTokens: 5, Messages: 1, Sensitivity: llmv1.Sensitivity_SENSITIVITY_LOW, Complexity: 0.5},
		Candidates: []*routerv1.RouteCandidate{
			{Chosen: true, Reason: "first in order", Target: &routerv1.Target{
				Provider: "acme", UpstreamModel: "m-1", Trust: llmv1.Sensitivity_SENSITIVITY_HIGH, Breaker: routerv1.BreakerState_BREAKER_STATE_HALF_OPEN, InFlight: 2,
			}},
			{Reason: "not asked", Target: &routerv1.Target{Provider: "other"}},
		},
	}, r.take(ctx, m)
}

func (r *router) GetQuota(ctx context.Context, m *ratelimitv1.GetQuotaRequest, _ ...grpc.CallOption) (*ratelimitv1.GetQuotaResponse, error) {
	return &ratelimitv1.GetQuotaResponse{KeyId: "key_1", Tenant: "acme", Balances: []*ratelimitv1.Balance{
		{Scope: ratelimitv1.ScopeKind_SCOPE_KIND_KEY, Dimension: ratelimitv1.Dimension_DIMENSION_TOKENS, Limit: 10, Remaining: -1},
		{Scope: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, Dimension: ratelimitv1.Dimension_DIMENSION_BUDGET, Limit: 10_000_000_000_000, Remaining: -20_000_000_000},
	}}, r.take(ctx, m)
}

func (r *router) QueryUsage(ctx context.Context, m *usagev1.QueryUsageRequest, _ ...grpc.CallOption) (*usagev1.QueryUsageResponse, error) {
	return &usagev1.QueryUsageResponse{
		Sums: []*usagev1.Sum{{Group: []string{"m"}, Requests: 1, Attempts: 2, CostUsd: "0.01", Start: m.GetFilter().GetStart()}}, Truncated: true,
	}, r.take(ctx, m)
}

// now is the tests' clock.
func now() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("", 3600)) }

func options(r *router) Options {
	return Options{
		Logger: slog.New(slog.DiscardHandler), Limits: limits, Now: now, Services: Services{Router: r, RateLimit: r, Usage: r, Batch: r},
	}
}

// serve serves the endpoint as the gateway does: behind the request id and the key.
func serve(t *testing.T, o Options) string {
	t.Helper()
	return serveAs(t, o, func(r *http.Request) context.Context { return r.Context() })
}

func serveAs(t *testing.T, o Options, under func(*http.Request) context.Context) string {
	t.Helper()
	h := New(o)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := meta.WithRequestID(under(r), "req_1")
		h.ServeHTTP(w, r.WithContext(auth.NewContext(ctx, auth.Principal{KeyID: "key_" + r.Header.Get("X-Who")})))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// connect is the official SDK's client.
func connect(t *testing.T, url, version string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1,
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// use calls a tool and returns its data and, where it failed, its sentence.
func use(t *testing.T, s *mcp.ClientSession, name, arguments string) (map[string]any, string) {
	t.Helper()
	params := &mcp.CallToolParams{Name: name}
	if arguments != "" {
		params.Arguments = json.RawMessage(arguments)
	}
	result, err := s.CallTool(t.Context(), params)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	text := result.Content[0].(*mcp.TextContent).Text
	if result.IsError {
		return nil, text
	}
	data, _ := result.StructuredContent.(map[string]any)
	var same map[string]any
	if err := json.Unmarshal([]byte(text), &same); err != nil || len(same) != len(data) {
		t.Errorf("%s: the text %s isn't the data %v (%v)", name, text, data, err)
	}
	return data, ""
}

// post sends a raw message.
func post(t *testing.T, ctx context.Context, url, body string, headers ...string) (*http.Response, error) { //nolint:revive // t comes first everywhere
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
}

// answered sends a raw message and returns the whole answer.
func answered(t *testing.T, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	resp, err := post(t, t.Context(), url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// event reads the next event's data.
func event(r *bufio.Reader) (string, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSpace(data), nil
		}
	}
}

var errCause = errors.New("dial 10.0.0.1: secret-canary")

// refusal is an error of a service with a cause that nobody may see.
func refusal(r errorsv1.Reason, message string) *fault.Error {
	return fault.New(r, "%s", message).Because(errCause)
}
