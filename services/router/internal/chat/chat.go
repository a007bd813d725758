// Package chat implements headgate.router.v1.RouterService: the typed way to models, and the lists of what there is.
package chat

import (
	"context"

	"google.golang.org/grpc"

	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedRouterServiceServer

	catalog  *catalog.Catalog
	observer *observe.Observer
}

// New builds the service over a catalog.
func New(c *catalog.Catalog, o *observe.Observer) *Server {
	return &Server{catalog: c, observer: o}
}

// Chat implements RouterService.
func (s *Server) Chat(ctx context.Context, r *routerv1.ChatRequest) (*routerv1.ChatResponse, error) {
	targets, wishes, err := s.plan(ctx, r.GetModel())
	if err != nil {
		return nil, err
	}
	ctx, cancel := attempt.Deadline(ctx, targets, wishes.Timeout)
	defer cancel()
	var response *routerv1.ChatResponse
	err = attempt.InOrder(ctx, targets, func(ctx context.Context, t catalog.Target, number int) (settled bool, err error) {
		ctx, seen := s.observer.Begin(ctx, t, false)
		defer func() { seen.End(err) }()
		answer, err := t.Provider.Chat(ctx, &providerv1.ChatRequest{Model: t.Model, Prompt: r.GetPrompt()})
		if err != nil {
			return false, err
		}
		seen.Reading(reading(answer.GetCompletion()))
		response = &routerv1.ChatResponse{Completion: answer.GetCompletion(), Served: served(t, answer.GetUpstreamRequestId(), number)}
		return true, nil
	})
	return response, err
}

// StreamChat implements RouterService.
func (s *Server) StreamChat(r *routerv1.StreamChatRequest, out grpc.ServerStreamingServer[routerv1.StreamChatResponse]) error {
	targets, wishes, err := s.plan(out.Context(), r.GetModel())
	if err != nil {
		return err
	}
	ctx, cancel := attempt.Deadline(out.Context(), targets, wishes.Timeout)
	defer cancel()
	return attempt.InOrder(ctx, targets, func(ctx context.Context, t catalog.Target, number int) (settled bool, err error) {
		ctx, seen := s.observer.Begin(ctx, t, true)
		defer func() { seen.End(err) }()
		d := &delivery{out: out, seen: seen, target: t, number: number}
		err = t.Provider.StreamChat(ctx, &providerv1.StreamChatRequest{Model: t.Model, Prompt: r.GetPrompt()}, t.Silences, d.emit)
		seen.Reading(d.reading)
		return d.sent, err
	})
}

// plan chooses the targets that may see the call, in any dialect: the adapters translate.
func (s *Server) plan(ctx context.Context, model string) ([]catalog.Target, steer.Wishes, error) {
	wishes, err := steer.Read(ctx)
	if err != nil {
		return nil, wishes, err
	}
	if wishes.Route != "" {
		model = wishes.Route
	}
	targets, err := s.catalog.Resolve(model)
	if err != nil {
		return nil, wishes, err
	}
	targets, err = catalog.Trusted(targets, wishes.Sensitivity)
	return targets, wishes, err
}

func served(t catalog.Target, requestID string, number int) *routerv1.Served {
	return &routerv1.Served{
		Provider: t.Provider.Name(), Model: t.Model, UpstreamRequestId: requestID, Attempts: int32(number),
	}
}
