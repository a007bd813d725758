package mcp

import (
	"encoding/json"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// codeRefused is JSON-RPC's room for a server's own errors.
const codeRefused = -32000

// Refuse answers a request that doesn't reach the endpoint, since its key is missing, say.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err *fault.Error) {
	h.access.allow(w.Header(), r)
	refuse(w, err)
}

// refuse answers a request that reaches no method: a JSON-RPC error without an id, under the reason's HTTP status.
func refuse(w http.ResponseWriter, err *fault.Error) {
	edge.RetryHeaders(w.Header(), err)
	if err.HTTPStatus() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge(err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(err.HTTPStatus())
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "error": protocolError(err)})
	_, _ = w.Write(body)
}

// challenge is RFC 6750's: an error where a key was sent, none where it is missing.
func challenge(err *fault.Error) string {
	if err.Reason == errorsv1.Reason_REASON_MISSING_API_KEY {
		return `Bearer realm="headgate"`
	}
	return `Bearer realm="headgate", error="invalid_token", error_description="the API key isn't valid"`
}

// protocolError is an error of the protocol. The cause stays behind.
func protocolError(err *fault.Error) *jsonrpc.Error {
	code := int64(codeRefused)
	switch err.Reason {
	case errorsv1.Reason_REASON_INVALID_JSON:
		code = jsonrpc.CodeParseError
	case errorsv1.Reason_REASON_INTERNAL:
		code = jsonrpc.CodeInternalError
	}
	data, _ := json.Marshal(particulars(err, ""))
	return &jsonrpc.Error{Code: code, Message: err.Message, Data: data}
}

// problem is what programs may want to know of an error beside its sentence.
type problem struct {
	Reason       string            `json:"reason"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
	RequestID    string            `json:"request_id,omitempty"`
}

func particulars(err *fault.Error, requestID string) problem {
	return problem{
		Reason: fault.Code(err.Reason), Metadata: err.Metadata, RetryAfterMS: err.RetryAfter.Milliseconds(), RequestID: requestID,
	}
}
