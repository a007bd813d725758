package sim

import "net/http"

// problem is a failure as a vendor tells it. Kind and message may be empty: the status then decides.
type problem struct {
	status            int
	kind, code, param string
	message           string
	unsupported       []string // Anthropic: what can't be done in a thread
	exact             *exact   // the body, where it has no shape of the vendor's
}

// exact is a body as it stands; without a content type it is empty.
type exact struct{ sort, text string }

// body is the error body in the vendor's shape; Anthropic's carries the request id.
func (v vendor) body(p problem, requestID string) []byte {
	p = v.complete(p)
	switch v {
	case anthropic:
		return encode(anthropicError{"error", v.errorObject(p), requestID})
	case tgi:
		return encode(v.errorObject(p))
	}
	return encode(openAIError{v.errorObject(p)})
}

type openAIError struct {
	Error any `json:"error"`
}

// anthropicError goes without a request id in a stream.
type anthropicError struct {
	Type      string `json:"type"`
	Error     any    `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

// anthropicDetails carries the finer code.
type anthropicDetails struct {
	ErrorCode   string   `json:"error_code"`
	Unsupported []string `json:"unsupported,omitempty"`
}

// vllmErrorObject has the HTTP status for its code.
type vllmErrorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    int     `json:"code"`
}

// flatError is an error body of vLLM before the middle of 2025.
func flatError(p problem) []byte {
	return encode(struct {
		Object string `json:"object"`
		vllmErrorObject
	}{"error", vllmErrorObject{p.message, p.kind, optional(p.param), p.status}})
}

// tgiError is all of the body.
type tgiError struct {
	Error     string `json:"error"`
	ErrorType string `json:"error_type"`
}

// errorObject is the inner object, the same in a body and in a stream.
func (v vendor) errorObject(p problem) any {
	switch v {
	case anthropic:
		return newAnthropicErrorObject(p)
	case vLLM:
		return vllmErrorObject{p.message, p.kind, optional(p.param), p.status}
	case tgi:
		return tgiError{p.message, p.kind}
	}
	return struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}{p.message, p.kind, optional(p.param), optional(p.code)}
}

func newAnthropicErrorObject(p problem) any {
	o := struct {
		Type    string            `json:"type"`
		Message string            `json:"message"`
		Details *anthropicDetails `json:"details,omitempty"`
	}{p.kind, p.message, nil}
	if p.code != "" {
		o.Details = &anthropicDetails{p.code, p.unsupported}
	}
	return o
}

// complete fills kind, code and message from the status where the problem leaves them out.
func (v vendor) complete(p problem) problem {
	std := v.standard(p.status)
	if p.kind == "" {
		p.kind = std.kind
		switch {
		case p.code == "":
			p.code = std.code
		case v == openAI && p.status == http.StatusTooManyRequests, v.selfHosted():
			p.kind = p.code // insufficient_quota is both type and code; the self-hosted ones have no other place for it
		}
	}
	if p.message == "" && p.code == "insufficient_quota" {
		p.message = "You exceeded your current quota, please check your plan and billing details."
	}
	if p.message == "" {
		p.message = std.message
	}
	return p
}

// standard is the vendor's own problem of that status.
func (v vendor) standard(status int) problem {
	if p, ok := problems[v][status]; ok {
		return p
	}
	if p := problems[v][0]; status >= http.StatusInternalServerError {
		return p
	}
	p := problem{kind: invalidRequest, message: http.StatusText(status)}
	switch v {
	case vLLM:
		p.kind = "BadRequestError"
	case tgi:
		p.kind = "validation"
	}
	return p
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
