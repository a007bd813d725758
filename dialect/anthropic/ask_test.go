package anthropic_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func say(role llmv1.Role, parts ...*llmv1.Part) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: parts}
}

const (
	system    = llmv1.Role_ROLE_SYSTEM
	user      = llmv1.Role_ROLE_USER
	assistant = llmv1.Role_ROLE_ASSISTANT
	tool      = llmv1.Role_ROLE_TOOL
)

func blob(m llmv1.Modality, mime, data string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{Modality: m, MimeType: mime, Data: []byte(data)}}}
}

func uri(m llmv1.Modality, address string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Uri{Uri: &llmv1.UriPart{Modality: m, Uri: address}}}
}

func nativePart(kind, json string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: kind, Json: json}}}
}

// TestEncodeMessages: what other dialects' clients say, as Anthropic takes it.
func TestEncodeMessages(t *testing.T) {
	t.Parallel()
	odd := strings.Repeat("call.", 3)
	made := dialect.ToolID(odd, dialect.AnthropicToolID)
	cases := map[string]struct {
		prompt *llmv1.Prompt
		want   string
		warned string
	}{
		"leading instructions": {
			&llmv1.Prompt{System: "a", Messages: []*llmv1.Message{say(system, textPart("b")), {Role: system, Parts: []*llmv1.Part{textPart("c")}, Extensions: map[string]string{"role": `"developer"`}}, say(user, textPart("x"))}},
			`"system":"a\n\nb\n\nc","messages":[{"role":"user","content":"x"}]`, "",
		},
		"instructions with extensions": {
			&llmv1.Prompt{System: "a", Messages: []*llmv1.Message{say(system, &llmv1.Part{Kind: textPart("b").GetKind(), Extensions: map[string]string{"cache_control": "{}"}}), say(user, textPart("x"))}},
			`"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{}}],"messages":[{"role":"user","content":"x"}]`, "",
		},
		"late instructions": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x")), say(system, textPart("b")), say(user, textPart("y"))}},
			`"system":"b","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]`, "prompt.messages[1]",
		},
		"parallel results": {
			&llmv1.Prompt{Messages: []*llmv1.Message{
				say(user, textPart("x")), say(assistant, call("a", ""), call(odd, "[1")), say(tool, result("a", "1")), say(tool, result(odd, "")), say(user, textPart("go")),
			}},
			`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"` + made + `","name":"f","input":{"_raw_arguments":"[1"}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result","tool_use_id":"` + made + `"},{"type":"text","text":"go"}]}]`, "",
		},
		"empty messages": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x")), say(assistant), say(assistant, textPart("")), say(user, textPart("y"))}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]`, "prompt.messages[1]",
		},
		"names": {
			&llmv1.Prompt{Messages: []*llmv1.Message{{Role: user, Name: "ann", Parts: []*llmv1.Part{textPart("x")}}}},
			`"messages":[{"role":"user","content":"x"}]`, "prompt.messages[0].name",
		},
		"thoughts of others": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x")), say(assistant, thoughts("hm", ""), thoughts("hm", dialect.Unsigned), thoughts("hm", "sig"), textPart("y"))}},
			`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"text","text":"y"}]}]`, "prompt.messages[1].parts[0]",
		},
		"notes of others": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x")), say(assistant, nativePart("input_audio", `{"type":"input_audio"}`), textPart("y"))}},
			`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]`, "prompt.messages[1].parts[0]",
		},
		"a refusal": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x")), say(assistant, &llmv1.Part{Kind: &llmv1.Part_Refusal{Refusal: &llmv1.RefusalPart{Text: "no"}}})}},
			`"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"text","text":"no"}]}]`, "",
		},
		"content": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user,
				blob(0, "image/png", "hi"), blob(llmv1.Modality_MODALITY_DOCUMENT, "application/pdf", "hi"), blob(0, "text/plain", "hi"),
				uri(llmv1.Modality_MODALITY_IMAGE, "https://x/y"), uri(llmv1.Modality_MODALITY_IMAGE, "data:image/gif;base64,aGk="),
				&llmv1.Part{Kind: &llmv1.Part_File{File: &llmv1.FilePart{Id: "file_1"}}})}},
			`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"aGk="}},` +
				`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}},{"type":"image","source":{"type":"url","url":"https://x/y"}},{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"aGk="}},` +
				`{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]`, "",
		},
		"tools": {
			&llmv1.Prompt{
				Messages: []*llmv1.Message{say(user, textPart("x"))}, Tools: []*llmv1.Tool{{Name: "f"}, {Name: "g", InputSchema: `{"properties":{}}`, Strict: ptr(true)}, {Name: "h"}},
				ToolChoice: &llmv1.ToolChoice{Mode: llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED, Allowed: []string{"f", "g"}, Parallel: ptr(false)},
			},
			`"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"properties":{},"type":"object"},"strict":true}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}`, "",
		},
		"parallel calls off": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, Tools: []*llmv1.Tool{{Name: "f"}}, ToolChoice: &llmv1.ToolChoice{Parallel: ptr(false)}},
			`"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, "",
		},
		"parallel calls on, which is the default": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, Tools: []*llmv1.Tool{{Name: "f"}}, ToolChoice: &llmv1.ToolChoice{Parallel: ptr(true)}},
			`"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`, "",
		},
		"form and user": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, User: "u", ResponseFormat: &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Name: "n", Schema: `{"b":1,"a":2}`, Strict: ptr(true)}},
			`"messages":[{"role":"user","content":"x"}],"metadata":{"user_id":"u"},"output_config":{"format":{"type":"json_schema","schema":{"b":1,"a":2}}}`, "",
		},
		"what changes nothing": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, Sampling: &llmv1.Sampling{
				TopP: ptr(1.0), Choices: ptr(int32(1)), FrequencyPenalty: ptr(0.0), LogProbs: ptr(false), RepetitionPenalty: ptr(1.0), MinP: ptr(0.0),
			}},
			`"messages":[{"role":"user","content":"x"}]`, "",
		},
		"a seed": {
			&llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, Sampling: &llmv1.Sampling{Seed: ptr(int64(1))}},
			`"messages":[{"role":"user","content":"x"}]`, "prompt.sampling.seed",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, warnings, err := anthropic.EncodeRequest(c.prompt, dialect.Ask{Model: "m"})
			want := `{"model":"m","max_tokens":16384,` + c.want + `}`
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
			}
			if (len(warnings) > 0) != (c.warned != "") || len(warnings) > 0 && !strings.Contains(warnings[0], c.warned+":") {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestEncodeRequestRefuses(t *testing.T) {
	t.Parallel()
	with := func(s *llmv1.Sampling) *llmv1.Prompt {
		return &llmv1.Prompt{Sampling: s, Messages: []*llmv1.Message{say(user, textPart("x"))}}
	}
	of := func(parts ...*llmv1.Part) *llmv1.Prompt {
		return &llmv1.Prompt{Messages: []*llmv1.Message{say(user, parts...)}}
	}
	const unsupported = errorsv1.Reason_REASON_UNSUPPORTED
	cases := map[string]struct {
		prompt *llmv1.Prompt
		reason errorsv1.Reason
	}{
		"prompt.sampling.choices":                                 {with(&llmv1.Sampling{Choices: ptr(int32(2))}), unsupported},
		"prompt.sampling.log_probs":                               {with(&llmv1.Sampling{LogProbs: ptr(true)}), unsupported},
		"prompt.sampling.logit_bias":                              {with(&llmv1.Sampling{LogitBias: map[string]float64{"1": 1}}), unsupported},
		"prompt.sampling.frequency_penalty":                       {with(&llmv1.Sampling{FrequencyPenalty: ptr(0.1)}), unsupported},
		"prompt.sampling.presence_penalty":                        {with(&llmv1.Sampling{PresencePenalty: ptr(0.1)}), unsupported},
		"prompt.sampling.repetition_penalty":                      {with(&llmv1.Sampling{RepetitionPenalty: ptr(1.1)}), unsupported},
		"prompt.sampling.min_p":                                   {with(&llmv1.Sampling{MinP: ptr(0.1)}), unsupported},
		"prompt.sampling.temperature":                             {with(&llmv1.Sampling{Temperature: ptr(1.1)}), unsupported},
		"prompt.sampling.top_p":                                   {with(&llmv1.Sampling{TopP: ptr(math.NaN())}), invalid},
		"prompt.messages":                                         {&llmv1.Prompt{Messages: []*llmv1.Message{say(system, textPart("x"))}}, missing},
		"prompt.messages[0].role":                                 {&llmv1.Prompt{Messages: []*llmv1.Message{say(0, textPart("x"))}}, invalid},
		"prompt.messages[0].parts[1]":                             {of(textPart("x"), blob(0, "audio/wav", "x")), unsupported},
		"prompt.messages[0].parts[0]":                             {of(nativePart("input_audio", `{"type":"input_audio"}`)), unsupported},
		"prompt.messages[0].parts[0].tool_call_response.parts[0]": {of(&llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{Id: "a", Parts: []*llmv1.Part{uri(llmv1.Modality_MODALITY_VIDEO, "https://x")}}}}), unsupported},
		"prompt.messages[0].parts[0].native.json":                 {of(nativePart("x", `{`)), invalid},
		"prompt.system_parts[0]":                                  {&llmv1.Prompt{SystemParts: []*llmv1.Part{blob(0, "image/png", "x")}, Messages: of(textPart("x")).GetMessages()}, unsupported},
		"prompt.tools[0]":                                         {&llmv1.Prompt{Messages: of(textPart("x")).GetMessages(), Tools: []*llmv1.Tool{{Native: `{"type":"custom","custom":{}}`}}}, unsupported},
		"prompt.tools[0].input_schema":                            {&llmv1.Prompt{Messages: of(textPart("x")).GetMessages(), Tools: []*llmv1.Tool{{InputSchema: `{`}}}, invalid},
		"prompt.response_format":                                  {&llmv1.Prompt{Messages: of(textPart("x")).GetMessages(), ResponseFormat: &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_OBJECT}}, unsupported},
		"prompt.response_format.schema":                           {&llmv1.Prompt{Messages: of(textPart("x")).GetMessages(), ResponseFormat: &llmv1.ResponseFormat{Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Schema: "x"}}, invalid},
	}
	for field, c := range cases {
		_, _, err := anthropic.EncodeRequest(c.prompt, dialect.Ask{Model: "m"})
		if !isReason(err, c.reason) || metadata(err, "field") != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestThinking: how much a model is told to think, by what the model understands.
func TestThinking(t *testing.T) {
	t.Parallel()
	effort := func(e string) *llmv1.Reasoning { return &llmv1.Reasoning{Effort: e} }
	calls := []*llmv1.Message{say(user, textPart("x")), say(assistant, call("a", "{}")), say(tool, result("a", "1"))}
	signed := []*llmv1.Message{say(user, textPart("x")), say(assistant, thoughts("hm", "sig"), call("a", "{}")), say(tool, result("a", "1"))}
	forced := &llmv1.ToolChoice{Mode: llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_REQUIRED}
	cases := map[string]struct {
		model  string
		prompt *llmv1.Prompt
		want   []string
		warned bool
	}{
		"old":                      {"claude-3-opus-20240229", &llmv1.Prompt{Reasoning: effort("low")}, []string{`"max_tokens":4096`, `!thinking`}, true},
		"old, without effort":      {"claude-3-5-sonnet-20241022", &llmv1.Prompt{}, []string{`"max_tokens":8192`, `!thinking`}, false},
		"a budget":                 {"claude-sonnet-4-5-20250929", &llmv1.Prompt{Reasoning: effort("low")}, []string{`"max_tokens":16384`, `"thinking":{"type":"enabled","budget_tokens":2048}`, `!effort`}, false},
		"the largest budget":       {"anthropic.claude-opus-4-20250514-v1:0", &llmv1.Prompt{Reasoning: effort("max")}, []string{`"max_tokens":25600`, `"budget_tokens":24576`}, false},
		"3.7":                      {"claude-3-7-sonnet-latest", &llmv1.Prompt{Reasoning: effort("minimal")}, []string{`"budget_tokens":1024`}, false},
		"a budget within a bound":  {"claude-haiku-4-5", &llmv1.Prompt{Reasoning: effort("high"), Sampling: &llmv1.Sampling{MaxOutputTokens: ptr(int64(3000))}}, []string{`"max_tokens":3000`, `"budget_tokens":1976`}, false},
		"no room for a budget":     {"claude-haiku-4-5", &llmv1.Prompt{Reasoning: effort("high"), Sampling: &llmv1.Sampling{MaxOutputTokens: ptr(int64(2000))}}, []string{`"max_tokens":2000`, `!thinking`}, true},
		"an effort":                {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("minimal")}, []string{`"thinking":{"type":"adaptive"}`, `"output_config":{"effort":"low"}`}, false},
		"an effort of a model new": {"claude-fable-5", &llmv1.Prompt{Reasoning: effort("xhigh")}, []string{`"thinking":{"type":"adaptive"}`, `"effort":"xhigh"`}, false},
		"none":                     {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("none")}, []string{`!thinking`, `!effort`}, false},
		"disabled":                 {"claude-opus-4-6", &llmv1.Prompt{Reasoning: &llmv1.Reasoning{Mode: llmv1.ReasoningMode_REASONING_MODE_DISABLED}}, []string{`!thinking`}, false},
		"on":                       {"claude-sonnet-4-20250514", &llmv1.Prompt{Reasoning: &llmv1.Reasoning{Mode: llmv1.ReasoningMode_REASONING_MODE_ENABLED}}, []string{`"budget_tokens":8192`}, false},
		"another vendor's model":   {"qwen3", &llmv1.Prompt{Reasoning: effort("high")}, []string{`"budget_tokens":16384`}, false},
		"a budget and a bound":     {"claude-opus-4-1", &llmv1.Prompt{Reasoning: &llmv1.Reasoning{BudgetTokens: ptr(int64(30000))}}, []string{`"max_tokens":31024`, `"budget_tokens":30000`}, false},
		"sampling":                 {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("low"), Sampling: &llmv1.Sampling{Temperature: ptr(0.5), TopP: ptr(0.5), TopK: ptr(int64(5))}}, []string{`!temperature`, `!top_p`, `!top_k`}, true},
		"sampling of the default":  {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("low"), Sampling: &llmv1.Sampling{Temperature: ptr(1.0), TopP: ptr(1.0)}}, []string{`"temperature":1`, `!top_p`}, false},
		"a call that has to be":    {"claude-opus-4-1", &llmv1.Prompt{Reasoning: effort("low"), ToolChoice: forced}, []string{`!thinking`}, true},
		"the same, adaptive":       {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("low"), ToolChoice: forced}, []string{`"adaptive"`}, false},
		"after bare calls":         {"claude-opus-4-1", &llmv1.Prompt{Reasoning: effort("low"), Messages: calls}, []string{`!thinking`}, true},
		"the same, adaptively":     {"claude-opus-4-6", &llmv1.Prompt{Reasoning: effort("low"), Messages: calls}, []string{`"adaptive"`}, false},
		"after signed thoughts":    {"claude-opus-4-1", &llmv1.Prompt{Reasoning: effort("low"), Messages: signed}, []string{`"type":"enabled"`}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.prompt
			p.Tools = []*llmv1.Tool{{Name: "f"}}
			if p.Messages == nil {
				p.Messages = []*llmv1.Message{say(user, textPart("x"))}
			}
			got, warnings, err := anthropic.EncodeRequest(p, dialect.Ask{Model: c.model})
			if err != nil || (len(warnings) > 0) != c.warned {
				t.Errorf("%v, %q", err, warnings)
			}
			for _, want := range c.want {
				if absent, ok := strings.CutPrefix(want, "!"); strings.Contains(string(got), strings.TrimPrefix(want, "!")) == ok {
					t.Errorf("%s (absent: %v) in %s", absent, ok, got)
				}
			}
		})
	}
}

// TestForgedThoughtsGo: thoughts that Headgate signed are left out of an Anthropic client's own request, and where a turn
// that calls tools has none left, thinking goes with them.
func TestForgedThoughtsGo(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"x"},` +
		`{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"` + dialect.Unsigned + `"},{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}]}`)
	p, err := anthropic.DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	got, warnings, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "m"})
	want := `{"model":"m","max_tokens":9000,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}]}`
	if err != nil || string(got) != want || len(warnings) == 0 {
		t.Errorf("%v, %v\ngot  %s\nwant %s", err, warnings, got, want)
	}
}

// TestExtensionsCantChangeTheModel: who may ask which model was decided before.
func TestExtensionsCantChangeTheModel(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"model", `\model`, "model.x", "stream", `\stream`} {
		p := &llmv1.Prompt{Messages: []*llmv1.Message{say(user, textPart("x"))}, Extensions: map[string]string{path: `true`, "speed": `"fast"`}}
		got, _, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "mine"})
		want := `{"model":"mine","max_tokens":16384,"messages":[{"role":"user","content":"x"}],"speed":"fast"}`
		if err != nil || string(got) != want {
			t.Errorf("%s: %v, %s", path, err, got)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	p := &llmv1.Prompt{}
	for range 100 {
		p.Messages = append(p.Messages, &llmv1.Message{Role: user, Name: "n", Parts: []*llmv1.Part{textPart("x")}})
	}
	_, warnings, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "m"})
	if err != nil || len(warnings) > 16 || !slices.Contains(warnings, "dropped prompt.messages[0].name: Anthropic's messages have no names") {
		t.Errorf("%v, %d: %q", err, len(warnings), warnings)
	}
}
