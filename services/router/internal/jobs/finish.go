package jobs

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/cross"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/account"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/incoming"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// FinishLine implements JobService. It needs neither the provider nor the key to be there any more: of the provider only
// the kind, for the price.
func (s *Server) FinishLine(ctx context.Context, r *routerv1.FinishLineRequest) (*routerv1.FinishLineResponse, error) {
	if r.GetResult().GetOutcome() != routerv1.JobOutcome_JOB_OUTCOME_ANSWERED {
		s.desk.Drop(r.GetContext().GetReservation()) // it was never asked
		return &routerv1.FinishLineResponse{}, nil
	}
	a := s.read(r.GetContext(), r.GetResult(), meta.RequestID(ctx))
	target := s.target(r.GetContext())
	if err := s.desk.Finish(lineOf(r, meta.RequestID(ctx), target, a)); err != nil {
		return nil, err
	}
	s.observer.Line(ctx, incoming.Operations[r.GetContext().GetOperation()], target, a.reading)
	return &routerv1.FinishLineResponse{HttpStatus: int32(a.status), Body: a.body, Usage: a.reading.Usage}, nil //nolint:gosec // an HTTP status
}

// target is who answered; without a kind where the provider isn't configured any more.
func (s *Server) target(c *routerv1.LineContext) catalog.Target {
	p := s.provider(c.GetProvider())
	if p == nil {
		p = &provider.Provider{Identity: provider.Identity{Name: c.GetProvider()}}
	}
	return catalog.Target{Provider: p, Model: c.GetUpstreamModel()}
}

func lineOf(r *routerv1.FinishLineRequest, requestID string, t catalog.Target, a answer) account.Line {
	c := r.GetContext()
	return account.Line{
		Ask: account.Ask{
			Operation: incoming.Operations[c.GetOperation()], Dialect: c.GetDialect(), Model: c.GetModel(), Input: c.GetInputTokens(),
			Wishes: steer.Wishes{Tags: r.GetTags(), Sensitivity: c.GetSensitivity()},
		},
		RequestID: requestID, JobID: r.GetJobId(), KeyID: r.GetKeyId(), Tenant: r.GetTenant(),
		Provider: t.Provider.Name, Kind: t.Provider.Kind, Model: t.Model, Began: c.GetPreparedAt().AsTime(),
		Status: int(r.GetResult().GetHttpStatus()), UpstreamRequestID: r.GetResult().GetUpstreamRequestId(),
		Reservation: c.GetReservation(), Reading: a.reading, Err: a.err,
	}
}

// answer is what the caller of a line reads, and what it tells.
type answer struct {
	status  int
	body    []byte
	reading dialect.Reading
	// err is the failure that it is; nil for a complete answer.
	err error
}

// read turns a provider's answer into the caller's. Which dialect it is in, it says itself.
func (s *Server) read(c *routerv1.LineContext, r *routerv1.JobResult, requestID string) answer {
	said := dialectOf(r.GetBody())
	status := int(r.GetHttpStatus())
	if status >= http.StatusBadRequest {
		return s.refused(c, said, status, r.GetBody(), requestID)
	}
	a := answer{status: http.StatusOK}
	if status != http.StatusOK {
		a.err = malformed(c, nil)
	} else {
		a.body, a.reading, a.err = s.translate(c, said, r.GetBody())
	}
	if a.err != nil {
		return s.failed(c, a.err, requestID)
	}
	a.reading.Said = int64(len(a.body))
	return a
}

// dialectOf tells Anthropic's answers and errors, which name what they are, from OpenAI's.
func dialectOf(body []byte) llmv1.Dialect {
	kind, _ := rawjson.Unquote(rawjson.Get(body, "type"))
	if string(kind) == "message" || string(kind) == "error" {
		return llmv1.Dialect_DIALECT_ANTHROPIC
	}
	return llmv1.Dialect_DIALECT_OPENAI
}

// translate reads a whole answer: its own bytes for a caller of the same dialect, as on the live path.
func (s *Server) translate(c *routerv1.LineContext, said llmv1.Dialect, body []byte) ([]byte, dialect.Reading, error) {
	if c.GetOperation() == routerv1.Operation_OPERATION_EMBED {
		read, reading, err := openai.ReadEmbedResponse(body, c.GetBase64())
		return read, reading, s.understood(c, err)
	}
	if said == c.GetDialect() {
		read, reading, err := s.wires[said].Raw[c.GetOperation()].Read(body, nil)
		return read, reading, s.understood(c, err)
	}
	completion, err := s.wires[said].Chat.Decode(body, nil)
	if err != nil {
		return nil, dialect.Reading{}, s.understood(c, err)
	}
	reading := provider.Reading(completion)
	reading.Usage = proto.CloneOf(reading.Usage) // the price is in its extensions, and the answer goes without
	return s.edges[c.GetDialect()].EncodeResponse(cross.Answer(completion, c.GetUpstreamModel())), reading, nil
}

// understood blames the provider for what can't be read, but for its own errors in an answer's place.
func (s *Server) understood(c *routerv1.LineContext, err error) error {
	if err == nil {
		return nil
	}
	f := fault.From(err)
	switch f.Reason {
	case errorsv1.Reason_REASON_UNSUPPORTED:
		return f
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		f.Message = string(s.mask.Bytes([]byte(f.Message)))
		return f.With("provider", c.GetProvider())
	}
	return malformed(c, err)
}

func malformed(c *routerv1.LineContext, cause error) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED, "provider %s sent an answer that can't be understood", c.GetProvider()).
		With("provider", c.GetProvider()).Because(cause)
}

// refused is a provider's error: as it is where the caller's SDK understands it, else its message in the caller's dialect.
func (s *Server) refused(c *routerv1.LineContext, said llmv1.Dialect, status int, body []byte, requestID string) answer {
	e := s.wires[said].DecodeError(status, s.mask.Bytes(body))
	failure := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", e.Message).
		With("provider", c.GetProvider()).With("http_status", strconv.Itoa(status)).With("provider_code", e.Code)
	a := s.failed(c, failure, requestID)
	if said == c.GetDialect() && s.wires[said].IsError(body) {
		a.body = body
	}
	a.status = status
	return a
}

// failed is a failure in the caller's dialect.
func (s *Server) failed(c *routerv1.LineContext, err error, requestID string) answer {
	f := fault.From(err)
	return answer{status: f.HTTPStatus(), body: s.wires[c.GetDialect()].ErrorBody(f, requestID), err: err}
}
