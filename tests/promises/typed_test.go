package promises_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
)

// theirs is somebody's provider over gRPC, with the fates of chaos.
type theirs struct {
	providerv1.UnimplementedProviderServiceServer

	chaos *chaos
	conns *connections
}

// startTheirs serves it until the test ends and returns its address.
func startTheirs(t *testing.T, c *chaos) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := &connections{Listener: l, open: map[net.Conn]bool{}}
	server := grpc.NewServer()
	providerv1.RegisterProviderServiceServer(server, &theirs{chaos: c, conns: conns})
	go func() { _ = server.Serve(conns) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// connections can all be broken at once.
type connections struct {
	net.Listener

	mu   sync.Mutex
	open map[net.Conn]bool
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.open[conn] = true
		c.mu.Unlock()
	}
	return conn, err
}

func (c *connections) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
		delete(c.open, conn)
	}
}

// StreamChat implements ProviderService.
func (p *theirs) StreamChat(r *providerv1.StreamChatRequest, out grpc.ServerStreamingServer[providerv1.StreamChatResponse]) error {
	round, ok := roundIn([]byte(r.GetPrompt().String()))
	if !ok {
		return grpcstatus.Error(codes.InvalidArgument, "no round")
	}
	n := p.chaos.begin(round)
	list, typed := answer(round, n)
	s := &spoken{plan: p.chaos.fate(round, n), typed: &typed}
	p.chaos.note(round, s)
	return p.play(out, s, list)
}

// Chat implements ProviderService.
func (p *theirs) Chat(ctx context.Context, r *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	round, ok := roundIn([]byte(r.GetPrompt().String()))
	if !ok {
		return nil, grpcstatus.Error(codes.InvalidArgument, "no round")
	}
	n := p.chaos.begin(round)
	_, typed := answer(round, n)
	s := &spoken{plan: p.chaos.fate(round, n), typed: &typed}
	p.chaos.note(round, s)
	if done, err := p.strike(ctx, s); done && s.plan.how != eof {
		return nil, err
	}
	return &providerv1.ChatResponse{Completion: &llmv1.Completion{
		Id: "a", FinishReason: llmv1.FinishReason_FINISH_REASON_STOP, Usage: &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 5},
		Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: typed.text}}}}},
	}}, nil
}

// answer is the events of a typed answer, and what it says.
func answer(round, attempt int) ([]*llmv1.StreamEvent, content) {
	text := func(s string) *llmv1.Part {
		return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}}
	}
	list := []*llmv1.StreamEvent{
		{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "a", Model: "theirs"}}},
		{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Part: text("")}}},
	}
	c := content{whole: true}
	for i := range 1 + chance("typed", round, attempt).IntN(20) {
		words := fmt.Sprintf("%s%d says %d. ", label(round), attempt, i)
		c.text += words
		list = append(list, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: &llmv1.PartDelta{Delta: &llmv1.PartDelta_Text{Text: words}}}})
	}
	return append(list,
		&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{}}},
		&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: llmv1.FinishReason_FINISH_REASON_STOP}}},
		&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 5}}},
	), c
}

func (p *theirs) play(out grpc.ServerStreamingServer[providerv1.StreamChatResponse], s *spoken, list []*llmv1.StreamEvent) error {
	cut := int(s.plan.at * float64(len(list)+1))
	for i, event := range list {
		if i == cut {
			if done, err := p.strike(out.Context(), s); done {
				return err
			}
			if s.plan.how == corrupt || s.plan.how == wire {
				_ = out.Send(&providerv1.StreamChatResponse{Event: odd(s.plan.flip)})
			}
		}
		if err := out.Send(&providerv1.StreamChatResponse{Event: event}); err != nil {
			return err
		}
	}
	return nil
}

// strike ends a stream before its end; false where the fate is another.
func (p *theirs) strike(ctx context.Context, s *spoken) (done bool, err error) {
	switch s.plan.how {
	case eof:
		return true, nil
	case fin, status, failsMid:
		return true, grpcstatus.Error([]codes.Code{codes.Unavailable, codes.Internal, codes.ResourceExhausted, codes.Unknown, codes.Aborted}[int(s.plan.flip)%5], "not now")
	case reset:
		p.conns.reset()
		return true, nil
	case stall:
		<-ctx.Done()
		return true, ctx.Err()
	}
	return false, nil
}

// odd is an event that has no place where it comes.
func odd(kind byte) *llmv1.StreamEvent {
	switch kind % 4 {
	case 0:
		return &llmv1.StreamEvent{}
	case 1:
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: &llmv1.PartDelta{Index: 7, Delta: &llmv1.PartDelta_Text{Text: "stray"}}}}
	case 2:
		return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "again"}}}
	}
	return &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: 7}}}
}
