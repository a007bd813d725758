package openai_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func TestMend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"text":           {`{"choices":[{"delta":{"content":"error"}}]}`, ""},
		"whole call":     {`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}`, ""},
		"more arguments": {`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}`, ""},
		"no arguments": {
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}`,
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}`,
		},
		"null arguments": {
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":null}}]}}]}`,
			`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}`,
		},
		"code is a number": {`{"error":{"message":"m","type":"t","code":400}}`, `{"error":{"message":"m","type":"t","code":"400"}}`},
		"code is a word":   {`{"error":{"message":"m","type":"t","code":"bad"}}`, ""},
		"error is a string": {
			`{"error":"Unauthorized"}`,
			`{"error":{"message":"Unauthorized","type":"server_error","param":null,"code":null}}`,
		},
		"error without a type": {`{"error":{"message":"m"}}`, `{"error":{"message":"m","type":"server_error"}}`},
		"damaged":              {`{"error":"`, ""},
	} {
		raw := sse.Append(nil, "", []byte(c.in))
		frame := sse.Frame{Raw: raw, Data: []byte(c.in)}
		got := openai.NewMendingTap(dialect.Facts{}).Mend(frame)
		if c.want == "" {
			if string(got.Raw) != string(raw) {
				t.Errorf("%s: changed to %s", name, got.Raw)
			}
			continue
		}
		if !object.Equal(got.Data, []byte(c.want)) || string(got.Raw) != string(sse.Append(nil, "", got.Data)) {
			t.Errorf("%s: got %s", name, got.Raw)
		}
	}
}

// TestMendCallsWithoutArguments: a call that ends without arguments, as vLLM's without parameters do, gets the empty object
// with its choice's finish; one that had some gets nothing.
func TestMendCallsWithoutArguments(t *testing.T) {
	t.Parallel()
	tap := openai.NewMendingTap(dialect.Facts{})
	for i, c := range []struct{ in, want string }{
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}`, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}`},
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g"}}]}}]}`, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}}]}`},
		{`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"a\":1}"}}]}}]}`, ""},
		{`{"choices":[{"index":1,"delta":{"content":""},"finish_reason":"stop"}]}`, ""},
		{`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"tool_calls"}]}`, `{"choices":[{"index":0,"delta":{"content":"","tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`},
		{`{"choices":[],"usage":{}}`, ""},
	} {
		want := c.want
		if want == "" {
			want = c.in
		}
		got := tap.Mend(sse.Frame{Raw: sse.Append(nil, "", []byte(c.in)), Data: []byte(c.in)})
		if !object.Equal(got.Data, []byte(want)) || string(got.Raw) != string(sse.Append(nil, "", got.Data)) {
			t.Errorf("frame %d: %s, want %s", i, got.Raw, want)
		}
	}
}

// TestStreamedCallWithoutArguments: whoever made the call, its arguments are JSON in the end.
func TestStreamedCallWithoutArguments(t *testing.T) {
	t.Parallel()
	e := openai.NewEncoder(dialect.Ask{Model: "m"})
	call := func(arguments string) *llmv1.Part {
		return &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "call_1", Name: "f", Arguments: arguments}}}
	}
	var out []byte
	for _, event := range []*llmv1.StreamEvent{
		{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "x"}}},
		{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Part: call("")}}},
		{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{}}},
		{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: 1, Part: call("")}}},
		{Event: &llmv1.StreamEvent_PartDelta{PartDelta: &llmv1.PartDelta{Index: 1, Delta: &llmv1.PartDelta_Arguments{Arguments: `{"a":1}`}}}},
		{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{Index: 1}}},
	} {
		var err error
		if out, err = e.Encode(out, event); err != nil {
			t.Fatal(err)
		}
	}
	for arguments, want := range map[string]int{`"arguments":"{}"`: 1, `"arguments":"{\"a\":1}"`: 1} {
		if got := strings.Count(string(out), arguments); got != want {
			t.Errorf("%s stands %d times in\n%s", arguments, got, out)
		}
	}
}
