package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

var explainSpec = spec{
	name: "explain_route", title: "Explain a route",
	description: "Tells where a question would go and why, without sending it anywhere: the rule that matches, and every target with its state.",
}

// routed is explain_route's output.
type routed struct {
	Model      string           `json:"model" jsonschema:"The model's name after routes and rules."`
	Strategy   string           `json:"strategy,omitempty" jsonschema:"How the model's targets are chosen: failover, weighted or least_loaded."`
	Rule       string           `json:"rule,omitempty" jsonschema:"The first rule that matches."`
	Rules      []outcome        `json:"rules,omitempty" jsonschema:"Every rule up to that one."`
	Candidates []candidate      `json:"candidates" jsonschema:"The targets in the order in which they would be tried; those that wouldn't be come last."`
	Refusal    string           `json:"refusal,omitempty" jsonschema:"Why the question would be refused; empty where it would be sent."`
	Redactions map[string]int32 `json:"redactions,omitempty" jsonschema:"What a rule would replace in the text before it leaves, by detector."`
	Facts      facts            `json:"facts" jsonschema:"What the rules see of the question."`
}

// outcome is what a rule said.
type outcome struct {
	Name    string `json:"name" jsonschema:"The rule."`
	Matched bool   `json:"matched" jsonschema:"Whether its condition held."`
}

// candidate is a target of the model.
type candidate struct {
	Provider string `json:"provider" jsonschema:"The configured provider."`
	Model    string `json:"model,omitempty" jsonschema:"The model as sent to it."`
	Chosen   bool   `json:"chosen" jsonschema:"Whether it would be asked."`
	Reason   string `json:"reason" jsonschema:"Why, or why not."`
	Breaker  string `json:"breaker,omitempty" jsonschema:"What its breaker lets through: closed, open or half_open."`
	Trust    string `json:"trust,omitempty" jsonschema:"The highest sensitivity it may see."`
	InFlight int64  `json:"in_flight" jsonschema:"Calls under way at the provider."`
}

// facts are what the rules see.
type facts struct {
	InputTokens int64            `json:"input_tokens" jsonschema:"The estimate of the question's tokens."`
	Messages    int32            `json:"messages" jsonschema:"Messages."`
	Sensitivity string           `json:"sensitivity" jsonschema:"The label: the caller's, raised by what was detected."`
	Detected    map[string]int32 `json:"detected,omitempty" jsonschema:"The detectors that found something, and how often."`
	Complexity  float64          `json:"complexity" jsonschema:"From 0 to 1."`
}

// explain explains routes.
type explain struct{ router routerv1.RouterServiceClient }

func (e *explain) call(ctx context.Context, _ *mcp.CallToolRequest, in counting) (*routed, error) {
	prompt, err := in.conversation()
	if err != nil {
		return nil, err
	}
	if ctx, err = in.steer(ctx); err != nil {
		return nil, err
	}
	answer, err := e.router.ExplainRoute(ctx, &routerv1.ExplainRouteRequest{Model: in.Model, Prompt: unlessEmpty(prompt)})
	if err != nil {
		return nil, err
	}
	return explained(answer), nil
}

// unlessEmpty leaves a prompt without messages out: the route of a model alone can be explained too.
func unlessEmpty(p *llmv1.Prompt) *llmv1.Prompt {
	if len(p.GetMessages()) == 0 {
		return nil
	}
	return p
}

func explained(m *routerv1.ExplainRouteResponse) *routed {
	r := &routed{
		Model: m.GetModel(), Strategy: m.GetStrategy(), Rule: m.GetRule(), Refusal: m.GetRefusal(), Redactions: m.GetRedactions(),
		Candidates: make([]candidate, 0, len(m.GetCandidates())),
		Facts: facts{
			InputTokens: m.GetFacts().GetInputTokens(), Messages: m.GetFacts().GetMessages(), Detected: m.GetFacts().GetDetected(),
			Sensitivity: word(m.GetFacts().GetSensitivity().String(), "SENSITIVITY_"), Complexity: m.GetFacts().GetComplexity(),
		},
	}
	for _, o := range m.GetRules() {
		r.Rules = append(r.Rules, outcome{Name: o.GetName(), Matched: o.GetMatched()})
	}
	for _, c := range m.GetCandidates() {
		r.Candidates = append(r.Candidates, seen(c))
	}
	return r
}

func seen(c *routerv1.RouteCandidate) candidate {
	t := c.GetTarget()
	s := candidate{
		Provider: t.GetProvider(), Model: t.GetUpstreamModel(), Chosen: c.GetChosen(), Reason: c.GetReason(), InFlight: t.GetInFlight(),
	}
	if b := t.GetBreaker(); b != routerv1.BreakerState_BREAKER_STATE_UNSPECIFIED {
		s.Breaker = word(b.String(), "BREAKER_STATE_")
	}
	if l := t.GetTrust(); l != llmv1.Sensitivity_SENSITIVITY_UNSPECIFIED {
		s.Trust = word(l.String(), "SENSITIVITY_")
	}
	return s
}
