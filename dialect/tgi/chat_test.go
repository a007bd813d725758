package tgi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func ptr[T any](v T) *T { return &v }

func text(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func message(role llmv1.Role, parts ...*llmv1.Part) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: parts}
}

// ask is a prompt with a user's question, changed by change.
func ask(change func(p *llmv1.Prompt)) *llmv1.Prompt {
	p := &llmv1.Prompt{Messages: []*llmv1.Message{message(llmv1.Role_ROLE_USER, text("Hi"))}}
	if change != nil {
		change(p)
	}
	return p
}

func tool(name string) *llmv1.Tool { return &llmv1.Tool{Name: name, InputSchema: `{"type":"object"}`} }

// TestEncodeChat: what differs from OpenAI's request, one case a quirk (protocols/tgi.md).
func TestEncodeChat(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change  func(p *llmv1.Prompt)
		want    string
		warning string
	}{
		"the bound is max_tokens": {func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{MaxOutputTokens: ptr(int64(9))} }, `"max_tokens":9`, ""},
		"greedy at 0":             {func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{Temperature: ptr(0.0)} }, `"temperature":0`, ""},
		"top_p of 1 is out of its bounds": {
			func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{TopP: ptr(1.0), Seed: ptr(int64(3))} }, `"seed":3`, "",
		},
		"presence_penalty of 0 would be a repetition penalty of 2": {
			func(p *llmv1.Prompt) {
				p.Sampling = &llmv1.Sampling{PresencePenalty: ptr(0.0), FrequencyPenalty: ptr(0.5), Choices: ptr(int32(1))}
			}, `"frequency_penalty":0.5`, "",
		},
		"a schema stands under value": {
			func(p *llmv1.Prompt) {
				p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Name: "n", Schema: `{"type":"object"}`, Strict: ptr(true)}
			}, `"response_format":{"type":"json_schema","value":{"name":"n","schema":{"type":"object"},"strict":true}}`, "",
		},
		"any object": {
			func(p *llmv1.Prompt) {
				p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT}
			}, `"response_format":{"type":"json_object","value":{"type":"object"}}`, "",
		},
		"an expression": {
			func(p *llmv1.Prompt) {
				p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_REGEX, Pattern: `\d+`}
			}, `"response_format":{"type":"regex","value":"\\d+"}`, "",
		},
		"free text needs no word": {
			func(p *llmv1.Prompt) {
				p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_TEXT}
			}, "", "",
		},
		"only allowed tools": {
			func(p *llmv1.Prompt) {
				p.Tools = []*llmv1.Tool{tool("f"), tool("g")}
				p.ToolChoice = &llmv1.ToolChoice{Mode: llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED, Allowed: []string{"g"}, Parallel: ptr(false)}
			}, `"tools":[{"type":"function","function":{"name":"g","parameters":{"type":"object"}}}],"tool_choice":"required"`, "",
		},
		"who asks is dropped": {func(p *llmv1.Prompt) { p.User = "u" }, "", "dropped prompt.user"},
		"effort is dropped":   {func(p *llmv1.Prompt) { p.Reasoning = &llmv1.Reasoning{Effort: "high"} }, "", "dropped prompt.reasoning.effort"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, warnings, err := tgi.EncodeChat(ask(c.change), dialect.Ask{Model: "tgi"})
			if err != nil {
				t.Fatal(err)
			}
			want := `{"model":"tgi","messages":[{"role":"user","content":"Hi"}]`
			if c.want != "" {
				want += "," + c.want
			}
			if want += "}"; !object.Equal(body, []byte(want)) {
				t.Errorf("got  %s\nwant %s", body, want)
			}
			if got := strings.Join(warnings, "|"); !strings.HasPrefix(got, c.warning) || (c.warning == "") != (got == "") {
				t.Errorf("warnings %q", got)
			}
		})
	}
}

// TestRefuses: what TGI would ignore or misread is refused by the field's name, in both of its APIs.
func TestRefuses(t *testing.T) {
	t.Parallel()
	blob := func(m llmv1.Modality, mime string) *llmv1.Part {
		return &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{Modality: m, MimeType: mime, Data: []byte("x")}}}
	}
	cases := map[string]struct {
		field  string
		change func(p *llmv1.Prompt)
	}{
		"two answers":        {"prompt.sampling.choices", func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{Choices: ptr(int32(2))} }},
		"a bias":             {"prompt.sampling.logit_bias", func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{LogitBias: map[string]float64{"1": 1}} }},
		"a presence penalty": {"prompt.sampling.presence_penalty", func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{PresencePenalty: ptr(0.1)} }},
		"five stops":         {"prompt.sampling.stop_sequences", func(p *llmv1.Prompt) { p.Sampling = &llmv1.Sampling{StopSequences: []string{"1", "2", "3", "4", "5"}} }},
		"sound": {"prompt.messages[0].parts[0]", func(p *llmv1.Prompt) {
			p.Messages[0].Parts = []*llmv1.Part{blob(llmv1.Modality_MODALITY_AUDIO, "audio/wav")}
		}},
		"a document": {"prompt.messages[0].parts[1]", func(p *llmv1.Prompt) {
			p.Messages[0].Parts = append(p.Messages[0].Parts, blob(llmv1.Modality_MODALITY_DOCUMENT, "application/pdf"))
		}},
		"a file": {"prompt.messages[0].parts[0]", func(p *llmv1.Prompt) {
			p.Messages[0].Parts[0] = &llmv1.Part{Kind: &llmv1.Part_File{File: &llmv1.FilePart{Id: "file-1"}}}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, encode := range []func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error){tgi.EncodeChat, tgi.EncodeGenerate} {
				body, _, err := encode(ask(c.change), dialect.Ask{Model: "tgi"})
				var f *fault.Error
				if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_UNSUPPORTED || f.Metadata["field"] != c.field {
					t.Errorf("%s, %v, want %s refused", body, err, c.field)
				}
			}
		})
	}
}

func TestEncodeChatRefusesTools(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		field  string
		change func(p *llmv1.Prompt)
	}{
		"beside a form of the answer": {"prompt.response_format", func(p *llmv1.Prompt) {
			p.Tools, p.ResponseFormat = []*llmv1.Tool{tool("f")}, &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT}
		}},
		"of free text": {"prompt.tools[1].native", func(p *llmv1.Prompt) {
			p.Tools = []*llmv1.Tool{tool("f"), {Native: `{"type":"custom","custom":{"name":"g"}}`}}
		}},
	}
	for name, c := range cases {
		if _, _, err := tgi.EncodeChat(ask(c.change), dialect.Ask{Model: "tgi"}); err == nil || fault.From(err).Metadata["field"] != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEncodeChatLeavesThePromptAlone: the next target of a fallback is asked with the same prompt.
func TestEncodeChatLeavesThePromptAlone(t *testing.T) {
	t.Parallel()
	p := ask(func(p *llmv1.Prompt) {
		p.User, p.Tools = "u", []*llmv1.Tool{tool("f"), tool("g")}
		p.Sampling = &llmv1.Sampling{TopP: ptr(1.0), PresencePenalty: ptr(0.0)}
		p.ToolChoice = &llmv1.ToolChoice{Mode: llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_AUTO, Allowed: []string{"f"}, Parallel: ptr(true)}
	})
	before := p.String()
	if _, _, err := tgi.EncodeChat(p, dialect.Ask{Model: "tgi", Stream: true, IncludeUsage: true}); err != nil || p.String() != before {
		t.Errorf("%v: %v became %v", err, before, p)
	}
}

func TestEncodeGenerate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		p    *llmv1.Prompt
		want string
	}{
		"one question, as it is": {ask(nil), `{"inputs":"Hi","parameters":{"do_sample":true,"details":true}}`},
		"a conversation": {ask(func(p *llmv1.Prompt) {
			p.System = "Be brief."
			p.Messages = append(p.Messages, message(llmv1.Role_ROLE_ASSISTANT, text("Yes?")), message(llmv1.Role_ROLE_USER, text("a"), text("b")))
		}), `{"inputs":"Be brief.\n\nUser: Hi\nAssistant: Yes?\nUser: ab\nAssistant:","parameters":{"do_sample":true,"details":true}}`},
		"a beginning to go on with": {ask(func(p *llmv1.Prompt) {
			p.Messages = append(p.Messages, message(llmv1.Role_ROLE_ASSISTANT, text("I")))
		}), `{"inputs":"User: Hi\nAssistant: I","parameters":{"do_sample":true,"details":true}}`},
		"greedy": {ask(func(p *llmv1.Prompt) {
			p.Sampling = &llmv1.Sampling{Temperature: ptr(0.0), MaxOutputTokens: ptr(int64(5))}
		}), `{"inputs":"Hi","parameters":{"max_new_tokens":5,"do_sample":false,"details":true}}`},
		"all parameters": {ask(func(p *llmv1.Prompt) {
			p.Sampling = &llmv1.Sampling{
				Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(int64(5)), RepetitionPenalty: ptr(1.1), FrequencyPenalty: ptr(0.1), Seed: ptr(int64(7)), StopSequences: []string{"END"},
			}
			p.ResponseFormat = &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Name: "n", Schema: `{"type":"object"}`}
		}), `{"inputs":"Hi","parameters":{"temperature":0.5,"top_p":0.9,"top_k":5,"repetition_penalty":1.1,"frequency_penalty":0.1,"stop":["END"],"seed":7,"do_sample":true,"details":true,"grammar":{"type":"json","value":{"type":"object"}}}}`},
	}
	for name, c := range cases {
		got, _, err := tgi.EncodeGenerate(c.p, dialect.Ask{Model: "m"})
		if err != nil || !object.Equal(got, []byte(c.want)) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, c.want)
		}
	}
}

func TestTokenize(t *testing.T) {
	t.Parallel()
	body, _, err := tgi.EncodeTokenize(ask(nil), dialect.Ask{})
	if err != nil || string(body) != `{"inputs":"Hi"}` {
		t.Errorf("%s, %v", body, err)
	}
	body, _, err = tgi.EncodeChatTokenize(ask(nil), dialect.Ask{Model: "tgi", Stream: true})
	if err != nil || rawjson.Get(body, "messages") == nil || rawjson.Get(body, "stream") != nil {
		t.Errorf("%s, %v", body, err)
	}
	for answer, want := range map[string]int64{
		`[{"id":1,"text":"a","start":0,"stop":1},{"id":2}]`: 2, `{"tokenize_response":[{"id":1}],"templated_text":"x"}`: 1, `[]`: 0,
		`{"error":"x"}`: -1, `x`: -1, "": -1,
	} {
		n, err := tgi.DecodeTokenize([]byte(answer))
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%s: %d, %v", answer, n, err)
		}
	}
}
