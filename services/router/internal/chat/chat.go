// Package chat implements headgate.router.v1.RouterService: the typed way to models, and the lists of what there is.
package chat

import (
	"context"
	"net/http"

	"google.golang.org/grpc"

	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/attempt"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// Server is the service. Safe for concurrent use.
type Server struct {
	routerv1.UnimplementedRouterServiceServer

	planner *plan.Planner
	desk    *account.Desk
}

// New builds the service over a planner; the desk keeps the books of its calls.
func New(p *plan.Planner, d *account.Desk) *Server {
	return &Server{planner: p, desk: d}
}

// try makes one attempt under observation.
type try func(ctx context.Context, t catalog.Target, n attempt.Number, seen *account.Attempt) (settled bool, err error)

// run tries the targets of a model. A rule may change the content.
func (s *Server) run(ctx context.Context, ask plan.Ask, try try) error {
	p, err := s.planner.Make(ctx, ask)
	if err != nil {
		return err
	}
	books, err := s.desk.Open(ctx, account.Ask{
		Operation: ask.Operation, Model: p.Model, Stream: ask.Stream, Input: ask.Input, Output: ask.Output, Wishes: p.Wishes,
		Targets: p.Targets,
	})
	if err != nil {
		return err
	}
	defer books.Close()
	ctx, cancel := attempt.Deadline(ctx, books.Targets(), p.Wishes.Timeout)
	defer cancel()
	return attempt.Run(ctx, books.Targets(), func(ctx context.Context, t catalog.Target, n attempt.Number) (settled bool, err error) {
		ctx, seen := books.Attempt(ctx, t)
		defer func() { seen.End(err) }()
		return try(ctx, t, n, seen)
	})
}

// Chat implements RouterService.
func (s *Server) Chat(ctx context.Context, r *routerv1.ChatRequest) (response *routerv1.ChatResponse, err error) {
	content := &plan.Prompt{Prompt: r.GetPrompt()}
	err = s.run(ctx, asked(observe.Chat, r.GetModel(), content),
		func(ctx context.Context, t catalog.Target, n attempt.Number, seen *account.Attempt) (bool, error) {
			answer, err := t.Provider.Chat(ctx, &providerv1.ChatRequest{Model: t.Model, Prompt: content.Prompt})
			if err != nil {
				return false, err
			}
			seen.Answered(http.StatusOK, answer.GetUpstreamRequestId())
			seen.Reading(provider.Reading(answer.GetCompletion()))
			if !r.GetIncludeExtensions() {
				plain(answer.GetCompletion().ProtoReflect())
			}
			response = &routerv1.ChatResponse{
				Completion: answer.GetCompletion(), Served: served(t, answer, n),
			}
			return true, nil
		})
	return response, err
}

// StreamChat implements RouterService.
func (s *Server) StreamChat(r *routerv1.StreamChatRequest, out grpc.ServerStreamingServer[routerv1.StreamChatResponse]) error {
	content := &plan.Prompt{Prompt: r.GetPrompt()}
	ask := asked(observe.Chat, r.GetModel(), content)
	ask.Stream = true
	return s.run(out.Context(), ask,
		func(ctx context.Context, t catalog.Target, n attempt.Number, seen *account.Attempt) (bool, error) {
			d := &delivery{out: out, seen: seen, target: t, number: n}
			err := t.Provider.StreamChat(ctx, &providerv1.StreamChatRequest{
				Model: t.Model, Prompt: content.Prompt, IncludeExtensions: r.GetIncludeExtensions(),
			}, t.Silences, d.emit)
			if err != nil {
				seen.Reading(d.reading)
				return d.sent, err
			}
			err = d.end()
			return d.sent, err
		})
}

// Embed implements RouterService.
func (s *Server) Embed(ctx context.Context, r *routerv1.EmbedRequest) (response *routerv1.EmbedResponse, err error) {
	content := &plan.Texts{EmbeddingInput: r.GetInput()}
	err = s.run(ctx, plan.Ask{
		Operation: observe.Embeddings, Model: r.GetModel(), Input: estimate.Texts(r.GetInput()), Content: content,
	},
		func(ctx context.Context, t catalog.Target, n attempt.Number, seen *account.Attempt) (bool, error) {
			answer, err := t.Provider.Embed(ctx, &providerv1.EmbedRequest{Model: t.Model, Input: content.EmbeddingInput})
			if err != nil {
				return false, err
			}
			seen.Answered(http.StatusOK, answer.GetUpstreamRequestId())
			seen.Reading(embedded(answer))
			response = &routerv1.EmbedResponse{
				Embeddings: answer.GetEmbeddings(), Model: answer.GetModel(), Usage: answer.GetUsage(), Served: served(t, answer, n),
			}
			return true, nil
		})
	return response, err
}

// CountTokens implements RouterService.
func (s *Server) CountTokens(ctx context.Context, r *routerv1.CountTokensRequest) (response *routerv1.CountTokensResponse, err error) {
	content := &plan.Prompt{Prompt: r.GetPrompt()}
	err = s.run(ctx, asked(observe.CountTokens, r.GetModel(), content),
		func(ctx context.Context, t catalog.Target, n attempt.Number, seen *account.Attempt) (bool, error) {
			answer, err := t.Provider.CountTokens(ctx, &providerv1.CountTokensRequest{Model: t.Model, Prompt: content.Prompt})
			if provider.Unasked(err) {
				response = estimated(t, content.Prompt)
				return true, nil
			}
			if err != nil {
				return false, err
			}
			seen.Answered(http.StatusOK, answer.GetUpstreamRequestId())
			response = &routerv1.CountTokensResponse{InputTokens: answer.GetInputTokens(), Served: served(t, answer, n)}
			return true, nil
		})
	return response, err
}

// asked is what is known of a prompt beforehand.
func asked(operation, model string, p *plan.Prompt) plan.Ask {
	return plan.Ask{
		Operation: operation, Model: model, Input: estimate.Prompt(p.Prompt),
		Output: p.GetSampling().GetMaxOutputTokens(), Content: p,
	}
}

// answered is what all answers of providers tell of themselves.
type answered interface {
	GetUpstreamRequestId() string
}

func served(t catalog.Target, answer answered, n attempt.Number) *routerv1.Served {
	s := &routerv1.Served{
		Provider: t.Provider.Name, Model: t.Model, UpstreamRequestId: answer.GetUpstreamRequestId(),
		Attempts: int32(n.Attempts), //nolint:gosec // a handful
	}
	if warned, ok := answer.(interface{ GetWarnings() []string }); ok {
		s.Warnings = warned.GetWarnings()
	}
	return s
}
