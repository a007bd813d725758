package adapter

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Chat implements provider.Typed.
func (a *Adapter) Chat(ctx context.Context, r *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	if err := a.cfg.URLs.checkPrompt(r.GetPrompt()); err != nil {
		return nil, err
	}
	body, warnings, err := a.wire.Chat.Encode(r.GetPrompt(), dialect.Ask{Model: r.GetModel()})
	if err != nil {
		return nil, err
	}
	answer, h, err := a.ask(ctx, r.GetModel(), a.wire.Chat.Path, body)
	if err != nil {
		return nil, err
	}
	completion, err := a.wire.Chat.Decode(answer, h)
	if err != nil {
		return nil, broken(a.requestID(h), answer, a.undecodable(err))
	}
	return &providerv1.ChatResponse{Completion: completion, UpstreamRequestId: a.requestID(h), Warnings: warnings}, nil
}

// StreamChat implements provider.Typed.
func (a *Adapter) StreamChat(ctx context.Context, r *providerv1.StreamChatRequest, s provider.Silences, emit provider.Emit) error {
	if err := a.cfg.URLs.checkPrompt(r.GetPrompt()); err != nil {
		return err
	}
	body, warnings, err := a.wire.Chat.Encode(r.GetPrompt(), dialect.Ask{Model: r.GetModel(), Stream: true, IncludeUsage: true})
	if err != nil {
		return err
	}
	path := a.wire.Chat.Path
	if a.wire.Chat.StreamPath != "" {
		path = a.wire.Chat.StreamPath
	}
	ctx, watch := upstream.NewWatch(ctx, s.FirstContent, s.Gap)
	resp, err := a.post(ctx, r.GetModel(), path, a.ownHeader(), body)
	if err != nil {
		watch.Stop()
		return err
	}
	if resp.StatusCode != http.StatusOK || !isEventStream(resp.Header) {
		defer watch.Stop()
		defer resp.Body.Close()
		return a.notStream(ctx, resp)
	}
	stream := &typedStream{
		frames: newFrames(ctx, a, resp.Body, watch), decoder: a.wire.Chat.NewDecoder(r.GetIncludeExtensions()),
		emit: emit, requestID: a.requestID(resp.Header), warnings: warnings,
	}
	defer stream.close()
	if err := stream.run(); err != nil {
		return broken(a.requestID(resp.Header), nil, err)
	}
	return nil
}

// typedStream turns an event stream into steps of the shared vocabulary. It belongs to one goroutine.
type typedStream struct {
	frames

	decoder wire.Decoder
	emit    provider.Emit
	// requestID and warnings go with the first message.
	requestID string
	warnings  []string
}

func (s *typedStream) run() error {
	for !s.decoder.Done() {
		frame, err := s.next()
		if errors.Is(err, io.EOF) && s.ctx.Err() == nil {
			return s.finish(err)
		}
		if err != nil {
			return s.explain(err)
		}
		events, err := s.decoder.Decode(frame)
		if err != nil {
			return s.adapter.undecodable(err)
		}
		s.watch.Progress(anyContent(events))
		if err := s.deliver(events, s.reader.Ready()); err != nil {
			return err
		}
	}
	s.ended = true
	return nil
}

// finish asks the decoder whether an answer whose body has ended is complete: some servers send no terminal frame.
func (s *typedStream) finish(cause error) error {
	if ender, ok := s.decoder.(wire.Ender); ok {
		if events, complete := ender.End(); complete {
			return s.deliver(events, false)
		}
	}
	return s.adapter.truncated(cause)
}

func (s *typedStream) deliver(events []*llmv1.StreamEvent, more bool) error {
	for i, event := range events {
		m := &providerv1.StreamChatResponse{Event: event, UpstreamRequestId: s.requestID, Warnings: s.warnings}
		s.requestID, s.warnings = "", nil
		if err := s.emit(m, more || i < len(events)-1); err != nil {
			return err
		}
	}
	return nil
}

func anyContent(events []*llmv1.StreamEvent) bool {
	for _, e := range events {
		if provider.Shows(e) {
			return true
		}
	}
	return false
}

// ask posts a request of Headgate's own about a model, and returns the body and the head of a successful answer.
func (a *Adapter) ask(ctx context.Context, model, path string, body []byte) ([]byte, http.Header, error) {
	resp, err := a.post(ctx, model, path, a.ownHeader(), body)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := a.ok(ctx, resp)
	return answer, resp.Header, err
}

// notStream explains an answer that isn't the event stream that was asked for.
func (a *Adapter) notStream(ctx context.Context, resp *http.Response) error {
	body, err := a.ok(ctx, resp)
	if err != nil {
		return err
	}
	return broken(a.requestID(resp.Header), body, a.malformed("something other than an event stream", nil))
}

// ok returns the body of a successful answer, or the provider's error.
func (a *Adapter) ok(ctx context.Context, resp *http.Response) ([]byte, error) {
	if err := a.refused(resp); err != nil {
		return nil, err
	}
	body, err := a.readBody(ctx, resp)
	if err != nil && resp.StatusCode == http.StatusOK {
		return nil, broken(a.requestID(resp.Header), body, err)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		said := a.wire.DecodeError(resp.StatusCode, a.client.Mask(body))
		a.exhausted(resp, said)
		failure := a.providerError(said).After(upstream.RetryAfter(resp.Header, time.Now()))
		return nil, provider.Final(failure, final(resp.Header))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, a.malformed("a redirect or an empty success", nil)
	}
	return body, nil
}

// providerError is the provider's own error, its message word for word.
func (a *Adapter) providerError(p dialect.ProviderError) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", p.Message).
		With("provider", a.cfg.Name).With("http_status", itoa(p.Status)).With("provider_code", p.Code)
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

func (a *Adapter) requestID(h http.Header) string { return text(h.Get(a.wire.RequestIDHeader)) }

// ListModels implements provider.Typed.
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
	return &providerv1.ListModelsResponse{Models: models}, nil
}
