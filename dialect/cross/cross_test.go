package cross_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/cross"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	openai    = llmv1.Dialect_DIALECT_OPENAI
	anthropic = llmv1.Dialect_DIALECT_ANTHROPIC
)

func text(s string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	with := func(part *llmv1.Part, extensions map[string]string) *llmv1.Part {
		part.Extensions = extensions
		return part
	}
	user := func(parts ...*llmv1.Part) []*llmv1.Message {
		return []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: parts}}
	}
	for name, c := range map[string]struct {
		from             llmv1.Dialect
		prompt           *llmv1.Prompt
		warning, refused string
	}{
		"nothing":        {openai, &llmv1.Prompt{}, "", ""},
		"spelling":       {openai, &llmv1.Prompt{Extensions: map[string]string{"max_tokens": "5", "max_completion_tokens": "", "stream_options.include_obfuscation": "true"}}, "", ""},
		"null":           {openai, &llmv1.Prompt{Extensions: map[string]string{"audio": "null"}}, "", ""},
		"vendor's":       {openai, &llmv1.Prompt{Extensions: map[string]string{"metadata.team": `"a"`}}, "dropped metadata.team", ""},
		"changes it":     {openai, &llmv1.Prompt{Extensions: map[string]string{"web_search_options": "{}"}}, "", "web_search_options"},
		"never heard of": {openai, &llmv1.Prompt{Extensions: map[string]string{"wizardry": "1"}}, "", "wizardry"},
		"plain text":     {openai, &llmv1.Prompt{Extensions: map[string]string{"modalities": `["text"]`}}, "", ""},
		"sound":          {openai, &llmv1.Prompt{Extensions: map[string]string{"modalities": `["text","audio"]`}}, "", "modalities"},
		"cache mark": {
			anthropic, &llmv1.Prompt{Messages: user(text("a"), with(text("b"), map[string]string{"cache_control": `{"type":"ephemeral"}`, "type": `"text"`}))},
			"dropped messages[0].content[1].cache_control", "",
		},
		"cache mark of the system": {anthropic, &llmv1.Prompt{SystemParts: []*llmv1.Part{with(text("s"), map[string]string{"cache_control": "{}"})}}, "dropped system[0].cache_control", ""},
		"a user's unknown":         {anthropic, &llmv1.Prompt{Messages: user(with(text("a"), map[string]string{"odd": "1"}))}, "", "messages[0].content[0].odd"},
		"a user's unknown part": {
			openai, &llmv1.Prompt{Messages: user(text("a"), with(&llmv1.Part{Kind: &llmv1.Part_Native{Native: &llmv1.NativePart{Type: "odd", Json: "{}"}}}, map[string]string{"type": `"odd"`}))},
			"", "messages[0].content[1]",
		},
		"the model's unknown": {
			anthropic, &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{with(text("a"), map[string]string{"odd": "1"})}}}},
			"dropped messages[0].content[0].odd", "",
		},
		"tools": {anthropic, &llmv1.Prompt{Tools: []*llmv1.Tool{{Name: "f", Extensions: map[string]string{"cache_control": "{}"}}}}, "dropped tools[0].cache_control", ""},
	} {
		warnings, err := cross.Settle(c.prompt, c.from)
		if c.refused != "" {
			if f := fault.From(err); err == nil || f.Reason != errorsv1.Reason_REASON_UNSUPPORTED || f.Metadata["field"] != c.refused || !strings.HasPrefix(f.Message, c.refused) {
				t.Errorf("%s: %v, want %s refused", name, err, c.refused)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(strings.Join(warnings, "|"), c.warning) || (c.warning == "") != (len(warnings) == 0) {
			t.Errorf("%s: %v, %v, want %q", name, err, warnings, c.warning)
		}
		if len(c.prompt.GetExtensions()) > 0 {
			t.Errorf("%s: %v is left", name, c.prompt.GetExtensions())
		}
	}
}

// TestErrorSpeaksTheClientsWords: a client never reads of a field that it didn't send.
func TestErrorSpeaksTheClientsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect     llmv1.Dialect
		field, want string
	}{
		{openai, "prompt.sampling.top_k", "top_k"},
		{openai, "prompt.sampling.choices", "n"},
		{openai, "prompt.sampling.max_output_tokens", "max_completion_tokens"},
		{openai, "prompt.messages[2].parts[1]", "messages[2].content[1]"},
		{openai, "prompt.messages[2].parts[0].tool_call_response.parts[1]", "messages[2].content[0].content[1]"},
		{openai, "prompt.tools[0].input_schema", "tools[0].function.parameters"},
		{openai, "prompt.response_format", "response_format"},
		{anthropic, "prompt.sampling.max_output_tokens", "max_tokens"},
		{anthropic, "prompt.reasoning.effort", "output_config.effort"},
		{anthropic, "prompt.reasoning", "thinking"},
		{anthropic, "prompt.system_parts[0]", "system[0]"},
		{anthropic, "model", "model"},
	} {
		err := cross.Error(fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s: can't", c.field).With("field", c.field), c.dialect)
		if f := fault.From(err); f.Metadata["field"] != c.want || f.Message != c.want+": can't" {
			t.Errorf("%s: %v about %s, want %s", c.field, err, f.Metadata["field"], c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	got := cross.Warnings([]string{"dropped prompt.sampling.seed: no such thing"}, openai)
	if len(got) != 1 || got[0] != "dropped seed: no such thing" {
		t.Errorf("%q", got)
	}
}

// TestRulesAreUnambiguous: one rule a field.
func TestRulesAreUnambiguous(t *testing.T) {
	t.Parallel()
	seen := make(map[[3]string]bool)
	for _, r := range cross.Rules() {
		key := [3]string{r.Dialect.String(), string(r.Place), r.Field}
		if seen[key] {
			t.Errorf("%v stands twice", key)
		}
		seen[key] = true
		if r.Why == "" {
			t.Errorf("%v has no reason", key)
		}
	}
}

// TestDocs: docs/translation.md shows the table as it is. UPDATE_DOCS=1 writes it.
func TestDocs(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/translation.md", "| --- | --- | --- | --- | --- |\n", "\n## Same dialect"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from := strings.LastIndex(string(page), begin) + len(begin)
	to := strings.Index(string(page), end)
	if from < len(begin) || to < from {
		t.Fatal("the page has no table of rules")
	}
	want := rulesTable()
	if string(page[from:to]) == want {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatal("docs/translation.md shows another table; run UPDATE_DOCS=1 go test ./dialect/cross")
	}
	if err := os.WriteFile(path, []byte(string(page[:from])+want+string(page[to:])), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rulesTable() string {
	var b strings.Builder
	for _, r := range cross.Rules() {
		client := "OpenAI"
		if r.Dialect == anthropic {
			client = "Anthropic"
		}
		what := [...]string{"refused", "dropped", "nothing"}[r.Do]
		if len(r.Harmless) > 0 {
			what += ", but `" + strings.Join(r.Harmless, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", client, r.Place, r.Field, what, r.Why)
	}
	return b.String()
}
