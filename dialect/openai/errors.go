package openai

import (
	"encoding/json"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// ErrorBody writes an error of Headgate as OpenAI's error object. The dialect has no place for the request id in a body.
func ErrorBody(e *fault.Error, _ string) []byte {
	object := errorObject{Message: e.Message, Type: typeOf(e)}
	code := codeOf(e)
	object.Code = &code
	if field := e.Metadata["field"]; field != "" {
		object.Param = &field
	}
	body, err := json.Marshal(map[string]errorObject{"error": object})
	if err != nil {
		return []byte(`{"error":{"message":"an error that can't be written","type":"server_error","param":null,"code":null}}`)
	}
	return body
}

// ErrorFrame writes an error as the last frame of a stream: the SDKs raise on a chunk with an error in it.
func ErrorFrame(e *fault.Error, requestID string) []byte {
	return sse.Append(nil, "", ErrorBody(e, requestID))
}

// Heartbeat is a comment: an event without data breaks OpenAI's SDK.
func Heartbeat() []byte { return []byte(": ping\n\n") }

// outOfMoney is OpenAI's word, type and code, where a budget is used up: clients know that repeating doesn't help.
const outOfMoney = "insufficient_quota"

// typeOf is the error type that api.openai.com uses with a status; with 429 it names what there was too much of.
func typeOf(e *fault.Error) string {
	switch status := e.HTTPStatus(); {
	case e.Reason == errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		return outOfMoney
	case status == 429 && e.Metadata["dimension"] == "tokens":
		return "tokens"
	case status == 429:
		return "requests"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

// codeOf is OpenAI's own word where it has one, else Headgate's reason.
func codeOf(e *fault.Error) string {
	switch e.Reason {
	case errorsv1.Reason_REASON_MODEL_NOT_FOUND:
		return "model_not_found"
	case errorsv1.Reason_REASON_INVALID_API_KEY, errorsv1.Reason_REASON_MISSING_API_KEY:
		return "invalid_api_key"
	case errorsv1.Reason_REASON_BUDGET_EXHAUSTED:
		return outOfMoney
	case errorsv1.Reason_REASON_PROVIDER_ERROR:
		if code := e.Metadata["provider_code"]; code != "" {
			return code
		}
	}
	if e.HTTPStatus() == 429 {
		return "rate_limit_exceeded"
	}
	return fault.Code(e.Reason)
}

// IsError reports whether a body has the shape of an OpenAI error, which a client's SDK understands as it is: an object
// with a message, and a code that is a string or null.
func IsError(body []byte) bool {
	if rawjson.Check(body, dialect.MaxDepth) != nil {
		return false
	}
	e := rawjson.Get(body, "error")
	switch rawjson.Kind(rawjson.Get(e, "code")) {
	case 0, 'n', 's':
		return rawjson.Kind(rawjson.Get(e, "message")) == 's'
	}
	return false
}

// MendError returns an error body with the error's code as a string where it is a number, as vLLM's is; any other body
// as it is.
func MendError(body []byte) []byte {
	if rawjson.Check(body, dialect.MaxDepth) != nil {
		return body
	}
	var edits map[string]string
	mendError(body, &edits)
	return object.Patch(body, edits)
}
