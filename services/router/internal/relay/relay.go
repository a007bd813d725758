// Package relay implements headgate.router.v1.RelayService: a client's bytes out, a provider's bytes back, in the same
// dialect, as they come.
package relay

import (
	"context"

	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedRelayServiceServer

	catalog  *catalog.Catalog
	observer *observe.Observer
	wires    map[llmv1.Dialect]*wire.Wire
}

// New builds the service over a catalog.
func New(c *catalog.Catalog, o *observe.Observer) *Server {
	return &Server{catalog: c, observer: o, wires: map[llmv1.Dialect]*wire.Wire{
		llmv1.Dialect_DIALECT_OPENAI:    wire.OpenAI(),
		llmv1.Dialect_DIALECT_ANTHROPIC: wire.Anthropic(),
	}}
}

// Relay implements RelayService.
func (s *Server) Relay(r *routerv1.RelayRequest, out grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	w, ok := s.wires[r.GetDialect()]
	if !ok || r.GetOperation() != routerv1.Operation_OPERATION_CHAT {
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the router relays chats in the OpenAI and the Anthropic dialect")
	}
	facts, err := w.ReadFacts(r.GetBody())
	if err != nil {
		return err
	}
	targets, wishes, err := s.plan(out.Context(), facts, w.Dialect)
	if err != nil {
		return err
	}
	ctx, cancel := attempt.Deadline(out.Context(), targets, wishes.Timeout)
	defer cancel()
	call := adapter.Call{Body: r.GetBody(), Facts: facts, Headers: r.GetHeaders(), Query: r.GetQuery()}
	return s.run(ctx, w, targets, call, out)
}

// plan chooses the targets that may and can take the call.
func (s *Server) plan(ctx context.Context, facts dialect.Facts, d llmv1.Dialect) ([]catalog.Target, steer.Wishes, error) {
	wishes, err := steer.Read(ctx)
	if err != nil {
		return nil, wishes, err
	}
	name := facts.Model
	if wishes.Route != "" {
		name = wishes.Route
	}
	targets, err := s.catalog.Resolve(name)
	if err != nil {
		return nil, wishes, err
	}
	if targets, err = catalog.Trusted(targets, wishes.Sensitivity); err != nil {
		return nil, wishes, err
	}
	targets, err = catalog.Speaking(targets, d)
	return targets, wishes, err
}

// run tries the targets; the last one's error answer is the client's to read.
func (s *Server) run(ctx context.Context, w *wire.Wire, targets []catalog.Target, call adapter.Call, out sender) error {
	told := false
	err := attempt.InOrder(ctx, targets, func(ctx context.Context, t catalog.Target, number int) (settled bool, err error) {
		ctx, seen := s.observer.Begin(ctx, t, call.Facts.Stream)
		defer func() { seen.End(err) }()
		call.Model, call.Silences = t.Model, t.Silences
		answer, err := t.Provider.Relay(ctx, call)
		if err != nil {
			return false, err
		}
		p := &pump{wire: w, out: out, seen: seen, requestID: meta.RequestID(ctx), head: head(answer, t, number), more: number < len(targets)}
		settled, err = p.deliver(answer)
		told = p.told
		return settled, err
	})
	if told {
		return nil
	}
	return err
}

func head(a *adapter.Answer, t catalog.Target, number int) *routerv1.RelayHead {
	return &routerv1.RelayHead{
		Status:            int32(a.Status),
		Headers:           a.Headers,
		Stream:            a.Stream != nil,
		Provider:          t.Provider.Name(),
		Model:             t.Model,
		UpstreamRequestId: a.UpstreamRequestID,
		Attempts:          int32(number),
	}
}
