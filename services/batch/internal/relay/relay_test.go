package relay

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mesh answers every call in the same way.
type mesh struct {
	routerv1.UnimplementedRelayServiceServer
	usagev1.UnimplementedUsageServiceServer

	messages []*routerv1.RelayResponse
	events   []usagev1.Outcome
	err      error
}

func (m *mesh) Relay(_ *routerv1.RelayRequest, out grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	for _, r := range m.messages {
		if err := out.Send(r); err != nil {
			return err
		}
	}
	return m.err
}

func (m *mesh) ListEvents(_ *usagev1.ListEventsRequest, out grpc.ServerStreamingServer[usagev1.ListEventsResponse]) error {
	for _, o := range m.events {
		if err := out.Send(&usagev1.ListEventsResponse{Event: &usagev1.Event{Outcome: o}}); err != nil {
			return err
		}
	}
	return m.err
}

func dial(t *testing.T, m *mesh) *grpc.ClientConn {
	t.Helper()
	return dialAny(t, func(s *grpc.Server) {
		routerv1.RegisterRelayServiceServer(s, m)
		usagev1.RegisterUsageServiceServer(s, m)
	})
}

func dialAny(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	register(server)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })
	conn, err := grpc.NewClient("passthrough:mesh", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Stop(); wg.Wait() })
	return conn
}

// answered is an answer in one message.
func answered(code int32, body string, complete bool, headers ...*routerv1.Header) []*routerv1.RelayResponse {
	return []*routerv1.RelayResponse{{
		Head: &routerv1.RelayHead{Status: code, Headers: headers}, Data: []byte(body),
		Trailer: &routerv1.RelayTrailer{Complete: complete, Usage: &llmv1.TokenUsage{InputTokens: 1, CachedInputTokens: 2, CacheWriteTokens: 3, OutputTokens: 4, ReasoningTokens: 5}},
	}}
}

// TestVerdicts: what becomes of a line, for all that a router says.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	refused := func(r errorsv1.Reason) error {
		return fault.New(r, "because").After(7 * time.Second).GRPCStatus().Err()
	}
	for _, test := range []struct {
		name     string
		messages []*routerv1.RelayResponse
		err      error
		verdict  queue.Verdict
		status   int
		good     bool
		body     string // is in it
		after    time.Duration
	}{
		{name: "good", messages: answered(200, `{"a": 1}`, true), status: 200, good: true, body: `{"a": 1}`},
		{name: "good, no JSON", messages: answered(200, "a\n\"b", true), status: 200, good: true, body: `"a\n\"b"`},
		{name: "good, no end", messages: answered(200, `{"a`, false), verdict: queue.Broken, status: 502, body: "STREAM_TRUNCATED"},
		{name: "nothing", verdict: queue.Broken, status: 502, body: "STREAM_TRUNCATED"},
		{name: "broken off", messages: answered(200, `{"a`, false)[:1], err: status.Error(codes.Unavailable, "x"), verdict: queue.Busy, status: 503},
		{name: "400", messages: answered(400, `{"error":{}}`, true), status: 400, body: `{"error":{}}`},
		{name: "400 without an end", messages: answered(400, `{"error":{}}`, false), status: 400, body: `{"error":{}}`},
		{name: "401", messages: answered(401, `{}`, true), status: 401},
		{name: "408", messages: answered(408, `{}`, true), verdict: queue.Broken, status: 408},
		{name: "409", messages: answered(409, `{}`, true), verdict: queue.Broken, status: 409},
		{name: "429", messages: answered(429, `{}`, true, &routerv1.Header{Name: "retry-after", Value: "9"}), verdict: queue.Busy, status: 429, after: 9 * time.Second},
		{name: "500", messages: answered(500, `<html>`, true), verdict: queue.Broken, status: 500, body: `"<html>"`},
		{name: "503", messages: answered(503, `{}`, true), verdict: queue.Busy, status: 503},
		{name: "529", messages: answered(529, `{}`, true), verdict: queue.Busy, status: 529},
		{name: "overloaded", err: refused(errorsv1.Reason_REASON_OVERLOADED), verdict: queue.Full, status: 503, after: 7 * time.Second},
		{name: "limited", err: refused(errorsv1.Reason_REASON_RATE_LIMITED), verdict: queue.Busy, status: 429, after: 7 * time.Second},
		{name: "no money until tomorrow", err: refused(errorsv1.Reason_REASON_BUDGET_EXHAUSTED), verdict: queue.Busy, status: 429, after: 7 * time.Second},
		{name: "no money any more", err: fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED, "x").GRPCStatus().Err(), status: 429, body: "insufficient_quota"},
		{name: "no router", err: status.Error(codes.Unavailable, "dial 10.0.0.1"), verdict: queue.Busy, status: 503},
		{name: "log full", err: refused(errorsv1.Reason_REASON_USAGE_LOG_FULL), verdict: queue.Busy, status: 503, after: 7 * time.Second},
		{name: "no provider", err: refused(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE), verdict: queue.Busy, status: 502, after: 7 * time.Second},
		{name: "timeout", err: fault.New(errorsv1.Reason_REASON_TIMEOUT, "x").GRPCStatus().Err(), verdict: queue.Broken, status: 504},
		{name: "defect", err: status.Error(codes.Internal, "x"), verdict: queue.Broken, status: 500},
		{name: "larger than a limit", err: fault.New(errorsv1.Reason_REASON_LARGER_THAN_LIMIT, "x").GRPCStatus().Err(), status: 429, body: "rate_limit_exceeded"},
		{name: "revoked key", err: fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "x").GRPCStatus().Err(), status: 401, body: "invalid_api_key"},
		{name: "sensitive", err: fault.New(errorsv1.Reason_REASON_SENSITIVITY, "x").GRPCStatus().Err(), status: 403, body: "SENSITIVITY"},
		{name: "too large", messages: answered(200, `"`+strings.Repeat("x", 2000)+`"`, true), body: "result_too_large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := New(dial(t, &mesh{messages: test.messages, err: test.err}), 1000)
			a := r.Ask(t.Context(), &store.Batch{ID: "batch_1", Dialect: llmv1.Dialect_DIALECT_OPENAI}, 1, []byte("{}"))
			if a.Verdict != test.verdict || a.HTTPStatus != test.status || (a.Outcome == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED) != test.good ||
				!strings.Contains(string(a.Body), test.body) || a.After != test.after {
				t.Errorf("%+v %s", a, a.Body)
			}
			if test.good && a.Usage != (store.Usage{Input: 1, Cached: 2, Written: 3, Output: 4, Reasoning: 5}) {
				t.Errorf("%+v", a.Usage)
			}
		})
	}
}

// TestLedger: only a complete answer counts, and only an answer of the ledger is one.
func TestLedger(t *testing.T) {
	t.Parallel()
	complete, left, cached := usagev1.Outcome_OUTCOME_COMPLETE, usagev1.Outcome_OUTCOME_CLIENT_LEFT, usagev1.Outcome_OUTCOME_CACHED
	away := status.Error(codes.Unavailable, "x")
	for _, test := range []struct {
		name     string
		events   []usagev1.Outcome
		err      error
		answered bool
		fails    bool
	}{
		{name: "no row"},
		{name: "complete", events: []usagev1.Outcome{left, complete}, answered: true},
		{name: "not complete", events: []usagev1.Outcome{left, cached}},
		{name: "away", err: away, fails: true},
		{name: "away in the middle", events: []usagev1.Outcome{left}, err: away, fails: true},
		{name: "revoked key", err: fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "x").GRPCStatus().Err()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := NewLedger(dial(t, &mesh{events: test.events, err: test.err}))
			answered, err := l.Answered(t.Context(), &store.Batch{ID: "batch_1"}, 1, time.Now())
			if answered != test.answered || (err != nil) != test.fails {
				t.Errorf("%v %v", answered, err)
			}
		})
	}
}

func TestLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := New(dial(t, &mesh{}), 1000).Ask(ctx, &store.Batch{ID: "batch_1"}, 1, nil)
	if a.Outcome == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("%+v", a)
	}
}
