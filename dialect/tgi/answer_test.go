package tgi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// decoder is either of the two.
type decoder interface {
	Decode(f sse.Frame) ([]*llmv1.StreamEvent, error)
	Done() bool
}

// heard is what a stream told.
type heard struct {
	text, arguments, finish, raw string
	id                           string
	calls                        []*llmv1.ToolCallPart
	usage                        *llmv1.TokenUsage
	complete                     bool
}

func (h *heard) add(events []*llmv1.StreamEvent) {
	for _, e := range events {
		h.text += e.GetPartDelta().GetText()
		h.arguments += e.GetPartDelta().GetArguments()
		if s := e.GetStart(); s != nil {
			h.id = s.GetId()
		}
		if c := e.GetPartStart().GetPart().GetToolCall(); c != nil {
			h.calls = append(h.calls, c)
		}
		if u := e.GetUsage(); u != nil {
			h.usage = u
		}
		if f := e.GetFinish(); f != nil {
			h.finish, h.raw = strings.ToLower(strings.TrimPrefix(f.GetReason().String(), "FINISH_REASON_")), f.GetRawReason()
		}
	}
}

// hear reads a stream to its end, as the adapter does.
func hear(d decoder, stream []byte) (h heard, err error) {
	r := sse.NewReader(bytes.NewReader(stream), dialect.MaxFrame)
	for !d.Done() {
		f, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return h, err
		}
		events, err := d.Decode(f)
		if err != nil {
			return h, err
		}
		h.add(events)
	}
	if h.complete = d.Done(); h.complete {
		return h, nil
	}
	if ender, ok := d.(interface {
		End() ([]*llmv1.StreamEvent, bool)
	}); ok {
		events, complete := ender.End()
		h.add(events)
		h.complete = complete
	}
	return h, nil
}

func data(payloads ...string) []byte {
	return []byte("data: " + strings.Join(payloads, "\n\ndata: ") + "\n\n")
}

func chunk(delta, finish string) string {
	return `{"object":"chat.completion.chunk","id":"","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}],"usage":null}`
}

// TestChatStreams: one case a quirk of protocols/tgi.md.
func TestChatStreams(t *testing.T) {
	t.Parallel()
	call := func(name, arguments string) string {
		return `{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":` + name + `,"arguments":` + arguments + `}}]}`
	}
	usage := `{"object":"chat.completion.chunk","id":"","created":2,"model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}`
	cases := map[string]struct {
		stream []byte
		want   string
	}{
		"the role in every delta": {data(chunk(`{"role":"assistant","content":"a"}`, "null"), chunk(`{"role":"assistant","content":"b"}`, `"stop"`), usage, "[DONE]"), "ab stop(stop) 5/3"},
		"stop_sequence":           {data(chunk(`{"role":"assistant","content":"a"}`, "null"), chunk(`{"role":"assistant","content":""}`, `"stop_sequence"`), "[DONE]"), "a stop(stop_sequence)"},
		"special tokens are empty deltas": {
			data(chunk(`{"role":"assistant","content":""}`, "null"), chunk(`{"role":"assistant","content":"a"}`, `"length"`), "[DONE]"), "a length(length)",
		},
		"a call whose deltas all repeat id and index": {
			data(chunk(call(`"f"`, `"{"`), "null"), chunk(call("null", `"\"a\":1"`), "null"), chunk(call("null", `"}"`), "null"), chunk(`{"role":"assistant","content":""}`, `"stop"`), "[DONE]"), `f{"a":1} tool_call(stop)`,
		},
		"a call without a finish_reason": {data(chunk(call(`"f"`, `"{}"`), "null"), "[DONE]"), "f{} tool_call()"},
		"arguments as an object":         {data(chunk(call(`"f"`, `{"a":1}`), "null"), "[DONE]"), `f{"a":1} tool_call()`},
		"no space after data, no [DONE], usage on the last chunk (1.4)": {
			[]byte(`data:{"id":"","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}` + "\n\n" +
				`data:{"id":"","object":"text_completion","created":2,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}` + "\n\n"), "a length(length) 1/2",
		},
		"two chunks in one frame (1.4)": {[]byte("data:" + chunk(`{"role":"assistant","content":"a"}`, "null") + "\ndata:" + chunk("{}", `"length"`) + "\n\n"), "a length(length)"},
		"keep-alives":                   {append([]byte(":\n\n:\n\n"), data(chunk(`{"role":"assistant","content":"a"}`, `"stop"`), "[DONE]")...), "a stop(stop)"},
		"cut":                           {data(chunk(`{"role":"assistant","content":"a"}`, "null")), "a cut"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := hear(tgi.NewChatDecoder(), c.stream)
			if err != nil {
				t.Fatal(err)
			}
			got := h.text
			for _, call := range h.calls {
				if !strings.HasPrefix(call.GetId(), "call_") {
					t.Errorf("a call with the id %q", call.GetId())
				}
				got += call.GetName()
			}
			got += h.arguments + " "
			if !h.complete {
				got += "cut"
			} else {
				got += h.finish + "(" + h.raw + ")"
			}
			if h.usage != nil {
				got += fmt.Sprintf(" %d/%d", h.usage.GetInputTokens(), h.usage.GetOutputTokens())
			}
			if got != c.want || len(h.calls) > 1 || !strings.HasPrefix(h.id, "chatcmpl-") {
				t.Errorf("%q, id %q, %d calls, want %q", got, h.id, len(h.calls), c.want)
			}
		})
	}
}

func TestDecodeChat(t *testing.T) {
	t.Parallel()
	answer := func(message, finish string) string {
		return `{"object":"chat.completion","id":"","created":1,"model":"m","system_fingerprint":"3.1.2","choices":[{"index":0,"message":` + message + `,"logprobs":null,"finish_reason":"` + finish + `"}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}`
	}
	const stop, called = llmv1.FinishReason_FINISH_REASON_STOP, llmv1.FinishReason_FINISH_REASON_TOOL_CALL
	cases := map[string]struct {
		body, text, arguments string
		want                  llmv1.FinishReason
	}{
		"text":          {answer(`{"role":"assistant","content":"a","tool_calls":null}`, "stop"), "a", "", stop},
		"stop_sequence": {answer(`{"role":"assistant","content":"a"}`, "stop_sequence"), "a", "", stop},
		"a call, which stops": {
			answer(`{"role":"assistant","content":null,"tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":"f","arguments":"{\"a\":1}"}}]}`, "stop"), "", `{"a":1}`, called,
		},
		"arguments as an object": {
			answer(`{"role":"assistant","tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":"f","arguments":{"a":1}}}]}`, "stop"), "", `{"a":1}`, called,
		},
		"a call that was cut": {
			answer(`{"role":"assistant","tool_calls":[{"id":"0","type":"function","function":{"name":"f","arguments":"{"}}]}`, "length"), "", `{`, llmv1.FinishReason_FINISH_REASON_LENGTH,
		},
	}
	for name, c := range cases {
		got, err := tgi.DecodeChat([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		part := got.GetMessage().GetParts()[0]
		if part.GetText().GetText() != c.text || part.GetToolCall().GetArguments() != c.arguments || got.GetFinishReason() != c.want ||
			got.GetId() == "" || got.GetUsage().GetInputTokens() != 5 || part.GetToolCall() != nil && len(part.GetToolCall().GetId()) < 20 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestErrors: every shape of error, before a stream, within one, and in the place of an answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"validation":    {422, `{"error":"Input validation error: x","error_type":"validation"}`, "422 validation Input validation error: x"},
		"overloaded":    {429, `{"error":"Model is overloaded","error_type":"overloaded"}`, "429 overloaded Model is overloaded"},
		"its own 424":   {424, `{"error":"Request failed during generation: x","error_type":"generation"}`, "502 generation Request failed during generation: x"},
		"prose":         {422, "Failed to deserialize the JSON body into the target type: missing field `inputs` at line 1 column 2", "422  Failed to deserialize the JSON body into the target type: missing field `inputs` at line 1 column 2"},
		"nothing":       {401, "", "401  the provider answered 401 without an explanation"},
		"unhealthy":     {503, `{"error":"unhealthy","error_type":"healthcheck"}`, "503 healthcheck unhealthy"},
		"the old hub's": {500, `{"error":"unknown error","warnings":["There was an inference error"]}`, "500  unknown error"},
	} {
		p := tgi.DecodeError(c.status, []byte(c.body))
		if got := fmt.Sprint(p.Status, " ", p.Code, " ", p.Message); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, c := range map[string]struct {
		d      decoder
		stream string
		want   string
	}{
		"chat, overloaded": {tgi.NewChatDecoder(), `{"error":{"message":"Model is overloaded","http_status_code":422}}`, "429"},
		"chat, invalid":    {tgi.NewChatDecoder(), `{"error":{"message":"Input validation error: x","http_status_code":422}}`, "422"},
		"chat, generation": {tgi.NewChatDecoder(), `{"error":{"message":"Request failed during generation: x","http_status_code":422}}`, "502"},
		"overloaded":       {tgi.NewGenerateDecoder(), `{"error":"Model is overloaded","error_type":"overloaded"}`, "429"},
		"invalid":          {tgi.NewGenerateDecoder(), `{"error":"Input validation error: x","error_type":"validation"}`, "422"},
		"generation":       {tgi.NewGenerateDecoder(), `{"error":"Request failed during generation: x","error_type":"generation"}`, "502"},
	} {
		_, err := hear(c.d, data(c.stream, "[DONE]"))
		if f := fault.From(err); err == nil || f.Metadata["http_status"] != c.want || strings.Contains(f.Message, "{") {
			t.Errorf("%s: %v, %v", name, err, fault.From(err).Metadata)
		}
	}
	if _, err := tgi.DecodeGenerate([]byte(`{"error":"x","error_type":"incomplete_generation"}`), ""); err == nil || fault.From(err).Metadata["http_status"] != "500" {
		t.Errorf("%v", err)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, prompt, want string }{
		"details":     {`{"generated_text":"a b","details":{"finish_reason":"eos_token","generated_tokens":2,"seed":null,"prefill":[],"tokens":[]}}`, "7", "a b stop 7/2"},
		"in a list":   {`[{"generated_text":"a","details":{"finish_reason":"length","generated_tokens":1}}]`, "x", "a length 0/1"},
		"no details":  {`[{"generated_text":"a"}]`, "", "a stop"},
		"nothing":     {`{"generated_text":"","details":null}`, "3", " stop 3/0"},
		"a sequence":  {`{"generated_text":"a","details":{"finish_reason":"stop_sequence","generated_tokens":1}}`, "1", "a stop 1/1"},
		"another end": {`{"generated_text":"a","details":{"finish_reason":"novel","generated_tokens":1}}`, "1", "a unspecified 1/1"},
	} {
		got, err := tgi.DecodeGenerate([]byte(c.body), c.prompt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := ""
		for _, part := range got.GetMessage().GetParts() {
			said += part.GetText().GetText()
		}
		said += " " + strings.ToLower(strings.TrimPrefix(got.GetFinishReason().String(), "FINISH_REASON_"))
		if got.GetUsage() != nil {
			said += fmt.Sprintf(" %d/%d", got.GetUsage().GetInputTokens(), got.GetUsage().GetOutputTokens())
		}
		if said != c.want || got.GetId() == "" {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
	for _, body := range []string{"", "[]", "{}", `{"generated_text":1}`, `[[]]`} {
		if _, err := tgi.DecodeGenerate([]byte(body), ""); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
}

func TestGenerateStream(t *testing.T) {
	t.Parallel()
	token := func(text, special, whole, details string) string {
		return `{"index":1,"token":{"id":1,"text":"` + text + `","logprob":-0.1,"special":` + special + `},"generated_text":` + whole + `,"details":` + details + `}`
	}
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"to its end": {data(token("a", "false", "null", "null"), token(" b", "false", "null", "null"), token("</s>", "true", `"a b"`, `{"finish_reason":"eos_token","generated_tokens":3,"seed":null,"input_length":4}`)), "a b stop(eos_token) 4/3"},
		"without details, without a space": {
			[]byte("data:" + token("a", "false", `"a"`, "null") + "\n\n"), "a stop()",
		},
		"nothing said": {data(token("</s>", "true", `""`, `{"finish_reason":"eos_token","generated_tokens":1}`)), " stop(eos_token) 0/1"},
		"cut":          {data(token("a", "false", "null", "null")), "a cut"},
	} {
		h, err := hear(tgi.NewGenerateDecoder(), c.stream)
		got := h.text + " cut"
		if h.complete {
			got = h.text + " " + h.finish + "(" + h.raw + ")"
		}
		if h.usage != nil {
			got += fmt.Sprintf(" %d/%d", h.usage.GetInputTokens(), h.usage.GetOutputTokens())
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
