package anthropic_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// wholeRequest holds something of everything that a request may hold.
const wholeRequest = `{"model":"claude-opus-4-6","max_tokens":4096,"stream":true,"temperature":1,"top_p":0.9,"top_k":5,"stop_sequences":["END"],` +
	`"system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral","ttl":"1h"}}],` +
	`"thinking":{"type":"enabled","budget_tokens":2048,"display":"summarized"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},` +
	`"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{},"a":{}}},"strict":true,"cache_control":null},{"type":"web_search_20250305","name":"web_search","max_uses":5}],` +
	`"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"metadata":{"user_id":"u","x":1},"service_tier":"auto","container":{"id":"c"},"context_management":{"edits":[]},"messages":[` +
	`{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},{"type":"image","source":{"type":"url","url":"https://x/y.png"}},` +
	`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"},"title":"t","context":"c","citations":{"enabled":true}},` +
	`{"type":"document","source":{"type":"file","file_id":"file_1"},"title":""},{"type":"search_result","source":"s","title":"t","content":[]},{"type":"text","text":""}]},` +
	`{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"xx"},{"type":"text","text":"see","citations":[{"type":"web_search_result_location","url":"https://x","title":"t","cited_text":"c","encrypted_index":"e"},{"type":"char_location","document_index":0,"cited_text":"c"}]},` +
	`{"type":"tool_use","id":"toolu_1","name":"f","input":{"b":1,"a":{"_raw_arguments":"x"}},"caller":{"type":"direct"}},{"type":"tool_use","id":"toolu.2","name":"f","input":{"_raw_arguments":"[1"}},{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]},` +
	`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"done"},{"type":"tool_result","tool_use_id":"toolu.2","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk"}}],"is_error":true},{"type":"tool_result","tool_use_id":"3","is_error":false}]},` +
	`{"role":"user","content":"and"},{"role":"system","content":"mind"},{"role":"assistant","content":""}]}`

const wholeResponse = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"a","citations":null},` +
	`{"type":"tool_use","id":"t","name":"f","input":{"a":1},"caller":{"type":"direct"}},{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text"},5,{}],` +
	`"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":0},"output_tokens":4,"output_tokens_details":{"thinking_tokens":2},"server_tool_use":null,"service_tier":"standard"}}`

const wholeStream = `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1,"service_tier":"standard"}}   }
{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type": "ping"}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}     }
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}
{"type":"content_block_stop","index":0  }
{"type":"content_block_start","index":1,"content_block":{"citations":[],"type":"text","text":"A"}}
{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"né","x":1}}
{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x","title":"t","cited_text":"c","encrypted_index":"e"}}}
{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"lost"}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}
{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"f","input":{"b":2},"caller":{"type":"direct"}}}
{"type":"content_block_stop","index":3}
{"type":"content_block_start","index":4,"content_block":{"type":"compaction","content":null}}
{"type":"content_block_delta","index":4,"delta":{"type":"compaction_delta","content":"c"}}
{"type":"content_block_start","index":4,"content_block":{"type":"redacted_thinking","data":"xx"}}
{"type":"novelty","x":[1]}
{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"stop_details":null},"usage":{"output_tokens":9,"iterations":[]}}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":10}}
{"type":"message_stop"}`

// requests are odd, and each is valid.
var requests = []string{
	wholeRequest,
	`{"model":"claude-3-5-haiku","max_tokens":0,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":[]}]}`,
	`{"model":"claude-sonnet-4-5","max_tokens":9,"stream":false,"temperature":1.5,"output_config":{"effort":"none"},"tools":[],"system":"","messages":[{"role":"user","content":"x"}]}`,
	`{"model":"m","max_tokens":9,"thinking":null,"tool_choice":{"type":"tool"},"output_format":{"type":"json_schema","schema":{}},"top_p":1,"messages":[{"role":"assistant","content":[{"type":"document","source":{"type":"base64","media_type":"text/x","data":"aGk="}}]}]}`,
	`{"model":"claude-opus-4","max_tokens":99,"thinking":{"type":"enabled","budget_tokens":2000},"temperature":0.5,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"},"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":""}]}]}`,
}

func TestMutantRequestsAreExact(t *testing.T) {
	t.Parallel()
	taken := 0
	for seed := range uint64(2000) {
		if exactBody(t, mutated(requests[seed%uint64(len(requests))], seed)) {
			taken++
		}
	}
	t.Logf("%d requests taken", taken)
}

func FuzzRequestRoundTrip(f *testing.F) {
	for i, seed := range requests {
		f.Add([]byte(seed), uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		exactBody(t, body)
		exactBody(t, mutated(string(body), seed))
		exactBody(t, mutated(requests[seed%uint64(len(requests))], seed))
	})
}

// exactBody reports whether a request is taken; then it comes out as it went in.
func exactBody(t *testing.T, body []byte) bool {
	t.Helper()
	facts, err := anthropic.ReadFacts(body)
	if err != nil || bytes.Contains(body, []byte(dialect.Unsigned)) {
		return false
	}
	p, err := anthropic.DecodeRequest(body)
	if err != nil {
		return false
	}
	got, warnings, err := anthropic.EncodeRequest(p, dialect.Ask{Model: facts.Model, Stream: facts.Stream})
	if body = space(body); err != nil || len(warnings) > 0 || !object.Equal(got, body) {
		t.Fatalf("%v, %v: %s became %s, which differs by %v", err, warnings, body, got, object.Diff(body, got))
	}
	return true
}

// space takes the space around a checked JSON text off.
func space(body []byte) []byte { return bytes.Trim(body, " \t\r\n") }

func TestMutantResponsesAreExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		exactAnswer(t, mutated(wholeResponse, seed))
	}
}

func FuzzResponseRoundTrip(f *testing.F) {
	f.Add([]byte(wholeResponse), uint64(1))
	f.Add([]byte(`{"type":"message","content":null,"usage":{"output_tokens":-1,"output_tokens_details":{}},"stop_reason":5}`), uint64(2))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		exactAnswer(t, body)
		exactAnswer(t, mutated(string(body), seed))
		exactAnswer(t, mutated(wholeResponse, seed))
	})
}

func exactAnswer(t *testing.T, body []byte) {
	t.Helper()
	c, err := anthropic.DecodeResponse(body, true)
	if err != nil {
		return
	}
	if got := anthropic.EncodeResponse(c); !object.Equal(got, space(body)) {
		t.Fatalf("%s became %s, which differs by %v", body, got, object.Diff(space(body), got))
	}
	bare, err := anthropic.DecodeResponse(body, false)
	if err != nil || rawjson.Check(anthropic.EncodeResponse(bare), dialect.MaxAnswerDepth+8) != nil {
		t.Fatalf("%s without extensions: %v", body, err)
	}
}

func TestMutantStreamsAreExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		exactLines(t, mutantStream(seed))
	}
}

func FuzzStreamRoundTrip(f *testing.F) {
	f.Add([]byte(wholeStream), uint64(1))
	f.Add([]byte(begin+"\n"+`{"type":"content_block_start","index":-1,"content_block":{"type":"text"}}`+"\n"+`{"type":"message_stop"}`), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		exactLines(t, stream)
		exactLines(t, mutantStream(seed))
	})
}

// exactLines checks that the frames of a stream come out as they went in, as far as they are taken.
func exactLines(t *testing.T, stream []byte) {
	t.Helper()
	d, e, story := anthropic.NewDecoder(true), anthropic.NewEncoder(dialect.Ask{}), &order{}
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		fr := named(data)
		events, err := d.Decode(fr)
		if err != nil || fr.Comment || d.Done() && len(events) == 0 {
			return
		}
		if err := story.add(events); err != nil {
			t.Fatalf("%v in %s", err, stream)
		}
		var out []byte
		for _, event := range events {
			if out, err = e.Encode(out, event); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
		}
		got, err := sse.NewReader(bytes.NewReader(out), dialect.MaxFrame).Next()
		if err != nil || !bytes.Equal(got.Event, fr.Event) || !object.Equal(space(got.Data), space(fr.Data)) {
			t.Fatalf("%s became %s by %v", data, out, events)
		}
	}
	if len(e.End(nil)) > 0 && d.Done() {
		t.Fatalf("something after the end of %s", stream)
	}
}

func TestMutantStreamsAreTold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		toldLines(t, mutantStream(seed))
	}
}

// FuzzDecoder: nothing a provider sends breaks a decoder, what it tells is in order, and clients can read it.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(wholeStream), uint64(1))
	f.Add([]byte(begin+"\n"+`{"type":"content_block_start","index":-1,"content_block":{"type":"text"}}`+"\n"+`{"type":"message_stop"}`), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		toldLines(t, stream)
		toldLines(t, mutantStream(seed))
	})
}

func toldLines(t *testing.T, stream []byte) {
	t.Helper()
	d, e, tap, story := anthropic.NewDecoder(false), anthropic.NewEncoder(dialect.Ask{}), anthropic.NewTap(dialect.Facts{}), &order{}
	var out []byte
	var refused error
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		fr := named(data)
		v := tap.Read(fr)
		events, err := d.Decode(fr)
		if (err == nil) == (v.Action == dialect.Malformed || v.Action == dialect.Failed) && len(data) > 0 {
			return // the tap may refuse less: it doesn't know what comes first
		}
		if err != nil {
			return
		}
		if err := story.add(events); err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			if refused == nil {
				out, refused = e.Encode(out, event)
			}
		}
	}
	if d.Done() != story.finished || !utf8.ValidString(story.text) {
		t.Fatalf("done %v, finished %v, %q", d.Done(), story.finished, story.text)
	}
	if d.Done() && refused == nil {
		_, err := accumulate(framesOf(string(e.End(out))))
		if err != nil && !odd(err) {
			t.Fatalf("%v in %s from %s", err, out, stream)
		}
	}
}

// odd reports whether an error is about a block of a kind that nobody knows, or arguments that the model didn't complete:
// these pass as they are.
func odd(err error) bool {
	return strings.Contains(err.Error(), "partial_json") || strings.Contains(err.Error(), "cannot unmarshal")
}

// FuzzEncodeRequest: whatever stands in a prompt, what is written is JSON and asks the model that was to be asked.
func FuzzEncodeRequest(f *testing.F) {
	f.Add("x", "y", "{}", `{"type":"object"}`, "model")
	f.Add(`"other"`, "other", `{"type":"custom"}`, "5", "mode\\l")
	f.Fuzz(func(t *testing.T, value, text, arguments, schema, path string) {
		p := &llmv1.Prompt{
			Messages: []*llmv1.Message{
				{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart(text)}, Extensions: map[string]string{"x": value}},
				{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{call(text, arguments), {Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: "x", Json: schema}}}}},
				{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{result(text, text)}},
			},
			Tools:      []*llmv1.Tool{{Name: text, InputSchema: schema}, {Native: arguments}},
			Extensions: map[string]string{path: value},
		}
		got, _, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "mine", Stream: true})
		if err != nil {
			return
		}
		if rawjson.Check(got, 2000) != nil {
			t.Fatalf("no JSON: %s", got)
		}
		if rawjson.Kind(got) == 'o' && (string(rawjson.Get(got, "model")) != `"mine"` || string(rawjson.Get(got, "stream")) != "true") {
			t.Fatalf("asks another: %s", got)
		}
	})
}
