package anthropic

import (
	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// EncodeCountRequest writes a prompt as a request to count its tokens. Errors and warnings are those of EncodeRequest.
func EncodeCountRequest(p *llmv1.Prompt, a dialect.Ask) (body []byte, warnings []string, err error) {
	return (&asking{prompt: p, ask: a, count: true}).encode()
}

// DecodeCountResponse reads a count of tokens. The error is a *fault.Error, PROVIDER_MALFORMED.
func DecodeCountResponse(body []byte) (int64, error) {
	var count struct {
		InputTokens *int64 `json:"input_tokens"`
	}
	if err := parse(body, &count); err != nil {
		return 0, err
	}
	if count.InputTokens == nil {
		return 0, malformed(nil)
	}
	return *count.InputTokens, nil
}

// EncodeCountResponse writes a count of tokens.
func EncodeCountResponse(n int64) []byte {
	var w object.Writer
	w.Object(func() { w.Number("input_tokens", n) })
	return w.Bytes()
}
