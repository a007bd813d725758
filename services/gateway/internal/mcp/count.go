package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

var countSpec = spec{
	name: "count_tokens", title: "Count tokens", outside: true,
	description: "Tells how many tokens a question is to a model, without asking it. Providers that can count are asked; otherwise it is an estimate.",
}

// counting is count_tokens' input.
type counting struct {
	asked
	steering
}

// counted is count_tokens' output.
type counted struct {
	InputTokens int64  `json:"input_tokens" jsonschema:"The tokens, instructions included."`
	Estimated   bool   `json:"estimated" jsonschema:"Whether the number is Headgate's estimate."`
	Provider    string `json:"provider" jsonschema:"Who counted."`
	Model       string `json:"model" jsonschema:"The model as the provider names it."`
	RequestID   string `json:"request_id" jsonschema:"Finds the call in the log."`
}

// count counts tokens.
type count struct{ router routerv1.RouterServiceClient }

func (c *count) call(ctx context.Context, _ *mcp.CallToolRequest, in counting) (*counted, error) {
	prompt, err := in.prompt()
	if err != nil {
		return nil, err
	}
	if ctx, err = in.steer(ctx); err != nil {
		return nil, err
	}
	answer, err := c.router.CountTokens(ctx, &routerv1.CountTokensRequest{Model: in.Model, Prompt: prompt})
	if err != nil {
		return nil, err
	}
	return &counted{
		InputTokens: answer.GetInputTokens(), Estimated: answer.GetEstimated(),
		Provider: answer.GetServed().GetProvider(), Model: answer.GetServed().GetModel(), RequestID: requestID(ctx),
	}, nil
}
