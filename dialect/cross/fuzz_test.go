package cross_test

import (
	"strings"
	"testing"

	anthropiccodec "github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/cross"
	openaicodec "github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// FuzzSettle: whatever a client of either dialect asks, nothing of its dialect alone is left, each warning says what was
// dropped, and a refusal names a field.
func FuzzSettle(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x","detail":"low"},"x":1}]}],"metadata":{"a.b":1},"audio":{},"tools":[{"type":"function","function":{"name":"f"},"cache_control":{}}]}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s","cache_control":{}}],"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"n","input":{}}]}],"container":"c","tool_choice":{"type":"auto","x":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := openaicodec.ReadFacts(body); err == nil {
			if p, err := openaicodec.DecodeRequest(body); err == nil {
				settled(t, p, openai, body)
			}
		}
		if _, err := anthropiccodec.ReadFacts(body); err == nil {
			if p, err := anthropiccodec.DecodeRequest(body); err == nil {
				settled(t, p, anthropic, body)
			}
		}
	})
}

func settled(t *testing.T, p *llmv1.Prompt, from llmv1.Dialect, body []byte) {
	t.Helper()
	warnings, err := cross.Settle(p, from)
	if f := fault.From(err); err != nil && (f.Reason != errorsv1.Reason_REASON_UNSUPPORTED || f.Metadata["field"] == "") {
		t.Fatalf("%v of %s", err, body)
	}
	for _, w := range warnings {
		if !strings.HasPrefix(w, "dropped ") {
			t.Fatalf("%q of %s", w, body)
		}
	}
	left := len(p.GetExtensions()) + len(p.GetToolChoice().GetExtensions()) + len(p.GetResponseFormat().GetExtensions())
	for _, m := range p.GetMessages() {
		left += len(m.GetExtensions())
		for _, part := range m.GetParts() {
			left += len(part.GetExtensions())
		}
	}
	if left > 0 {
		t.Fatalf("%v is left of %s", p, body)
	}
}
