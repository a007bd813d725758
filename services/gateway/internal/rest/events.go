package rest

import (
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
)

// events writes a server stream as server-sent events: one data line a message, and `event: error` for an error inside
// the stream.
type events struct{ strict }

// Marshal implements runtime.Marshaler. grpc-gateway wraps stream messages in {"result": ...} and {"error": ...}.
func (e *events) Marshal(v any) ([]byte, error) {
	switch chunk := v.(type) {
	case map[string]any:
		if result, ok := chunk["result"]; ok {
			return e.frame("data: ", result)
		}
	case map[string]proto.Message:
		if failure, ok := chunk["error"]; ok {
			return e.frame("event: error\ndata: ", failure)
		}
	}
	return e.JSONPb.Marshal(v)
}

func (e *events) frame(prefix string, v any) ([]byte, error) {
	body, err := e.JSONPb.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte(prefix), body...), nil
}

// Delimiter implements runtime.Delimited.
func (e *events) Delimiter() []byte { return []byte("\n\n") }

// StreamContentType implements runtime.StreamContentType.
func (e *events) StreamContentType(any) string { return eventStream + "; charset=utf-8" }

// ContentType implements runtime.Marshaler.
func (e *events) ContentType(any) string { return "application/json" }

// ChooseEvents makes grpc-gateway, which knows Accept only as one exact string, see that a client takes events.
func ChooseEvents(h http.Header) bool {
	if !strings.Contains(h.Get("Accept"), eventStream) {
		return false
	}
	h.Set("Accept", eventStream)
	return true
}
