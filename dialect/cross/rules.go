package cross

import (
	"strings"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Action is what becomes of a field that the shared vocabulary has no place for.
type Action uint8

const (
	// Refuse refuses the request: without the field the answer would not be what was asked for.
	Refuse Action = iota
	// Drop leaves the field out, and says so.
	Drop
	// Silent leaves it out without a word: it changes nothing, or only says how the rest is spelt.
	Silent
)

// Place is the object that a field stands in.
type Place string

// The places of fields.
const (
	Request        Place = "request"
	Message        Place = "message"
	Content        Place = "content"
	Tool           Place = "tool"
	ToolChoice     Place = "tool_choice"
	ResponseFormat Place = "response_format"
)

// Rule says what becomes of one field. A field of an object within is named by its path; a rule for the object counts for
// all of its fields.
type Rule struct {
	Dialect llmv1.Dialect
	Place   Place
	Field   string
	Do      Action
	// Harmless are values that may go without a word whatever Do says.
	Harmless []string
	// Why is the rest of a sentence that begins with the field's name.
	Why string
}

const (
	unknown  = "the provider of this model has nothing like it; leave it out, or ask for a model whose provider has"
	vendors  = "is for this dialect's own vendor and changes no answer"
	caching  = "is for the vendor's prompt cache; other providers cache by themselves or not at all"
	spelling = "only spells what is translated"
	history  = "is the provider's own note on an earlier answer"
)

func openai(place Place, do Action, why string, fields ...string) []Rule {
	return rules(llmv1.Dialect_DIALECT_OPENAI, place, do, why, fields)
}

func anthropic(place Place, do Action, why string, fields ...string) []Rule {
	return rules(llmv1.Dialect_DIALECT_ANTHROPIC, place, do, why, fields)
}

func rules(d llmv1.Dialect, place Place, do Action, why string, fields []string) []Rule {
	list := make([]Rule, len(fields))
	for i, f := range fields {
		list[i] = Rule{Dialect: d, Place: place, Field: f, Do: do, Why: why}
	}
	return list
}

func table(lists ...[]Rule) (all []Rule) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// Rules returns the whole table: what becomes of the fields of a request that the shared vocabulary has no place for,
// when the provider speaks another dialect. What isn't in it is refused, but for notes in the model's own messages,
// which are dropped. docs/translation.md shows it.
func Rules() []Rule {
	return table(
		openai(Request, Silent, spelling, "max_tokens", "max_completion_tokens", "stop", "stream", "stream_options", "tool_choice", "parallel_tool_calls", "response_format", "n", "user", "tools"),
		openai(Request, Drop, vendors, "store", "metadata", "service_tier", "verbosity", "safety_identifier", "moderation", "prediction"),
		openai(Request, Drop, caching, "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
		[]Rule{{Dialect: llmv1.Dialect_DIALECT_OPENAI, Place: Request, Field: "modalities", Harmless: []string{`["text"]`}, Why: "only text can be asked for of this provider"}},
		[]Rule{{Dialect: llmv1.Dialect_DIALECT_OPENAI, Place: Request, Field: "logit_bias", Harmless: []string{"{}"}, Why: unknown}},
		[]Rule{{Dialect: llmv1.Dialect_DIALECT_OPENAI, Place: Request, Field: "functions", Harmless: []string{"[]"}, Why: "is deprecated and can't be translated; use tools"}},
		openai(Request, Refuse, "is deprecated and can't be translated; use tool_choice", "function_call"),
		openai(Request, Refuse, unknown, "audio", "web_search_options"),
		openai(Message, Silent, spelling, "role", "content", "refusal", "tool_calls", "annotations", "reasoning", "reasoning_content", "reasoning_details"),
		openai(Message, Refuse, "is deprecated and can't be translated; use tool_calls", "function_call"),
		openai(Message, Refuse, "refers to sound that the vendor keeps; leave the message out", "audio"),
		openai(Content, Silent, spelling, "type", "image_url", "input_audio", "file", "function", "custom"),
		openai(Content, Drop, "is a hint to the vendor's own models", "image_url.detail"),
		openai(Content, Drop, caching, "prompt_cache_breakpoint", "cache_control"),
		openai(Content, Drop, history, "extra_content", "index"),
		openai(Tool, Silent, spelling, "type", "function"),
		openai(Tool, Drop, caching, "cache_control"),
		openai(ToolChoice, Silent, spelling, "type", "function"),
		openai(ResponseFormat, Silent, spelling, "type", "json_schema"),

		anthropic(Request, Silent, spelling, "stream", "max_tokens", "system", "tool_choice", "tools", "stop_sequences", "thinking", "output_config", "output_format"),
		anthropic(Request, Drop, vendors, "service_tier", "metadata", "inference_geo", "speed", "diagnostics", "betas", "user_profile_id"),
		anthropic(Request, Drop, caching, "cache_control"),
		anthropic(Request, Drop, "edits the conversation at the vendor only; all of it is sent", "context_management"),
		anthropic(Request, Refuse, unknown, "container", "mcp_servers"),
		anthropic(Message, Silent, spelling, "content", "role"),
		anthropic(Content, Silent, spelling, "type", "source", "content", "input", "signature", "text", "is_error", "caller"),
		anthropic(Content, Drop, caching, "cache_control"),
		anthropic(Content, Drop, "asks for citations, which only the vendor gives", "citations"),
		anthropic(Content, Drop, "describes a document to the vendor's own models", "title", "context"),
		anthropic(Tool, Silent, spelling, "type", "input_schema", "description", "strict"),
		anthropic(Tool, Drop, caching, "cache_control"),
		anthropic(Tool, Drop, "is a hint to the vendor's own models", "defer_loading", "eager_input_streaming", "input_examples", "allowed_callers"),
		anthropic(ToolChoice, Silent, spelling, "type", "disable_parallel_tool_use"),
		anthropic(ResponseFormat, Silent, spelling, "type"),
	)
}

type key struct {
	dialect llmv1.Dialect
	place   Place
	field   string
}

var byField = func() map[key]Rule {
	m := make(map[key]Rule)
	for _, r := range Rules() {
		m[key{r.Dialect, r.Place, r.Field}] = r
	}
	return m
}()

// find returns the rule for a field: its own, or that of the object it stands in.
func find(d llmv1.Dialect, place Place, field string, speaker llmv1.Role) Rule {
	for path := field; path != ""; {
		if r, ok := byField[key{d, place, path}]; ok {
			return r
		}
		i := strings.LastIndexByte(path, '.')
		path = path[:max(i, 0)]
	}
	if speaker == llmv1.Role_ROLE_ASSISTANT && (place == Message || place == Content) {
		return Rule{Do: Drop, Why: history}
	}
	return Rule{Do: Refuse, Why: unknown}
}
