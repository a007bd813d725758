package adapter

import (
	"context"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Embed implements provider.Typed.
func (a *Adapter) Embed(ctx context.Context, r *providerv1.EmbedRequest) (*providerv1.EmbedResponse, error) {
	if a.wire.Embed == nil {
		return nil, a.unable("embeddings; ask for a model of another provider")
	}
	body, err := a.wire.Embed.Encode(r.GetInput(), r.GetModel())
	if err != nil {
		return nil, err
	}
	answer, h, err := a.ask(ctx, r.GetModel(), a.wire.Embed.Path, body)
	if err != nil {
		return nil, err
	}
	response, err := a.wire.Embed.Decode(answer)
	if err != nil {
		return nil, broken(a.requestID(h), answer, a.undecodable(err))
	}
	response.UpstreamRequestId = a.requestID(h)
	return response, nil
}

// CountTokens implements provider.Typed.
func (a *Adapter) CountTokens(ctx context.Context, r *providerv1.CountTokensRequest) (*providerv1.CountTokensResponse, error) {
	if a.wire.Count == nil {
		return nil, a.unable("token counting")
	}
	body, _, err := a.wire.Count.Encode(r.GetPrompt(), dialect.Ask{Model: r.GetModel()})
	if err != nil {
		return nil, err
	}
	answer, h, err := a.ask(ctx, r.GetModel(), a.wire.Count.Path, body)
	if err != nil {
		return nil, err
	}
	n, err := a.wire.Count.Decode(answer)
	if err != nil {
		return nil, broken(a.requestID(h), answer, a.undecodable(err))
	}
	return &providerv1.CountTokensResponse{InputTokens: n, UpstreamRequestId: a.requestID(h)}, nil
}

func (a *Adapter) unable(what string) error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "provider %s (%s) has no %s", a.cfg.Name, a.cfg.Kind, what).With("field", "model")
}
