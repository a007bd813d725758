package mcp

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

var update = flag.Bool("update", false, "write testdata/tools.json anew")

// TestToolsAreListed: what clients see of the tools is a contract, and in the same order every time.
func TestToolsAreListed(t *testing.T) {
	t.Parallel()
	session := connect(t, serve(t, options(&router{})), newest, nil)
	var seen []byte
	for range 3 {
		list, err := session.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(list.Tools, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if seen != nil && string(seen) != string(text) {
			t.Fatal("another list")
		}
		seen = text
	}
	const file = "testdata/tools.json"
	if *update {
		if err := os.WriteFile(file, append(seen, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != string(seen)+"\n" {
		t.Errorf("%v; the tools aren't those of %s: go test -update, and look at the difference", err, file)
	}
}

// TestToolsOfServices: a service that isn't there has no tools.
func TestToolsOfServices(t *testing.T) {
	t.Parallel()
	o := options(&router{})
	o.Services.Usage, o.Services.RateLimit, o.Services.Batch = nil, nil, nil
	session := connect(t, serve(t, o), newest, nil)
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	if want := []string{"chat", "count_tokens", "explain_route", "list_models"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	resources, err := session.ListResources(t.Context(), nil)
	if err != nil || len(resources.Resources) != 1 {
		t.Errorf("%v %v", resources, err)
	}
}

// TestToolsCall: each tool makes one call of the public API and tells its answer, in every protocol.
func TestToolsCall(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, tool, arguments, asks, says string }{
		{
			"chat with a prompt", "chat", `{"model":"m","prompt":"Hi"}`,
			`{"model":"m","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}],"sampling":{}}}`,
			`{"text":"a < b","finish_reason":"length","usage":{"input_tokens":3,"output_tokens":2,"reasoning_tokens":1},` +
				`"provider":"acme","model":"m-1","request_id":"req_1","warnings":["dropped seed"]}`,
		},
		{
			"chat with messages", "chat",
			`{"model":"m","system":"S","messages":[{"role":"user","content":"A"},{"role":"assistant","content":"B"},{"role":"user","content":"C"}],"max_output_tokens":5,"temperature":0}`,
			`{"model":"m","prompt":{"system":"S","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"A"}}]},{"role":"ROLE_ASSISTANT","parts":[{"text":{"text":"B"}}]},` +
				`{"role":"ROLE_USER","parts":[{"text":{"text":"C"}}]}],"sampling":{"maxOutputTokens":"5","temperature":0}}}`, ``,
		},
		{
			"list_models", "list_models", `{}`, `{}`,
			`{"models":[{"id":"m","provider":"acme","owned_by":"them","display_name":"M","dialects":["openai"]}]}`,
		},
		{
			"count_tokens", "count_tokens", `{"model":"m","prompt":"Hi"}`,
			`{"model":"m","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`,
			`{"input_tokens":7,"estimated":true,"provider":"acme","model":"m-1","request_id":"req_1"}`,
		},
		{
			"explain_route of a model", "explain_route", `{"model":"m"}`, `{"model":"m"}`,
			`{"model":"m","strategy":"failover","rule":"r","rules":[{"name":"r","matched":true}],"candidates":[` +
				`{"provider":"acme","model":"m-1","chosen":true,"reason":"first in order","breaker":"half_open","trust":"high","in_flight":2},` +
				`{"provider":"other","chosen":false,"reason":"not asked","in_flight":0}],"redactions":{"email":1},` +
				`"facts":{"input_tokens":5,"messages":1,"sensitivity":"low","complexity":0.5}}`,
		},
		{
			"explain_route of a question", "explain_route", `{"model":"m","prompt":"Hi"}`,
			`{"model":"m","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`, ``,
		},
		{
			"get_quota", "get_quota", ``, `{}`,
			`{"key_id":"key_1","tenant":"acme","balances":[{"scope":"key","dimension":"tokens","limit":10,"remaining":-1,"reset_after_seconds":0},` +
				`{"scope":"tenant","dimension":"budget","limit":10000000000000,"remaining":-20000000000,"limit_usd":"10.00","remaining_usd":"-0.02","reset_after_seconds":0}]}`,
		},
		{"get_quota of another key", "get_quota", `{"key_id":"key_2"}`, `{"keyId":"key_2"}`, ``},
		{
			"query_usage", "query_usage", `{}`, `{"filter":{},"limit":100}`,
			`{"sums":[{"group":["m"],"requests":1,"attempts":2,"input_tokens":0,"output_tokens":0,"cost_usd":"0.01"}],"truncated":true}`,
		},
		{
			"query_usage by groups", "query_usage",
			`{"start":"2026-11-01T00:00:00+01:00","end":"2026-12-01T00:00:00Z","model":"m","provider":"p","key_id":"k","tenant":"t","tag":"a=b","request_id":"r",` +
				`"group_by":["model","tag"],"tag_name":"a","interval":"day","limit":5}`,
			`{"filter":{"start":"2026-10-31T23:00:00Z","end":"2026-12-01T00:00:00Z","model":"m","provider":"p","keyId":"k","tenant":"t","tag":"a=b","requestId":"r"},` +
				`"groupBy":["GROUP_MODEL","GROUP_TAG"],"tagName":"a","interval":"INTERVAL_DAY","limit":5}`, ``,
		},
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := &router{}
			session := connect(t, serve(t, options(r)), version, nil)
			for _, c := range cases {
				got, failure := use(t, session, c.tool, c.arguments)
				if failure != "" {
					t.Errorf("%s: %s", c.name, failure)
					continue
				}
				if text, _ := protojson.Marshal(r.asked.(proto.Message)); !same(t, string(text), c.asks) {
					t.Errorf("%s asks %s\nwant %s", c.name, text, c.asks)
				}
				if text, _ := json.Marshal(got); c.says != "" && !same(t, string(text), c.says) {
					t.Errorf("%s says %s\nwant %s", c.name, text, c.says)
				}
			}
		})
	}
}

// same compares JSON by value.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		t.Fatalf("no JSON: %s or %s", a, b)
	}
	left, _ := json.Marshal(x)
	right, _ := json.Marshal(y)
	return string(left) == string(right)
}

// TestToolsRefuse: what is wrong with arguments is told by the field's name and what to do, never by its value.
func TestToolsRefuse(t *testing.T) {
	t.Parallel()
	const canary = "canary-value"
	cases := []struct{ name, tool, arguments, says string }{
		{"no model", "chat", `{"prompt":"canary-value"}`, "MISSING_FIELD: model is required"},
		{"no question", "chat", `{"model":"canary-value"}`, "MISSING_FIELD: prompt or messages"},
		{"two questions", "chat", `{"model":"m","prompt":"canary-value","messages":[{"role":"user","content":"x"}]}`, "INVALID_FIELD: prompt can't stand beside messages"},
		{"a role that isn't", "chat", `{"model":"m","messages":[{"role":"canary-value","content":"x"}]}`, "INVALID_FIELD: messages.role"},
		{"a field that isn't", "chat", `{"model":"m","prompt":"x","top_k":"canary-value"}`, "INVALID_FIELD: top_k is no field"},
		{"a long field that isn't", "chat", `{"model":"m","` + canary + strings.Repeat("x", 80) + `":1}`, "INVALID_FIELD: arguments hold a field"},
		{"a wrong type", "chat", `{"model":"m","prompt":"x","max_output_tokens":"canary-value"}`, "INVALID_FIELD: max_output_tokens has the wrong type"},
		{"a wrong type within", "chat", `{"model":"m","messages":[{"role":"user","content":["canary-value"]}]}`, "INVALID_FIELD: messages.content has the wrong type"},
		{"no object", "chat", `["canary-value"]`, "INVALID_FIELD: arguments must be an object"},
		{"fewer tokens than none", "chat", `{"model":"m","prompt":"x","max_output_tokens":-1}`, "INVALID_FIELD: max_output_tokens must be"},
		{"a label that isn't", "chat", `{"model":"m","prompt":"x","sensitivity":"canary-value"}`, "INVALID_FIELD: sensitivity must be"},
		{"a tag with a comma", "count_tokens", `{"model":"m","prompt":"x","tags":{"a":"canary-value,b=c"}}`, "INVALID_FIELD: tags must"},
		{"a tag that isn't ASCII", "explain_route", `{"model":"m","tags":{"a":"canary-value\n"}}`, "INVALID_FIELD: tags must"},
		{"a time that isn't", "query_usage", `{"start":"canary-value"}`, "INVALID_FIELD: start must be a time"},
		{"an end that isn't", "query_usage", `{"end":"canary-value"}`, "INVALID_FIELD: end must be a time"},
		{"a group that isn't", "query_usage", `{"group_by":["model","canary-value"]}`, "INVALID_FIELD: group_by[1] must be one of tenant, key, model, provider, tag"},
		{"a group that is unset", "query_usage", `{"group_by":["unspecified"]}`, "INVALID_FIELD: group_by[0]"},
		{"an interval that isn't", "query_usage", `{"interval":"canary-value"}`, "INVALID_FIELD: interval must be one of minute, hour, day, month"},
	}
	r := &router{}
	session := connect(t, serve(t, options(r)), newest, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, failure := use(t, session, c.tool, c.arguments); !strings.HasPrefix(failure, c.says) || strings.Contains(failure, canary) {
				t.Errorf("%q, want %q", failure, c.says)
			}
		})
	}
	if r.asked != nil {
		t.Errorf("%v was asked", r.asked)
	}
}

// TestToolsFail: a service's error is a result that a model can act on; its cause stays in the log.
func TestToolsFail(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		err  error
		says string
		meta string
	}{
		{
			"a limit", refusal(errorsv1.Reason_REASON_RATE_LIMITED, "too many requests").With("dimension", "requests").After(1500 * time.Millisecond),
			"RATE_LIMITED: too many requests (try again in 1.5s)",
			`{"reason":"RATE_LIMITED","metadata":{"dimension":"requests"},"retry_after_ms":1500,"request_id":"req_1"}`,
		},
		{
			"over the wire", refusal(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "no such model").GRPCStatus().Err(), "MODEL_NOT_FOUND: no such model",
			`{"reason":"MODEL_NOT_FOUND","request_id":"req_1"}`,
		},
		{
			"a field", refusal(errorsv1.Reason_REASON_INVALID_FIELD, "prompt.sampling.temperature must be from 0 to 2").With("field", "prompt.sampling.temperature"),
			"INVALID_FIELD: temperature must be from 0 to 2", `{"reason":"INVALID_FIELD","metadata":{"field":"temperature"},"request_id":"req_1"}`,
		},
		{
			"a field of the prompt", refusal(errorsv1.Reason_REASON_MISSING_FIELD, "prompt.messages is required").With("field", "prompt.messages"),
			"MISSING_FIELD: messages is required", ``,
		},
		{"a field of its own", refusal(errorsv1.Reason_REASON_INVALID_FIELD, "model is wrong").With("field", "model"), "INVALID_FIELD: model is wrong", ``},
		{"a role", refusal(errorsv1.Reason_REASON_PERMISSION_DENIED, "a viewer may not"), "PERMISSION_DENIED: a viewer may not", ``},
		{"a defect", errCause, "INTERNAL: something went wrong inside Headgate", ``},
		{"a transport", status.Error(codes.Unavailable, "dial 10.0.0.1"), "SERVICE_UNAVAILABLE: a service of Headgate can't be reached", ``},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			session := connect(t, serve(t, options(&router{err: c.err})), newest, nil)
			for _, tool := range []string{"chat", "list_models", "count_tokens", "explain_route", "get_quota", "query_usage"} {
				arguments := `{}`
				if tool == "chat" || tool == "count_tokens" || tool == "explain_route" {
					arguments = `{"model":"m","prompt":"Hi"}`
				}
				result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)})
				if err != nil || !result.IsError || result.StructuredContent != nil {
					t.Fatalf("%s: %v %+v", tool, err, result)
				}
				text := result.Content[0].(*mcp.TextContent).Text
				particulars, _ := json.Marshal(result.Meta["headgate/error"])
				if !strings.HasPrefix(text, c.says) || strings.Contains(text+string(particulars), "10.0.0.1") {
					t.Errorf("%s: %q, want %q", tool, text, c.says)
				}
				if c.meta != "" && !same(t, string(particulars), c.meta) {
					t.Errorf("%s: %s, want %s", tool, particulars, c.meta)
				}
			}
		})
	}
}

// TestSchemasHaveNoLists: some clients can't read a list of types.
func TestSchemasHaveNoLists(t *testing.T) {
	t.Parallel()
	for _, tool := range tools(options(&router{})) {
		for _, schema := range []any{tool.definition.InputSchema, tool.definition.OutputSchema} {
			text, err := json.Marshal(schema)
			if err != nil || strings.Contains(string(text), "null") || strings.Contains(string(text), `"type":[`) {
				t.Errorf("%s: %v %s", tool.definition.Name, err, text)
			}
		}
	}
}
