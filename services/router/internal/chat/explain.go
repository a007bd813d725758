package chat

import (
	"context"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
	"github.com/headgate-mesh/headgate/services/router/internal/observe"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
)

// ExplainRoute implements RouterService.
func (s *Server) ExplainRoute(ctx context.Context, r *routerv1.ExplainRouteRequest) (*routerv1.ExplainRouteResponse, error) {
	ask, err := explained(r)
	if err != nil {
		return nil, err
	}
	t, err := s.planner.Explain(ctx, ask)
	if err != nil {
		return nil, err
	}
	answer := &routerv1.ExplainRouteResponse{
		Facts: facts(ask, t), Rule: t.Plan.Rule, Model: t.Plan.Model, Strategy: t.Strategy, Redactions: counts(t.Redacted),
	}
	for _, o := range t.Tried {
		answer.Rules = append(answer.Rules, &routerv1.RuleOutcome{Name: o.Name, Matched: o.Matched})
	}
	now := time.Now()
	for _, c := range t.Candidates {
		answer.Candidates = append(answer.Candidates, &routerv1.RouteCandidate{
			Target: Target(t.Plan.Model, c.Target, now), Chosen: c.Chosen && t.Refusal == nil, Reason: c.Reason,
		})
	}
	if t.Refusal != nil {
		answer.Refusal = fault.From(t.Refusal).Message
	}
	return answer, nil
}

// explained is what the request would ask.
func explained(r *routerv1.ExplainRouteRequest) (plan.Ask, error) {
	if body := r.GetBody(); body != nil {
		return explainedBody(r, body)
	}
	prompt := r.GetPrompt()
	if prompt == nil {
		prompt = &llmv1.Prompt{}
	}
	return asked(observe.Chat, r.GetModel(), &plan.Prompt{Prompt: prompt}), nil
}

func explainedBody(r *routerv1.ExplainRouteRequest, body *routerv1.RawBody) (plan.Ask, error) {
	e := edges[body.GetDialect()]
	if e == nil {
		return plan.Ask{}, invalid("body.dialect", "must be DIALECT_OPENAI or DIALECT_ANTHROPIC")
	}
	read := e().ReadFacts[routerv1.Operation_OPERATION_CHAT]
	facts, err := read([]byte(body.GetJson()))
	if err != nil {
		return plan.Ask{}, err
	}
	if r.GetModel() != "" {
		facts.Model = r.GetModel()
	}
	return plan.Ask{
		Operation: observe.Chat, Dialect: body.GetDialect(), Model: facts.Model, Stream: facts.Stream,
		Input: estimate.Body([]byte(body.GetJson())), Output: facts.MaxOutputTokens,
		Content: &plan.Body{JSON: []byte(body.GetJson()), Reread: func(b []byte) error { _, err := read(b); return err }},
	}, nil
}

var edges = map[llmv1.Dialect]func() *edge.Edge{
	llmv1.Dialect_DIALECT_OPENAI:    edge.OpenAI,
	llmv1.Dialect_DIALECT_ANTHROPIC: edge.Anthropic,
}

func facts(ask plan.Ask, t plan.Trace) *routerv1.RouteFacts {
	label := max(t.Label, llmv1.Sensitivity_SENSITIVITY_NONE)
	return &routerv1.RouteFacts{
		Model: t.Model, InputTokens: ask.Input, MaxOutputTokens: ask.Output, Stream: ask.Stream,
		Tools: int32(t.Shape.Tools), Messages: int32(t.Shape.Messages), Media: t.Shape.Media, //nolint:gosec // bounded by the body's size
		Sensitivity: label, Detected: counts(t.Detected), Complexity: t.Complexity, Scanned: t.Scanned,
	}
}

func counts(m map[string]int) map[string]int32 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]int32, len(m))
	for name, n := range m {
		out[name] = int32(n) //nolint:gosec // bounded by the body's size
	}
	return out
}
