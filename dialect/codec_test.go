package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func eachFrame(stream []byte, f func(sse.Frame)) {
	r := sse.NewReader(bytes.NewReader(stream), 1<<20)
	for {
		frame, err := r.Next()
		if err != nil {
			return
		}
		f(frame)
	}
}

func text(role llmv1.Role, texts ...string) *llmv1.Message {
	m := &llmv1.Message{Role: role}
	for _, s := range texts {
		m.Parts = append(m.Parts, &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}})
	}
	return m
}

func ptr[T any](v T) *T { return &v }

func TestEncodeRequest(t *testing.T) {
	t.Parallel()
	prompt := &llmv1.Prompt{
		System: "be brief",
		Messages: []*llmv1.Message{
			text(llmv1.Role_ROLE_USER, "a", "b"), text(llmv1.Role_ROLE_ASSISTANT, "c"), text(llmv1.Role_ROLE_SYSTEM, "more"), text(llmv1.Role_ROLE_USER, "d"),
		},
		Sampling: &llmv1.Sampling{MaxOutputTokens: ptr(int64(9)), Temperature: ptr(0.0), StopSequences: []string{"END"}},
	}
	cases := map[string]struct {
		encode func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error)
		want   string
	}{
		"openai":    {openai.Flavour{}.EncodeRequest, `{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":"c"},{"role":"system","content":"more"},{"role":"user","content":"d"}],"stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"temperature":0,"stop":["END"]}`},
		"anthropic": {anthropic.EncodeRequest, `{"model":"m","max_tokens":9,"system":"be brief\n\nmore","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":"c"},{"role":"user","content":"d"}],"stream":true,"temperature":0,"stop_sequences":["END"]}`},
	}
	for name, c := range cases {
		got, _, err := c.encode(prompt, dialect.Ask{Model: "m", Stream: true, IncludeUsage: true})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, c.want)
		}
	}
}

// TestEncodeRefuses: what a provider can't express is an error that names the field, never silence.
func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		encode func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error)
		s      *llmv1.Sampling
	}{
		"prompt.sampling.top_k":             {openai.Flavour{}.EncodeRequest, &llmv1.Sampling{TopK: ptr(int64(1))}},
		"prompt.sampling.stop_sequences":    {openai.Flavour{}.EncodeRequest, &llmv1.Sampling{StopSequences: make([]string, 5)}},
		"prompt.sampling.frequency_penalty": {anthropic.EncodeRequest, &llmv1.Sampling{FrequencyPenalty: ptr(1.0)}},
		"prompt.sampling.presence_penalty":  {anthropic.EncodeRequest, &llmv1.Sampling{PresencePenalty: ptr(1.0)}},
		"prompt.sampling.temperature":       {anthropic.EncodeRequest, &llmv1.Sampling{Temperature: ptr(1.5)}},
	}
	for field, c := range cases {
		_, _, err := c.encode(&llmv1.Prompt{Messages: []*llmv1.Message{text(llmv1.Role_ROLE_USER, "x")}, Sampling: c.s}, dialect.Ask{Model: "m"})
		var f *fault.Error
		if !errors.As(err, &f) || f.Metadata["field"] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

type decoder interface {
	Decode(f sse.Frame) ([]*llmv1.StreamEvent, error)
	Done() bool
}

// script writes the order of events in short.
func script(t *testing.T, d decoder, stream string) string {
	t.Helper()
	var steps []string
	eachFrame([]byte(stream), func(f sse.Frame) {
		events, err := d.Decode(f)
		if err != nil {
			steps = append(steps, "error "+fault.Code(fault.From(err).Reason))
		}
		for _, e := range events {
			steps = append(steps, step(e))
		}
	})
	return strings.Join(steps, ", ")
}

func step(e *llmv1.StreamEvent) string {
	switch {
	case e.GetStart() != nil:
		return "start " + e.GetStart().GetId()
	case e.GetPartStart() != nil:
		if e.GetPartStart().GetPart().GetRefusal() != nil {
			return "refusal"
		}
		return "part"
	case e.GetPartDelta() != nil:
		return "+" + e.GetPartDelta().GetText()
	case e.GetPartEnd() != nil:
		return "end"
	case e.GetUsage() != nil:
		return "usage"
	}
	return "finish " + e.GetFinish().GetRawReason()
}

func TestDecodeStreams(t *testing.T) {
	t.Parallel()
	o := func(rest string) string { return `data: {"id":"c",` + rest + "}\n\n" }
	cases := map[string]struct {
		d            decoder
		stream, want string
	}{
		"openai": {
			openai.NewDecoder(false), o(`"choices":[{"delta":{"role":"assistant","content":""}}]`) + ": ping\n\n" +
				o(`"choices":[{"delta":{"content":"a"}}]`) + o(`"choices":[{"delta":{"content":"b"}}]`) +
				o(`"choices":[{"delta":{},"finish_reason":"stop"}]`) + o(`"choices":[],"usage":{"prompt_tokens":1}`) + "data: [DONE]\n\n",
			"start c, part, +a, +b, end, finish stop, usage",
		},
		"openai refuses": {
			openai.NewDecoder(false), o(`"choices":[{"delta":{"content":"a"}}]`) + o(`"choices":[{"delta":{"refusal":"no"}}]`) + "data: [DONE]\n\n",
			"start c, part, +a, end, refusal, +no, end, finish ",
		},
		"openai fails": {openai.NewDecoder(false), o(`"choices":[{"delta":{"content":"a"}}]`) + "data: {\"error\":{\"message\":\"x\"}}\n\n", "start c, part, +a, error PROVIDER_ERROR"},
		"anthropic": {
			anthropic.NewDecoder(false), "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\n" +
				"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\"}}\n\n" +
				"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n" +
				"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
				"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
				"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n" +
				"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n" +
				"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n" +
				"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
			"start m, usage, part, +hm, end, part, +a, end, finish end_turn, usage",
		},
		"anthropic fails": {anthropic.NewDecoder(false), "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n", "error PROVIDER_ERROR"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := script(t, c.d, c.stream); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if finished := strings.Contains(c.want, "finish"); c.d.Done() != finished {
				t.Errorf("done is %v", c.d.Done())
			}
		})
	}
}

func TestErrorBodies(t *testing.T) {
	t.Parallel()
	e := fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, `no "such" model`).With("field", "model").After(time.Second)
	want := `{"error":{"message":"no \"such\" model","type":"invalid_request_error","param":"model","code":"model_not_found"}}`
	if got := string(openai.ErrorBody(e, "req_1")); got != want {
		t.Errorf("openai: %s", got)
	}
	want = `{"type":"error","error":{"type":"not_found_error","message":"no \"such\" model","details":{"error_code":"MODEL_NOT_FOUND","field":"model"}},"request_id":"req_1"}`
	if got := string(anthropic.ErrorBody(e, "req_1")); got != want {
		t.Errorf("anthropic: %s", got)
	}
	if !openai.IsError(openai.ErrorBody(e, "")) || !anthropic.IsError(anthropic.ErrorBody(e, "")) {
		t.Error("our own errors don't look like errors")
	}
	for name, frame := range map[string][]byte{"openai": openai.ErrorFrame(e, ""), "anthropic": anthropic.ErrorFrame(e, "")} {
		f, err := sse.NewReader(bytes.NewReader(frame), 1<<20).Next()
		if err != nil || !json.Valid(f.Data) {
			t.Errorf("%s: %q, %v", name, frame, err)
		}
	}
}

func TestDecodeError(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ body, message, code string }{
		"nested":      {`{"error":{"message":"slow down","code":"rate_limit"}}`, "slow down", "rate_limit"},
		"number code": {`{"error":{"message":"bad","code":400}}`, "bad", "400"},
		"string":      {`{"error":"no such model"}`, "no such model", ""},
		"flat":        {`{"message":"bad","code":"x"}`, "bad", "x"},
		"text":        {"upstream connect error\n", "upstream connect error", ""},
		"page":        {"<html>Bad gateway</html>", "the provider answered 502 without an explanation", ""},
		"nothing":     {"", "the provider answered 502 without an explanation", ""},
		"other JSON":  {`{"detail":[]}`, "the provider answered 502 without an explanation", ""},
	}
	for name, c := range cases {
		if got := dialect.DecodeError(502, []byte(c.body)); got.Message != c.message || got.Code != c.code {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := dialect.DecodeError(500, []byte(`{"error":"`+strings.Repeat("é", 5000)+`"}`)); len(got.Message) > 2<<10 {
		t.Errorf("a message of %d bytes", len(got.Message))
	}
}

func TestModelLists(t *testing.T) {
	t.Parallel()
	models := []*llmv1.Model{{Id: "a", OwnedBy: "x", CreatedUnixSeconds: 86400}, {Id: "b"}}
	got, err := openai.DecodeModels(openai.EncodeModels(models))
	if err != nil || len(got) != 2 || got[0].GetId() != "a" || got[0].GetCreatedUnixSeconds() != 86400 {
		t.Errorf("openai: %v, %v", got, err)
	}
	got, err = anthropic.DecodeModels(anthropic.EncodeModels(models))
	if err != nil || len(got) != 2 || got[0].GetId() != "a" || got[0].GetCreatedUnixSeconds() != 86400 {
		t.Errorf("anthropic: %v, %v", got, err)
	}
	if s := string(anthropic.EncodeModels(nil)); s != `{"data":[],"has_more":false,"first_id":null,"last_id":null}` {
		t.Errorf("an empty list: %s", s)
	}
}
