package sim

import "net/http"

// problem is a failure as a vendor tells it. Kind and message may be empty: the status then decides.
type problem struct {
	status            int
	kind, code, param string
	message           string
}

// body is the error body in the vendor's shape; Anthropic's carries the request id.
func (v vendor) body(p problem, requestID string) []byte {
	p = v.complete(p)
	if v == anthropic {
		return encode(anthropicError{"error", v.errorObject(p), requestID})
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
	ErrorCode string `json:"error_code"`
}

// errorObject is the inner object, the same in a body and in a stream.
func (v vendor) errorObject(p problem) any {
	if v == anthropic {
		o := struct {
			Type    string            `json:"type"`
			Message string            `json:"message"`
			Details *anthropicDetails `json:"details,omitempty"`
		}{p.kind, p.message, nil}
		if p.code != "" {
			o.Details = &anthropicDetails{p.code}
		}
		return o
	}
	return struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}{p.message, p.kind, optional(p.param), optional(p.code)}
}

// complete fills kind, code and message from the status where the problem leaves them out.
func (v vendor) complete(p problem) problem {
	std := v.standard(p.status)
	if p.kind == "" {
		p.kind = std.kind
		if p.code == "" {
			p.code = std.code
		} else if v == openAI && p.status == http.StatusTooManyRequests {
			p.kind = p.code // insufficient_quota is both type and code
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
	table, rest := openAIProblems, problem{
		kind:    "server_error",
		message: "The server had an error while processing your request. Sorry about that!",
	}
	if v == anthropic {
		table, rest = anthropicProblems, problem{kind: "api_error", message: "Internal server error"}
	}
	if p, ok := table[status]; ok {
		return p
	}
	if status < http.StatusInternalServerError {
		return problem{kind: invalidRequest, message: http.StatusText(status)}
	}
	return rest
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
