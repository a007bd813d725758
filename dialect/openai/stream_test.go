package openai_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func TestDecoderRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data string
		want errorsv1.Reason
	}{
		"a tool call":        {`{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"a function call":    {`{"choices":[{"delta":{"function_call":{"name":"f"}}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"audio":              {`{"choices":[{"delta":{"audio":{"data":"x"}}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"a part of no kind":  {`{"choices":[{"delta":{"content":[{"type":"image_url"}]}}]}`, errorsv1.Reason_REASON_UNSUPPORTED},
		"invalid UTF-8":      {"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}", errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"an end, no answer":  {`[DONE]`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"choices of another": {`{"choices":{}}`, errorsv1.Reason_REASON_PROVIDER_MALFORMED},
		"an error":           {`{"error":{"message":"x"}}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
		"an error in words":  {`{"error":"x"}`, errorsv1.Reason_REASON_PROVIDER_ERROR},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := openai.NewDecoder().Decode(sse.Frame{Data: []byte(c.data)})
			if !isReason(err, c.want) || len(events) > 0 {
				t.Errorf("got %v, %v", events, err)
			}
		})
	}
}

func TestDecoderTells(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ stream, want string }{
		"the first choice only":  {`{"id":"c","choices":[{"index":1,"delta":{"content":"B"}},{"index":0,"delta":{"content":"A"}}]}`, "A"},
		"Mistral's parts":        {`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"A"}]}}]}`, "A"},
		"no reasoning":           {`{"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm","content":null}}]}`, ""},
		"Azure's preamble":       {`{"id":"","choices":[],"prompt_filter_results":[]}` + "\n" + `{"id":"c","choices":[{"delta":{"content":"A"}}]}`, "A"},
		"an error that is null":  {`{"error":null,"choices":[{"delta":{"content":"A"}}]}`, "A"},
		"text, refusal and text": {`{"choices":[{"delta":{"content":"A"}}]}` + "\n" + `{"choices":[{"delta":{"refusal":"B"}}]}` + "\n" + `{"choices":[{"delta":{"content":"C"}}]}`, "ABC"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, story := openai.NewDecoder(), recorded.Story{}
			for data := range bytes.SplitSeq([]byte(c.stream+"\n[DONE]"), []byte("\n")) {
				events, err := d.Decode(sse.Frame{Data: data})
				if err != nil {
					t.Fatal(err)
				}
				if err := story.Add(events); err != nil {
					t.Fatal(err)
				}
			}
			if story.Text != c.want || !story.Finished || !d.Done() || strings.Contains(c.stream, `"id":"c"`) && story.ID != "c" {
				t.Errorf("told %q of %q, finished %v, done %v", story.Text, story.ID, story.Finished, d.Done())
			}
		})
	}
}

// TestDecoderFinishesLast: usage comes after the finish in OpenAI's order, before it in ours.
func TestDecoderFinishesLast(t *testing.T) {
	t.Parallel()
	d := openai.NewDecoder()
	var events []*llmv1.StreamEvent
	for _, data := range []string{
		`{"id":"c","model":"m","choices":[{"delta":{"content":"A"}}]}`, `{"choices":[{"delta":{},"finish_reason":"length"}]}`,
		`{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, `[DONE]`,
	} {
		more, err := d.Decode(sse.Frame{Data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, more...)
	}
	last := len(events) - 1
	finish := events[last].GetFinish()
	if events[last-1].GetUsage() == nil || finish.GetReason() != llmv1.FinishReason_FINISH_REASON_LENGTH || finish.GetRawReason() != "length" {
		t.Errorf("got %v", events)
	}
}

func TestDecoderKeepsProvidersStatus(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"error":{"message":"x","code":400}}`: "400", `{"error":{"message":"x","status_code":429}}`: "429", `{"error":{"message":"x"},"status_code":503}`: "503",
		`{"error":{"message":"x","code":"full"}}`: "502", `{"error":{"message":"x","code":200}}`: "502",
	} {
		_, err := openai.NewDecoder().Decode(sse.Frame{Data: []byte(data)})
		if got := metadata(err, "http_status"); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"delta":{"content":"A"}}]}` + "\n" + `{"choices":[{"delta":{"refusal":"B"},"finish_reason":"stop"}]}` + "\n[DONE]"))
	f.Add([]byte(`{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"\u00e9"}]}}],"usage":{"prompt_tokens":1}}` + "\n[DONE]\n{}"))
	f.Add([]byte(`{"error":{"message":"x","code":429}}`))
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, tap, story := openai.NewDecoder(), openai.NewTap(dialect.Facts{IncludeUsage: true}), recorded.Story{}
		for data := range bytes.SplitSeq(stream, []byte("\n")) {
			v := tap.Read(sse.Frame{Data: data})
			events, err := d.Decode(sse.Frame{Data: data})
			if err != nil {
				return
			}
			if v.Action == dialect.Malformed {
				t.Fatalf("the tap refuses %q, the decoder takes it", data)
			}
			if err := story.Add(events); err != nil {
				t.Fatal(err)
			}
		}
		if d.Done() != story.Finished || !utf8.ValidString(story.Text) {
			t.Fatalf("done %v, finished %v, %q", d.Done(), story.Finished, story.Text)
		}
	})
}

func TestEncodeRequestRefuses(t *testing.T) {
	t.Parallel()
	user := llmv1.Role_ROLE_USER
	text := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "x"}}}
	refusal := &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: "no"}}}
	cases := map[string][]*llmv1.Message{
		"prompt.messages":                     nil,
		"prompt.messages[0].role":             {{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{text}}},
		"prompt.messages[0].parts":            {{Role: user}},
		"prompt.messages[1].parts[1]":         {{Role: user, Parts: []*llmv1.Part{text}}, {Role: user, Parts: []*llmv1.Part{text, {}}}},
		"prompt.messages[0].parts[0].refusal": {{Role: user, Parts: []*llmv1.Part{refusal}}},
	}
	for field, messages := range cases {
		_, err := openai.EncodeRequest("m", &llmv1.Prompt{Messages: messages}, false)
		if got := fieldOf(err); got != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestEncodeRequestKeepsRefusals(t *testing.T) {
	t.Parallel()
	body, err := openai.EncodeRequest("m", &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
		{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{}}}, {Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: "no"}}},
	}}}}, false)
	want := `{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":""},{"type":"refusal","refusal":"no"}]}]}`
	if err != nil || string(body) != want {
		t.Errorf("got %s, %v", body, err)
	}
	if _, err := openai.ReadFacts(body); err != nil {
		t.Errorf("what is written can't be read: %v", err)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"a page": "<html>", "no data": "{}", "an error": `{"error":{}}`, "null": `{"data":null}`} {
		if _, err := openai.DecodeModels([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := []*llmv1.Model{{Id: "org/m", OwnedBy: "o", CreatedUnixSeconds: 5}, {Id: "n"}}
	got, err := openai.DecodeModels(openai.EncodeModels(want))
	if err != nil || len(got) != 2 || got[0].GetId() != "org/m" || got[0].GetOwnedBy() != "o" || got[0].GetCreatedUnixSeconds() != 5 || got[1].GetId() != "n" {
		t.Errorf("got %v, %v", got, err)
	}
	if body := openai.EncodeModels(nil); string(body) != `{"object":"list","data":[]}` || !json.Valid(openai.EncodeModel(want[0])) {
		t.Errorf("got %s", body)
	}
}
