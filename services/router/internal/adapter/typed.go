package adapter

import (
	"context"
	"net/http"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Chat asks once, as ProviderService.Chat. Errors are *fault.Error; the provider's own come as PROVIDER_ERROR.
func (a *Adapter) Chat(ctx context.Context, r *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	body, err := a.wire.EncodeRequest(r.GetModel(), r.GetPrompt(), false)
	if err != nil {
		return nil, err
	}
	resp, err := a.post(ctx, a.wire.ChatPath, a.ownHeader(), body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := a.ok(ctx, resp)
	if err != nil {
		return nil, err
	}
	completion, err := a.wire.DecodeResponse(answer)
	if err != nil {
		return nil, a.undecodable(err)
	}
	return &providerv1.ChatResponse{Completion: completion, UpstreamRequestId: text(resp.Header.Get(a.wire.RequestIDHeader))}, nil
}

// Silences bound how long a stream may be silent: until its first content, and between events after that.
type Silences struct{ FirstContent, Gap time.Duration }

// StreamChat asks once, as ProviderService.StreamChat: emit gets every step; an error of emit ends the call.
func (a *Adapter) StreamChat(ctx context.Context, r *providerv1.StreamChatRequest, s Silences, emit func(*providerv1.StreamChatResponse) error) error {
	body, err := a.wire.EncodeRequest(r.GetModel(), r.GetPrompt(), true)
	if err != nil {
		return err
	}
	ctx, watch := upstream.NewWatch(ctx, s.FirstContent, s.Gap)
	resp, err := a.post(ctx, a.wire.ChatPath, a.ownHeader(), body)
	if err != nil {
		watch.Stop()
		return err
	}
	if resp.StatusCode != http.StatusOK || !isEventStream(resp.Header) {
		defer watch.Stop()
		defer resp.Body.Close()
		return a.notStream(ctx, resp)
	}
	stream := newStream(ctx, a, resp.Body, a.wire.NewTap(dialect.Facts{Stream: true, IncludeUsage: true}), watch)
	defer stream.Close()
	return a.decodeStream(stream, text(resp.Header.Get(a.wire.RequestIDHeader)), emit)
}

func (a *Adapter) decodeStream(s *Stream, requestID string, emit func(*providerv1.StreamChatResponse) error) error {
	decoder := a.wire.NewDecoder()
	for !decoder.Done() {
		frame, _, err := s.Next()
		if err != nil {
			return err
		}
		events, err := decoder.Decode(frame)
		if err != nil {
			return a.undecodable(err)
		}
		for _, event := range events {
			if err := emit(&providerv1.StreamChatResponse{Event: event, UpstreamRequestId: requestID}); err != nil {
				return err
			}
			requestID = ""
		}
	}
	return nil
}

// notStream explains an answer that isn't the event stream that was asked for.
func (a *Adapter) notStream(ctx context.Context, resp *http.Response) error {
	if _, err := a.ok(ctx, resp); err != nil {
		return err
	}
	return a.malformed("something other than an event stream", nil)
}

// ok returns the body of a successful answer, or the provider's error.
func (a *Adapter) ok(ctx context.Context, resp *http.Response) ([]byte, error) {
	if err := a.refused(resp.StatusCode); err != nil {
		return nil, err
	}
	body, err := a.readBody(ctx, resp)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		return nil, a.providerError(resp.StatusCode, a.client.Mask(body))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.malformed("a redirect or an empty success", nil)
	}
	return body, nil
}

// providerError is the provider's own error, its message word for word.
func (a *Adapter) providerError(status int, body []byte) *fault.Error {
	p := a.wire.DecodeError(status, body)
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("provider", a.cfg.Name).With("http_status", itoa(status)).With("provider_code", p.Code)
}

// undecodable keeps what the codec says of a limit of ours, and blames the provider for everything else.
func (a *Adapter) undecodable(err error) error {
	f := fault.From(err)
	switch f.Reason {
	case errorsv1.Reason_REASON_UNSUPPORTED:
		return f
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		f.Message = string(a.client.Mask([]byte(f.Message)))
		return f.With("provider", a.cfg.Name)
	}
	return a.malformed("an answer that can't be understood", err)
}

// ListModels asks for the provider's models, as ProviderService.ListModels.
func (a *Adapter) ListModels(ctx context.Context, _ *providerv1.ListModelsRequest) (*providerv1.ListModelsResponse, error) {
	resp, err := a.client.Send(ctx, upstream.Request{Method: http.MethodGet, Path: a.wire.ModelsPath, Header: a.ownHeader()})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := a.ok(ctx, resp)
	if err != nil {
		return nil, err
	}
	models, err := a.wire.DecodeModels(body)
	if err != nil {
		return nil, a.malformed("a model list that can't be understood", err)
	}
	for _, m := range models {
		m.Provider = a.cfg.Name
		m.Dialects = []llmv1.Dialect{a.wire.Dialect}
	}
	return &providerv1.ListModelsResponse{Models: models}, nil
}
