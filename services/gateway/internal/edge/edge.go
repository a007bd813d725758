// Package edge serves the vendors' own HTTP dialects: it hands a client's bytes to the router and the router's bytes to
// the client. What a dialect says and how it fails is the dialect package's business.
package edge

import (
	"net/http"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Dialect is one vendor's dialect as the edge needs it.
type Dialect struct {
	// ID names it to the router.
	ID llmv1.Dialect
	// RequestHeaders that the router may want, in canonical form.
	RequestHeaders []string
	// ReadFacts reads a chat request.
	ReadFacts func(body []byte) (dialect.Facts, error)
	// ErrorBody and ErrorFrame write an error for an answer and for a stream.
	ErrorBody, ErrorFrame func(e *fault.Error, requestID string) []byte
	// Status is an error's HTTP status.
	Status func(e *fault.Error) int
	// Heartbeat is what a silent stream carries.
	Heartbeat func() []byte
	// LimitHeaders tells how one of Headgate's own limits stands.
	LimitHeaders func(set func(name, value string), b dialect.Balance)
	// EncodeModels and EncodeModel write the model list and one entry of it.
	EncodeModels func([]*llmv1.Model) []byte
	EncodeModel  func(*llmv1.Model) []byte
}

// Limits bound what comes in and how long silences last.
type Limits struct {
	MaxBody                             int64
	ReadProgress, WriteStall, Heartbeat time.Duration
}

// Edges serves the dialects over one router. Safe for concurrent use.
type Edges struct {
	Relay  routerv1.RelayServiceClient
	Router routerv1.RouterServiceClient
	Limits Limits
}

// Refuse writes an error as an answer of the dialect, with what a client needs to decide on a retry.
func (d *Dialect) Refuse(w http.ResponseWriter, requestID string, err *fault.Error) {
	h := w.Header()
	RetryHeaders(h, err)
	d.limit(h, err)
	h.Set("Content-Type", "application/json")
	w.WriteHeader(d.Status(err))
	_, _ = w.Write(d.ErrorBody(err, requestID))
}
