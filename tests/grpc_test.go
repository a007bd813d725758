package tests

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

func dialGRPC(t *testing.T, m *mesh.Mesh) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(m.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func withKey(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+mesh.Key)
}

func prompt() *llmv1.Prompt {
	return &llmv1.Prompt{System: "Be brief.", Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Explain RAG"}}}},
	}}}
}

// TestTyped: the typed API gives the same answer whole and streamed, from either vendor.
func TestTyped(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		router := routerv1.NewRouterServiceClient(dialGRPC(t, m))
		for model, provider := range map[string]string{"gpt-5": "openai", "claude-opus-4-6": "claude", "openai/gpt-4o": "openai"} {
			whole, err := router.Chat(withKey(t.Context()), &routerv1.ChatRequest{Model: model, Prompt: prompt()})
			if err != nil {
				t.Fatal(err)
			}
			c := whole.GetCompletion()
			if whole.GetServed().GetProvider() != provider || whole.GetServed().GetAttempts() != 1 || c.GetFinishReason() != llmv1.FinishReason_FINISH_REASON_STOP {
				t.Errorf("%s: %v", model, whole)
			}
			text, usage := readTyped(t, router, model)
			if want := c.GetMessage().GetParts()[0].GetText().GetText(); text != want || text == "" {
				t.Errorf("%s: the stream says %q, the whole answer %q", model, text, want)
			}
			if usage.GetOutputTokens() != c.GetUsage().GetOutputTokens() || usage.GetOutputTokens() == 0 {
				t.Errorf("%s: the stream counts %v, the whole answer %v", model, usage, c.GetUsage())
			}
		}
	})
}

// readTyped reads a stream to its end and checks the order of its events.
func readTyped(t *testing.T, router routerv1.RouterServiceClient, model string) (text string, usage *llmv1.TokenUsage) {
	t.Helper()
	stream, err := router.StreamChat(withKey(t.Context()), &routerv1.StreamChatRequest{Model: model, Prompt: prompt()})
	if err != nil {
		t.Fatal(err)
	}
	var order strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := m.GetEvent(); {
		case e.GetStart() != nil:
			order.WriteString("s")
			if m.GetServed() == nil {
				t.Error("nobody says who serves")
			}
		case e.GetPartStart() != nil:
			order.WriteString("(")
		case e.GetPartDelta() != nil:
			text += e.GetPartDelta().GetText()
		case e.GetPartEnd() != nil:
			order.WriteString(")")
		case e.GetUsage() != nil:
			order.WriteString("u")
			usage = e.GetUsage()
		case e.GetFinish() != nil:
			order.WriteString("f")
		}
	}
	if order.String() != "s()fu" && order.String() != "su()fu" {
		t.Errorf("%s: the order of events is %s", model, order.String())
	}
	return text, usage
}

// TestTypedErrors: a gRPC code and an ErrorInfo that say what to do.
func TestTypedErrors(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		conn := dialGRPC(t, m)
		router := routerv1.NewRouterServiceClient(conn)
		cases := map[string]struct {
			model  string
			code   codes.Code
			reason string
		}{
			"unknown model":      {"nobody-knows", codes.NotFound, "MODEL_NOT_FOUND"},
			"no model":           {"", codes.InvalidArgument, "MISSING_FIELD"},
			"provider's limit":   {"gpt-5#status=429", codes.ResourceExhausted, "PROVIDER_ERROR"},
			"provider refuses":   {"claude-opus-4-6#status=400", codes.InvalidArgument, "PROVIDER_ERROR"},
			"our key is refused": {"gpt-5#status=401", codes.FailedPrecondition, "PROVIDER_CREDENTIALS"},
			"garbage":            {"claude-opus-4-6#garbage", codes.Unavailable, "PROVIDER_MALFORMED"},
		}
		for name, c := range cases {
			_, err := router.Chat(withKey(t.Context()), &routerv1.ChatRequest{Model: c.model, Prompt: prompt()})
			checkStatus(t, name, err, c.code, c.reason)
		}
		stream, err := router.StreamChat(withKey(t.Context()), &routerv1.StreamChatRequest{Model: "gpt-5#cut=5,chunk_delay=10ms", Prompt: prompt()})
		for err == nil {
			_, err = stream.Recv()
		}
		checkStatus(t, "cut", err, codes.Unavailable, "STREAM_TRUNCATED")
		_, err = router.ListModels(t.Context(), &routerv1.ListModelsRequest{})
		checkStatus(t, "no key", err, codes.Unauthenticated, "MISSING_API_KEY")
		relay, err := routerv1.NewRelayServiceClient(conn).Relay(withKey(t.Context()), &routerv1.RelayRequest{})
		if err == nil {
			_, err = relay.Recv()
		}
		checkStatus(t, "relay with a key only", err, codes.PermissionDenied, "PERMISSION_DENIED")
	})
}

func checkStatus(t *testing.T, name string, err error, code codes.Code, reason string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Errorf("%s: %v, want %v", name, err, code)
		return
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetReason() == reason && info.GetDomain() == "headgate" {
			return
		}
	}
	t.Errorf("%s: %v has no ErrorInfo %s", name, s.Details(), reason)
}

// TestLists: models by dialect, targets with what happened to them, and health without a key.
func TestLists(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Extra: "models:\n  mine: {targets: [{provider: claude, model: claude-opus-4-6}]}\n"})
	conn := dialGRPC(t, m)
	router := routerv1.NewRouterServiceClient(conn)
	models, err := router.ListModels(withKey(t.Context()), &routerv1.ListModelsRequest{Dialect: llmv1.Dialect_DIALECT_ANTHROPIC})
	if err != nil || models.GetModels()[0].GetId() != "mine" {
		t.Fatalf("%v, %v", models, err)
	}
	if !slices.ContainsFunc(models.GetModels(), func(m *llmv1.Model) bool { return m.GetId() == "gpt-5" }) {
		t.Error("gpt-5 can be asked for in every dialect, and isn't listed")
	}
	if _, err := router.Chat(withKey(t.Context()), &routerv1.ChatRequest{Model: "mine", Prompt: prompt()}); err != nil {
		t.Fatal(err)
	}
	targets, err := router.ListTargets(withKey(t.Context()), &routerv1.ListTargetsRequest{})
	if err != nil || len(targets.GetTargets()) != 6 || targets.GetTargets()[0].GetAttempts() != 1 || targets.GetTargets()[0].GetTrust() != llmv1.Sensitivity_SENSITIVITY_MEDIUM {
		t.Errorf("%v, %v", targets, err)
	}
	health, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "headgate.router.v1.RouterService"})
	if err != nil || health.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", health, err)
	}
}
