package anthropic_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

func ptr[T any](v T) *T { return &v }

// TestDecodeRequestRefuses: the field is named as the client wrote it, and no value is quoted.
func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	block := func(b string) string {
		return `"messages":[{"role":"user","content":"x"},{"role":"user","content":[` + b + `]}]`
	}
	cases := map[string]struct {
		rest, field string
		reason      errorsv1.Reason
	}{
		"role":                  {`"messages":[{"role":"wizard","content":"x"}]`, "messages[0].role", invalid},
		"no role":               {`"messages":[{"content":"x"}]`, "messages[0].role", missing},
		"role is a number":      {`"messages":[{"role":5,"content":"wizard"}]`, "messages[0].role", invalid},
		"message is a string":   {`"messages":["wizard"]`, "messages[0]", invalid},
		"no content":            {`"messages":[{"role":"user"}]`, "messages[0].content", missing},
		"content is null":       {`"messages":[{"role":"user","content":null}]`, "messages[0].content", missing},
		"content is a number":   {`"messages":[{"role":"user","content":5}]`, "messages[0].content", invalid},
		"content is an object":  {`"messages":[{"role":"user","content":{}}]`, "messages[0].content", invalid},
		"block is a string":     {block(`"wizard"`), "messages[1].content[0]", invalid},
		"block without type":    {block(`{"type":"text","text":"a"},{"text":"wizard"}`), "messages[1].content[1].type", missing},
		"type is a number":      {block(`{"type":5}`), "messages[1].content[0].type", invalid},
		"text without text":     {block(`{"type":"text"}`), "messages[1].content[0].text", missing},
		"text is a number":      {block(`{"type":"text","text":5}`), "messages[1].content[0].text", invalid},
		"image without source":  {block(`{"type":"image"}`), "messages[1].content[0].source", missing},
		"an image of OpenAI's":  {block(`{"type":"image_url","image_url":{"url":"wizard"}}`), "messages[1].content[0].type", invalid},
		"result without id":     {block(`{"type":"tool_result","content":"wizard"}`), "messages[1].content[0].tool_use_id", missing},
		"result with empty id":  {block(`{"type":"tool_result","tool_use_id":""}`), "messages[1].content[0].tool_use_id", missing},
		"result's content":      {block(`{"type":"tool_result","tool_use_id":"a","content":5}`), "messages[1].content[0].content", invalid},
		"block of a result":     {block(`{"type":"tool_result","tool_use_id":"a","content":[{"text":"wizard"}]}`), "messages[1].content[0].content[0].type", missing},
		"call without id":       {block(`{"type":"tool_use","name":"f","input":{}}`), "messages[1].content[0].id", missing},
		"call without name":     {block(`{"type":"tool_use","id":"a","input":{}}`), "messages[1].content[0].name", missing},
		"call without input":    {block(`{"type":"tool_use","id":"a","name":"f"}`), "messages[1].content[0].input", missing},
		"input is a string":     {block(`{"type":"tool_use","id":"a","name":"f","input":"wizard"}`), "messages[1].content[0].input", invalid},
		"thinking without":      {block(`{"type":"thinking","signature":"wizard"}`), "messages[1].content[0].thinking", missing},
		"system is a number":    {`"system":5,` + block(``), "system", invalid},
		"system's block":        {`"system":[{"text":"wizard"}],` + block(``), "system[0].type", missing},
		"tools are an object":   {`"tools":{},` + block(``), "tools", invalid},
		"tool is a string":      {`"tools":["wizard"],` + block(``), "tools[0]", invalid},
		"tool without name":     {`"tools":[{"input_schema":{}}],` + block(``), "tools[0].name", missing},
		"a tool of OpenAI's":    {`"tools":[{"type":"function","function":{"name":"wizard"}}],` + block(``), "tools[0].type", invalid},
		"temperature is a word": {`"temperature":"wizard",` + block(``), "temperature", invalid},
		"stop is a string":      {`"stop_sequences":"wizard",` + block(``), "stop_sequences", invalid},
		"thinking is a bool":    {`"thinking":true,` + block(``), "thinking", invalid},
		"choice is a string":    {`"tool_choice":"wizard",` + block(``), "tool_choice", invalid},
		"bound is a word":       {`"max_tokens":"wizard",` + block(``), "max_tokens", invalid},
		"no messages":           {`"x":1`, "messages", missing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := anthropic.DecodeRequest([]byte(`{"model":"m",` + c.rest + `}`))
			if !isReason(err, c.reason) || metadata(err, "field") != c.field {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "wizard") {
				t.Errorf("quotes what the client sent: %v", err)
			}
		})
	}
	for body, reason := range map[string]errorsv1.Reason{
		`{"model":"m"`: errorsv1.Reason_REASON_INVALID_JSON, `[]`: errorsv1.Reason_REASON_INVALID_JSON,
		`{"model":"m","messages":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}": errorsv1.Reason_REASON_TOO_DEEP,
	} {
		if _, err := anthropic.DecodeRequest([]byte(body)); !isReason(err, reason) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

const (
	invalid = errorsv1.Reason_REASON_INVALID_FIELD
	missing = errorsv1.Reason_REASON_MISSING_FIELD
)

// TestDecodeRequestReadsAll: what has a typed place stands there, and with a stranger's spelling besides.
func TestDecodeRequestReadsAll(t *testing.T) {
	t.Parallel()
	p, err := anthropic.DecodeRequest([]byte(wholeRequest))
	if err != nil {
		t.Fatal(err)
	}
	s, m := p.GetSampling(), p.GetMessages()
	user, said := m[0].GetParts(), m[1].GetParts()
	results := m[2].GetParts()
	for name, ok := range map[string]bool{
		"sampling":        s.GetMaxOutputTokens() == 4096 && s.GetTemperature() == 1 && s.GetTopP() == 0.9 && s.GetTopK() == 5 && s.GetStopSequences()[0] == "END",
		"system":          p.GetSystemParts()[0].GetText().GetText() == "be brief" && p.GetSystemParts()[0].GetExtensions()["cache_control"] != "",
		"reasoning":       p.GetReasoning().GetMode() == llmv1.ReasoningMode_REASONING_MODE_ENABLED && p.GetReasoning().GetBudgetTokens() == 2048 && p.GetReasoning().GetEffort() == "high" && p.GetReasoning().GetDisplay() == "summarized",
		"format":          p.GetResponseFormat().GetSchema() == `{"type":"object"}`,
		"tool":            p.GetTools()[0].GetInputSchema() == `{"type":"object","properties":{"b":{},"a":{}}}` && p.GetTools()[0].GetStrict() && p.GetTools()[0].GetExtensions()["cache_control"] == "null",
		"native tool":     p.GetTools()[1].GetName() == "web_search" && strings.Contains(p.GetTools()[1].GetNative(), "max_uses"),
		"choice":          p.GetToolChoice().GetMode() == llmv1.ToolChoiceMode_TOOL_CHOICE_MODE_AUTO && p.GetToolChoice().Parallel != nil && !p.GetToolChoice().GetParallel(),
		"user":            p.GetUser() == "u" && p.GetExtensions()["metadata.x"] == "1",
		"extensions":      p.GetExtensions()["service_tier"] == `"auto"` && p.GetExtensions()["container"] != "" && p.GetExtensions()["context_management"] != "",
		"image":           string(user[0].GetBlob().GetData()) == "hi" && user[0].GetBlob().GetMimeType() == "image/png",
		"image's address": user[1].GetUri().GetUri() == "https://x/y.png" && user[1].GetUri().GetModality() == llmv1.Modality_MODALITY_IMAGE,
		"document":        string(user[2].GetBlob().GetData()) == "words" && user[2].GetBlob().GetFilename() == "t" && user[2].GetExtensions()["citations"] != "",
		"file":            user[3].GetFile().GetId() == "file_1",
		"search result":   user[4].GetNative().GetType() == "search_result",
		"thoughts":        said[0].GetReasoning().GetText() == "hm" && said[0].GetReasoning().GetSignature() == "sig" && said[1].GetReasoning().GetRedacted() == "xx",
		"citations":       said[2].GetText().GetCitations()[0].GetUrl() == "https://x" && said[2].GetText().GetCitations()[1].GetExtensions()["document_index"] == "0",
		"call":            said[3].GetToolCall().GetArguments() == `{"b":1,"a":{"_raw_arguments":"x"}}` && said[3].GetExtensions()["caller"] != "",
		"raw arguments":   said[4].GetToolCall().GetArguments() == "[1",
		"server tool":     said[5].GetNative().GetType() == "server_tool_use",
		"result":          results[0].GetToolCallResponse().GetParts()[0].GetText().GetText() == "done",
		"result's image":  string(results[1].GetToolCallResponse().GetParts()[1].GetBlob().GetData()) == "hi" && results[1].GetToolCallResponse().GetIsError(),
		"system message":  m[4].GetRole() == llmv1.Role_ROLE_SYSTEM,
		"empty":           len(m[5].GetParts()) == 0 && m[5].GetExtensions()["content"] == `""`,
	} {
		if !ok {
			t.Errorf("%s is lost in %v", name, p)
		}
	}
}

func TestCountRequests(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"m","system":"s","messages":[{"role":"user","content":"x"}]}`)
	if _, err := anthropic.ReadFacts(body); metadata(err, "field") != "max_tokens" {
		t.Errorf("a messages request without a bound: %v", err)
	}
	if f, err := anthropic.ReadCountFacts(body); err != nil || f.Model != "m" {
		t.Errorf("%+v, %v", f, err)
	}
	p, err := anthropic.DecodeRequest(body)
	if err != nil || len(p.GetExtensions()) > 0 || p.GetSampling() != nil {
		t.Fatalf("%v, %v", p, err)
	}
	p.Sampling, p.User, p.Reasoning = &llmv1.Sampling{Temperature: ptr(0.5), MaxOutputTokens: ptr(int64(5))}, "u", &llmv1.Reasoning{Effort: "high"}
	got, _, err := anthropic.EncodeCountRequest(p, dialect.Ask{Model: "claude-opus-4-6", Stream: true})
	want := `{"model":"claude-opus-4-6","system":"s","messages":[{"role":"user","content":"x"}],"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	if n, err := anthropic.DecodeCountResponse([]byte(`{"input_tokens":1114}`)); n != 1114 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := string(anthropic.EncodeCountResponse(7)); got != `{"input_tokens":7}` {
		t.Error(got)
	}
	for _, body := range []string{`{}`, `<html>`, `{"input_tokens":"5"}`} {
		if _, err := anthropic.DecodeCountResponse([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
