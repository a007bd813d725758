package openai_test

import (
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
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
