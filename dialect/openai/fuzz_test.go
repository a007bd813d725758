package openai_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// wholeRequest holds something of everything that a request may hold.
const wholeRequest = `{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"max_completion_tokens":4096,"max_tokens":5,` +
	`"temperature":1,"top_p":0.9,"top_k":5,"min_p":0.1,"repetition_penalty":1.1,"stop":["END"],"seed":7,"frequency_penalty":0.5,"presence_penalty":-1,"n":2,"logprobs":true,"top_logprobs":3,` +
	`"logit_bias":{"50256":-100,"1":1.5},"user":"u","metadata":{"a.b":"c"},"store":false,"reasoning_effort":"high","parallel_tool_calls":false,` +
	`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{},"a":{}}},"strict":true}},{"type":"custom","custom":{"name":"g","format":{"type":"text"}}},{"type":"browser_search"}],` +
	`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},` +
	`"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":false}},"messages":[` +
	`{"role":"system","content":"be brief"},{"role":"developer","content":[{"type":"text","text":"and kind","prompt_cache_breakpoint":{}}],"name":"dev"},` +
	`{"role":"user","name":"bob","content":[{"type":"text","text":""},{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x/y.png"}},` +
	`{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"}},{"type":"file","file":{"file_id":"file-1"}},{"type":"video_url","video_url":{"url":"https://x/y.mp4"}}]},` +
	`{"role":"assistant","content":"see","refusal":null,"reasoning":"hm","reasoning_details":[{"index":0,"type":"reasoning.text","text":"hm","signature":"sig","format":"anthropic-claude-v1"},{"type":"reasoning.encrypted","data":"xx"}],` +
	`"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":3,"url":"https://x","title":"t"}}],"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"b\":1}"}},{"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}},{"id":"call_3","type":"function","function":{"name":"f","arguments":""},"index":2}]},` +
	`{"role":"tool","tool_call_id":"call_1","content":"done"},{"role":"tool","tool_call_id":"call_2","content":[{"type":"text","text":"x"}]},{"role":"tool","tool_call_id":"call_3","content":""},` +
	`{"role":"assistant","content":null,"function_call":{"name":"h","arguments":"{}"}},{"role":"function","name":"h","content":"y"},{"role":"assistant","refusal":"no"},{"role":"user","content":"and?"}]}`

const wholeResponse = `{"id":"chatcmpl-1","object":"chat.completion","created":1795443851,"model":"gpt-5","system_fingerprint":null,"service_tier":"default","choices":[` +
	`{"index":0,"message":{"role":"assistant","content":"né","refusal":null,"reasoning":"hm","annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"https://x","title":"t"}}],` +
	`"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"custom","custom":{"name":"g","input":"x"}}]},` +
	`"logprobs":{"content":[{"token":"n","logprob":-0.5,"bytes":[110],"top_logprobs":[{"token":"n","logprob":-0.5,"bytes":[110]}]}],"refusal":null},"finish_reason":"tool_calls"},` +
	`{"index":1,"message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"b"}],"refusal":"no","reasoning_content":"x","reasoning_details":[{"type":"reasoning.summary","summary":"s","format":"openai-responses-v1"}]},"logprobs":null,"finish_reason":"stop","stop_reason":null}],` +
	`"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0}}}`

// requests are odd, and each is valid.
var requests = []string{
	wholeRequest,
	`{"messages":[{"role":"user","content":[]}],"model":"m","stream":false,"stop":"x","n":1,"tool_choice":"none","response_format":{"type":"regex","value":"a+"},"max_tokens":0}`,
	`{"messages":[{"role":"user","content":"x"}],"model":"m","stop":null,"tool_choice":{"type":"function","function":{"name":"f"}},"tools":[],"response_format":{"type":"json","value":{"type":"object"}},"reasoning_effort":"none"}`,
	`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"},{"type":"refusal","refusal":"no"},{"type":"thinking"}],"reasoning_content":"y"}],"model":"m","stream":true}`,
	`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_call_id":"a","content":[{"type":"image_url","image_url":"https://x/y.png"}]}],"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"n"}}}`,
}

func TestMutantRequestsAreExact(t *testing.T) {
	t.Parallel()
	taken := 0
	for seed := range uint64(2000) {
		if exactRequest(t, mutated(requests[seed%uint64(len(requests))], seed)) {
			taken++
		}
	}
	if t.Logf("%d requests taken", taken); taken < 200 {
		t.Errorf("only %d of 2000 are taken: that tests little", taken)
	}
}

func FuzzRequestRoundTrip(f *testing.F) {
	for i, seed := range requests {
		f.Add([]byte(seed), uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		exactRequest(t, body)
		exactRequest(t, mutated(string(body), seed))
		exactRequest(t, mutated(requests[seed%uint64(len(requests))], seed))
	})
}

// exactRequest reports whether a request is taken; then it comes out as it went in.
func exactRequest(t *testing.T, body []byte) bool {
	t.Helper()
	facts, err := openai.ReadFacts(body)
	if err != nil || bytes.Contains(body, []byte(dialect.Unsigned)) {
		return false
	}
	got, err := requestAgain(body, facts)
	if err != nil {
		if f := fault.From(err); f.Metadata["field"] == "" {
			t.Fatalf("%v names no field of %s", err, body)
		}
		return false
	}
	if body = bytes.TrimSpace(body); !object.Equal(got, body) {
		t.Fatalf("%s became %s, which differs by %v", body, got, object.Diff(body, got))
	}
	return true
}

func TestMutantResponsesAreExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		exactAnswer(t, mutated(wholeResponse, seed))
	}
}

func FuzzResponseRoundTrip(f *testing.F) {
	f.Add([]byte(wholeResponse), uint64(1))
	f.Add([]byte(`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"0","type":"function","function":{"name":"f","description":null,"arguments":{"a":1}}}]}}],"usage":{"completion_tokens":-1}}`), uint64(2))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		exactAnswer(t, body)
		exactAnswer(t, mutated(string(body), seed))
		exactAnswer(t, mutated(wholeResponse, seed))
	})
}

func exactAnswer(t *testing.T, body []byte) {
	t.Helper()
	_, _ = openai.ReadResponse(body)
	c, err := openai.DecodeResponse(body, true)
	if err != nil {
		return
	}
	if got := openai.EncodeResponse(c); !object.Equal(got, bytes.TrimSpace(body)) {
		t.Fatalf("%s became %s, which differs by %v", body, got, object.Diff(bytes.TrimSpace(body), got))
	}
	bare, err := openai.DecodeResponse(body, false)
	if err != nil {
		if fault.From(err).Message == "" {
			t.Fatalf("%s: %v", body, err)
		}
		return
	}
	checkJSON(t, openai.EncodeResponse(bare))
}

func checkJSON(t *testing.T, body []byte) {
	t.Helper()
	if err := rawjson.Check(body, dialect.MaxAnswerDepth+8); err != nil || !utf8.Valid(body) {
		t.Fatalf("%v: %s", err, body)
	}
}

// FuzzEncodeRequest: whatever stands in a prompt, what is written is JSON and asks the model that was to be asked.
func FuzzEncodeRequest(f *testing.F) {
	f.Add("x", "y", "{}", `{"type":"object"}`, "model")
	f.Add(`"other"`, "other", `{"type":"custom","custom":{}}`, "5", "mode\\l")
	f.Add(`false`, "", `{"type":"x"}`, "{}", "stream")
	f.Fuzz(func(t *testing.T, value, text, arguments, schema, path string) {
		part := &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: "x", Json: schema}}, Extensions: map[string]string{"type": `"x"`}}
		words := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
		call := &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: text, Name: text, Arguments: arguments}}}
		answer := &llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{Id: text, Parts: []*llmv1.Part{words, part}}}}
		p := &llmv1.Prompt{
			Messages: []*llmv1.Message{
				{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{words, part}, Extensions: map[string]string{"x": value}},
				{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{call}},
				{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{answer}},
			},
			Tools:      []*llmv1.Tool{{Name: text, InputSchema: schema}, {Native: arguments}},
			Extensions: map[string]string{path: value},
		}
		for _, flavour := range []openai.Flavour{richest, {}} {
			got, _, err := flavour.EncodeRequest(p, dialect.Ask{Model: "mine", Stream: true, IncludeUsage: true})
			if err != nil {
				continue
			}
			if rawjson.Check(got, 2000) != nil {
				t.Fatalf("no JSON: %s", got)
			}
			if rawjson.Kind(got) == 'o' && (string(rawjson.Get(got, "model")) != `"mine"` || string(rawjson.Get(got, "stream")) != "true") {
				t.Fatalf("asks another: %s", got)
			}
		}
	})
}

// FuzzErrors: no body of a provider breaks the reader of errors, and what is made of it is an error of the dialect.
func FuzzErrors(f *testing.F) {
	for _, seed := range []string{
		`{"error":{"message":"m","type":"t","param":null,"code":400}}`, `{"error":"x","error_type":"overloaded"}`, `{"object":"error","message":"m","code":1}`,
		`[{"error":{"message":"m"}}]`, `{"detail":[{"msg":"m"}]}`, "<html>", "", `{"error":{"message":{}}}`,
	} {
		f.Add([]byte(seed), uint64(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		for _, body := range [][]byte{body, mutated(string(body), seed)} {
			p := dialect.DecodeError(502, body)
			if p.Message == "" || !utf8.ValidString(p.Message+p.Code+p.Type+p.Param) {
				t.Fatalf("%q says %+v", body, p)
			}
			mended := openai.MendError(body)
			if rawjson.Check(body, dialect.MaxDepth) == nil {
				checkJSON(t, mended)
			}
			_ = openai.IsError(mended)
			_, _ = openai.DecodeTokenize(body)
			_, _ = openai.DecodeModels(body)
		}
	})
}

// FuzzTokenize: a prompt that a client sent is asked about, and a count is never negative.
func FuzzTokenize(f *testing.F) {
	f.Add([]byte(wholeRequest), []byte(`{"count":5,"max_model_len":10,"tokens":[1]}`), uint64(3))
	f.Fuzz(func(t *testing.T, request, answer []byte, seed uint64) {
		if n, err := openai.DecodeTokenize(answer); err == nil && n < 0 {
			t.Fatalf("%d of %s", n, answer)
		}
		for _, body := range [][]byte{request, mutated(string(request), seed)} {
			if _, err := openai.ReadFacts(body); err != nil {
				continue
			}
			p, err := openai.DecodeRequest(body)
			if err != nil {
				continue
			}
			if got, _, err := richest.EncodeTokenize(p, dialect.Ask{Model: "m"}); err == nil {
				checkJSON(t, got)
			}
		}
	})
}
