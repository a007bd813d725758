package jobs

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/incoming"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// PrepareLine implements JobService.
func (s *Server) PrepareLine(ctx context.Context, r *routerv1.PrepareLineRequest) (*routerv1.PrepareLineResponse, error) {
	if _, ok := auth.FromContext(ctx); !ok {
		return nil, fault.New(errorsv1.Reason_REASON_MISSING_API_KEY, "a line is prepared on behalf of the key that made its batch")
	}
	request, err := s.edges.Read(r.GetDialect(), r.GetOperation(), r.GetBody())
	if err != nil {
		return nil, err
	}
	p, err := s.planner.Make(ctx, request.Plan())
	if err != nil {
		return nil, err
	}
	t := catalog.Order(p.Targets, time.Now(), rand.Float64)[0]
	line := s.write(request, r.GetHeaders(), p, t)
	if line == nil {
		return &routerv1.PrepareLineResponse{Live: true}, nil
	}
	line.Context.Reservation, err = s.desk.Hand(ctx, request.Account(p), t)
	if err != nil && fault.From(err).Reason == errorsv1.Reason_REASON_PRICE_UNKNOWN {
		return &routerv1.PrepareLineResponse{Live: true}, nil // of the live path it may be known, there or elsewhere
	}
	return line, err
}

// write writes a line for the batch API of a target, the one that a live call would ask first; nil where it has none, or none that
// takes the line: the live path finds another target, or the error to show.
func (s *Server) write(r *incoming.Request, headers []*routerv1.Header, p plan.Plan, t catalog.Target) *routerv1.PrepareLineResponse {
	if r.Facts.Stream || asksCache(p) {
		return nil
	}
	w := s.wires[t.Provider.Dialect]
	if !t.Provider.TakesBatches() || w == nil {
		return nil
	}
	line := &routerv1.PrepareLineResponse{
		Inputs: 1, Limits: t.Provider.Batch().Limits(r.Operation), Context: contextOf(r, p, t),
	}
	if line.Body, line.Headers = body(w, r, headers, t.Model); line.GetBody() == nil || int64(len(line.GetBody())) > line.GetLimits().GetBytes() {
		return nil
	}
	if r.Operation == routerv1.Operation_OPERATION_EMBED {
		line.Inputs = int64(openai.CountInputs(r.Body()))
	}
	return line
}

// asksCache reports whether the call, or a rule for it, wants the cache: it belongs to the live path. A model that is kept
// by configuration alone isn't asked live for that: half the price for all is worth more than none for a few.
func asksCache(p plan.Plan) bool {
	return p.Wishes.Cache == steer.CacheOn || p.Wishes.Cache == steer.CacheRefresh
}

// body is the request for a provider of the wire and the headers that go with it: the client's own bytes where they speak
// the same dialect; nil where it can't be asked this.
func body(w *wire.Wire, r *incoming.Request, headers []*routerv1.Header, model string) ([]byte, []*routerv1.Header) {
	if r.Operation != routerv1.Operation_OPERATION_CHAT && r.Operation != routerv1.Operation_OPERATION_EMBED {
		return nil, nil
	}
	if raw, ok := w.Raw[r.Operation]; ok && w.Dialect == r.Edge.Dialect {
		return unstreamed(raw.Rewrite(r.Body(), r.Facts, model)), passing(w, headers)
	}
	if r.Operation != routerv1.Operation_OPERATION_CHAT {
		return nil, nil
	}
	prompt, _, err := r.Prompt()
	if err != nil {
		return nil, nil
	}
	// What the codec leaves out as harmless, a live answer would name in a header; a batch's has none.
	encoded, _, err := w.Chat.Encode(prompt, dialect.Ask{Model: model})
	if err != nil {
		return nil, nil
	}
	return encoded, nil
}

// unstreamed takes out a stream that isn't wanted: batch APIs want nothing said of it.
func unstreamed(body []byte) []byte {
	var edits []rawjson.Edit
	_ = rawjson.Object(body, dialect.MaxDepth, func(m rawjson.Member) bool {
		if string(m.Name) == "stream" {
			edits = append(edits, rawjson.Remove(body, m))
		}
		return true
	})
	if len(edits) == 0 {
		return body
	}
	return rawjson.Splice(body, edits...)
}

// passing are the client's headers that pass to the provider, in an order of their own: lines with the same go together.
func passing(w *wire.Wire, headers []*routerv1.Header) []*routerv1.Header {
	var kept []*routerv1.Header
	for _, name := range w.RequestHeaders {
		for _, h := range headers {
			if h.GetName() == name && !slices.ContainsFunc(kept, func(k *routerv1.Header) bool {
				return k.GetName() == name && k.GetValue() == h.GetValue()
			}) {
				kept = append(kept, h)
			}
		}
	}
	return kept
}

func contextOf(r *incoming.Request, p plan.Plan, t catalog.Target) *routerv1.LineContext {
	return &routerv1.LineContext{
		Provider: t.Provider.Name, UpstreamModel: t.Model, Model: p.Model, Sensitivity: p.Wishes.Sensitivity, InputTokens: p.Input,
		Dialect: r.Edge.Dialect, Operation: r.Operation, PreparedAt: timestamppb.Now(),
		Base64: r.Operation == routerv1.Operation_OPERATION_EMBED && openai.WantsBase64(r.Body()),
	}
}
