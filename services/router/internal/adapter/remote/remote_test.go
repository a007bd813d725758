package remote_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/remote"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const ownKey = "headgates-own-credential-0123456789"

// service is somebody's provider. Its model's name is what it does.
type service struct {
	providerv1.UnimplementedProviderServiceServer

	seen chan metadata.MD
}

func finish() *llmv1.StreamEvent {
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: llmv1.FinishReason_FINISH_REASON_STOP}}}
}

func (s *service) Chat(ctx context.Context, r *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	select {
	case s.seen <- md:
	default:
	}
	switch r.GetModel() {
	case "empty":
		return &providerv1.ChatResponse{}, nil
	case "busy":
		st, _ := status.New(codes.ResourceExhausted, "too much, "+ownKey).WithDetails(&errdetails.RetryInfo{})
		return nil, st.Err()
	case "mistake":
		return nil, status.Error(codes.InvalidArgument, "prompt.tools: none here")
	case "stranger":
		return nil, status.Error(codes.Unauthenticated, "who are you")
	case "down":
		return nil, status.Error(codes.Unavailable, "not now")
	case "crash":
		return nil, status.Error(codes.Unknown, "a stack trace")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &providerv1.ChatResponse{Completion: &llmv1.Completion{Id: "a", Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}}}, nil
}

func (s *service) StreamChat(r *providerv1.StreamChatRequest, out grpc.ServerStreamingServer[providerv1.StreamChatResponse]) error {
	_ = out.Send(&providerv1.StreamChatResponse{Event: &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "a"}}}})
	switch r.GetModel() {
	case "silent":
		<-out.Context().Done()
		return out.Context().Err()
	case "breaks":
		return status.Error(codes.Internal, "broken")
	}
	return out.Send(&providerv1.StreamChatResponse{Event: finish()})
}

func start(t *testing.T) (*provider.Provider, *service) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{seen: make(chan metadata.MD, 1)}
	server := grpc.NewServer()
	providerv1.RegisterProviderServiceServer(server, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(lis)
	}()
	p, _, err := remote.New(remote.Config{
		Name: "mine", Endpoints: []string{"http://" + lis.Addr().String()}, Keys: credential.New([]string{ownKey}, nil),
		Trust: llmv1.Sensitivity_SENSITIVITY_HIGH, UserAgent: "headgate/test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		server.Stop()
		<-done
	})
	return p, s
}

// TestChatCarriesOnlyOurCredential: the caller's key stays here.
func TestChatCarriesOnlyOurCredential(t *testing.T) {
	t.Parallel()
	p, s := start(t)
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs("authorization", "Bearer callers", "x-headgate-tags", "a=b"))
	answer, err := p.Chat(ctx, &providerv1.ChatRequest{Model: "good"})
	if err != nil || answer.GetCompletion().GetId() != "a" {
		t.Fatalf("%v, %v", answer, err)
	}
	md := <-s.seen
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+ownKey {
		t.Errorf("authorization %v", got)
	}
	if len(md.Get("x-headgate-tags")) != 0 {
		t.Error("the caller's metadata travelled on")
	}
}

func TestChatFailures(t *testing.T) {
	t.Parallel()
	p, _ := start(t)
	for model, c := range map[string]struct {
		reason    errorsv1.Reason
		status    string
		elsewhere bool
	}{
		"empty":    {errorsv1.Reason_REASON_PROVIDER_MALFORMED, "", true},
		"busy":     {errorsv1.Reason_REASON_PROVIDER_ERROR, "429", true},
		"mistake":  {errorsv1.Reason_REASON_PROVIDER_ERROR, "400", false},
		"stranger": {errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, "", true},
		"down":     {errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "", true},
		"crash":    {errorsv1.Reason_REASON_PROVIDER_ERROR, "500", true},
	} {
		_, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: model})
		var f *fault.Error
		if !errors.As(err, &f) || f.Reason != c.reason || f.Metadata["http_status"] != c.status || provider.Elsewhere(err) != c.elsewhere {
			t.Errorf("%s: %v", model, err)
		}
		if f != nil && model == "busy" && f.Message != "too much, [redacted]" {
			t.Errorf("busy: %q", f.Message)
		}
	}
	if _, err := p.Embed(t.Context(), &providerv1.EmbedRequest{}); fault.From(err).Reason != errorsv1.Reason_REASON_UNSUPPORTED {
		t.Errorf("what it hasn't implemented: %v", err)
	}
	if _, err := p.CountTokens(t.Context(), &providerv1.CountTokensRequest{}); !provider.Unasked(err) {
		t.Errorf("what it hasn't implemented: %v", err)
	}
}

func TestStreamChat(t *testing.T) {
	t.Parallel()
	p, _ := start(t)
	for model, want := range map[string]errorsv1.Reason{
		"good": 0, "silent": errorsv1.Reason_REASON_TIMEOUT, "breaks": errorsv1.Reason_REASON_PROVIDER_ERROR,
	} {
		events := 0
		err := p.StreamChat(t.Context(), &providerv1.StreamChatRequest{Model: model},
			provider.Silences{FirstContent: 50 * time.Millisecond, Gap: time.Minute},
			func(*providerv1.StreamChatResponse, bool) error { events++; return nil })
		var f *fault.Error
		if want == 0 {
			if err != nil || events != 2 {
				t.Errorf("%s: %v after %d events", model, err, events)
			}
			continue
		}
		if !errors.As(err, &f) || f.Reason != want {
			t.Errorf("%s: %v", model, err)
		}
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"", "127.0.0.1:7070", "http://"} {
		if _, _, err := remote.New(remote.Config{Name: "mine", Endpoints: []string{endpoint}}); err == nil {
			t.Errorf("%q was taken", endpoint)
		}
	}
}
