package edge_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/cross"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/edge"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

func edges() []*edge.Edge { return []*edge.Edge{edge.OpenAI(), edge.Anthropic()} }

func wires() map[string]*wire.Wire {
	return map[string]*wire.Wire{
		"openai": wire.OpenAI(openai.Flavour{}), "anthropic": wire.Anthropic(), "vllm": wire.VLLM(), "tgi": wire.TGI(), "generate": wire.TGIGenerate(),
		"mistral": wire.Compatible(openai.Flavour{MaxTokens: true, ToolIDs: dialect.MistralToolID, NoEffort: true}),
	}
}

const (
	openAIAsk = `{"model":"m","stream":true,"max_tokens":5,"temperature":0.5,"user":"u","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call.1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"f","arguments":""}}]},` +
		`{"role":"tool","tool_call_id":"call.1","content":"x"},{"role":"tool","tool_call_id":"call_2","content":"y"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto"}`
	anthropicAsk = `{"model":"m","max_tokens":5,"stream":true,"system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],"thinking":{"type":"enabled","budget_tokens":2048},"messages":[{"role":"user","content":"a"},` +
		`{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"f","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]},{"type":"tool_result","tool_use_id":"toolu_2","is_error":true}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`
	openAIStream = `{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm"}}]}
{"id":"c","choices":[{"index":0,"delta":{"content":"né"}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call.1","type":"function","function":{"name":"f","arguments":""}}]}}]}
{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":"tool_calls"}]}
{"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}
[DONE]`
	anthropicStream = `{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}
{"type":"content_block_stop","index":1}
{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}
{"type":"message_stop"}`
)

// TestEveryEdgeReachesEveryAdapter: a conversation with calls of either dialect is written for each provider, or refused
// with the field's name in the client's words.
func TestEveryEdgeReachesEveryAdapter(t *testing.T) {
	t.Parallel()
	refused := map[string]string{
		"openai generate": "tools", "anthropic generate": "tools",
	}
	for i, body := range []string{openAIAsk, anthropicAsk} {
		from := []string{"openai", "anthropic"}[i]
		for to, w := range wires() {
			got, err := crossed(t, edges()[i], w, []byte(body))
			switch want := refused[from+" "+to]; {
			case want == "" && err != nil, want != "" && (err == nil || fault.From(err).Metadata["field"] != want):
				t.Errorf("%s to %s: %v, want %q refused", from, to, err, want)
			case err == nil && !strings.Contains(string(got), `"model":"theirs"`) && to != "generate":
				t.Errorf("%s to %s: %s", from, to, got)
			}
		}
	}
}

// crossed writes a client's request for a provider. Errors are those that the client gets.
func crossed(t *testing.T, e *edge.Edge, w *wire.Wire, body []byte) ([]byte, error) {
	t.Helper()
	facts, err := e.ReadFacts[routerv1.Operation_OPERATION_CHAT](body)
	if err != nil {
		return nil, err
	}
	p, err := e.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	if w.Dialect != e.Dialect {
		if _, err := cross.Settle(p, e.Dialect); err != nil {
			return nil, err
		}
	}
	got, _, err := w.Chat.Encode(p, dialect.Ask{Model: "theirs", Stream: facts.Stream, IncludeUsage: true})
	if err != nil {
		return nil, cross.Error(err, e.Dialect)
	}
	return got, nil
}

// FuzzCrossing: whatever a client asks, it is written as JSON or refused with a reason that a client can act on.
func FuzzCrossing(f *testing.F) {
	f.Add([]byte(openAIAsk))
	f.Add([]byte(anthropicAsk))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"odd"}]}],"tools":[{"type":"x"}]}`))
	all := wires()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, e := range edges() {
			for name, w := range all {
				got, err := crossed(t, e, w, body)
				if err == nil && rawjson.Check(got, 2000) != nil {
					t.Fatalf("for %s: %s", name, got)
				}
				if err == nil {
					continue
				}
				if f := fault.From(err); f.Reason == errorsv1.Reason_REASON_UNSPECIFIED || f.Reason == errorsv1.Reason_REASON_INTERNAL || !utf8.ValidString(f.Message) || strings.Contains(f.Message, "prompt.") {
					t.Fatalf("for %s: %v from %s", name, err, body)
				}
			}
		}
	})
}

// FuzzAnswers: whatever a provider streams, a client of either dialect gets frames of JSON, and an end only where there is
// one.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(openAIStream))
	f.Add([]byte(anthropicStream))
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, e := range edges() {
			for name, w := range wires() {
				answered(t, e, w, name, stream)
			}
		}
	})
}

func answered(t *testing.T, e *edge.Edge, w *wire.Wire, name string, stream []byte) {
	t.Helper()
	d, encoder := w.Chat.NewDecoder(false), e.NewEncoder(dialect.Ask{Model: "m", Stream: true, IncludeUsage: true})
	var out []byte
	for line := range bytes.SplitSeq(stream, []byte("\n")) {
		fr := sse.Frame{Data: line}
		if w.Dialect == llmv1.Dialect_DIALECT_ANTHROPIC {
			fr.Event, _ = rawjson.Unquote(rawjson.Get(line, "type"))
		}
		events, err := d.Decode(fr)
		if err != nil {
			return
		}
		for _, event := range events {
			if out, err = encoder.Encode(out, event); err != nil {
				return // what the dialect can't say, such as several answers at once
			}
		}
	}
	if d.Done() {
		out = encoder.End(out)
	}
	r := sse.NewReader(bytes.NewReader(out), dialect.MaxFrame)
	for f, err := r.Next(); err == nil; f, err = r.Next() {
		if string(f.Data) != "[DONE]" && rawjson.Check(f.Data, 2000) != nil || !utf8.Valid(f.Data) {
			t.Fatalf("from %s: %s", name, f.Raw)
		}
	}
}

// TestStreamsCross: a stream of either dialect, of all kinds of parts, ends as one of the client's dialect.
func TestStreamsCross(t *testing.T) {
	t.Parallel()
	all := wires()
	for from, stream := range map[string]string{"openai": openAIStream, "anthropic": anthropicStream} {
		for _, e := range edges() {
			answered(t, e, all[from], from, []byte(stream))
		}
	}
}
