package anthropic_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
)

// mutant returns a JSON text that is changed in a few places as providers and clients to come might change it: members
// that are new, gone, null or of another kind.
func mutant(text string, seed uint64) []byte {
	m := mutator{rand.New(rand.NewPCG(seed, 1))}
	var root any
	if json.Unmarshal([]byte(text), &root) != nil {
		return []byte(text)
	}
	for range 1 + m.IntN(4) {
		root = m.change(root)
	}
	out, _ := json.Marshal(root)
	return out
}

type mutator struct{ *rand.Rand }

// change changes a value somewhere within.
func (m mutator) change(value any) any {
	switch v := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		switch {
		case len(names) == 0 || m.IntN(12) == 0:
			v[m.name()] = m.value()
		case m.IntN(12) == 0:
			delete(v, names[m.IntN(len(names))])
		case m.IntN(12) == 0:
			v[m.name()] = v[names[m.IntN(len(names))]]
		default:
			name := names[m.IntN(len(names))]
			v[name] = m.change(v[name])
		}
		return v
	case []any:
		switch {
		case len(v) == 0 || m.IntN(12) == 0:
			return append(v, m.value())
		case m.IntN(12) == 0:
			return append(v, v[m.IntN(len(v))])
		case m.IntN(12) == 0:
			return slices.Delete(v, 0, 1)
		}
		i := m.IntN(len(v))
		v[i] = m.change(v[i])
		return v
	}
	return m.value()
}

var mutantNames = []string{
	"", ".", `\`, "a.b", "x", "type", "text", "role", "content", "id", "name", "input", "citations", "signature", "thinking", "data", "source",
	"title", "media_type", "url", "file_id", "usage", "stop_reason", "stop_sequence", "output_tokens", "input_tokens", "effort", "format", "schema",
	"budget_tokens", "display", "stream", "system", "tools", "temperature", "top_p", "tool_choice", "index", "delta", "partial_json", "citation",
	"is_error", "tool_use_id", "_raw_arguments", "cache_control", "output_config", "output_format", "user_id", "message", "content_block", "strict",
}

func (m mutator) name() string { return mutantNames[m.IntN(len(mutantNames))] }

func (m mutator) value() any {
	words := []string{
		"text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result", "novel", "base64", "url", "file", "custom", "auto", "any", "none",
		"enabled", "adaptive", "disabled", "between_tools", "user", "assistant", "system", "end_turn", "text/plain", "application/pdf", "aGk=", "aGk", "a\nG", "data:x",
		"claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-6", "low", "minimal", "url_citation", "json_schema", "text_delta", "input_json_delta", "{}", "[1]", " ", "",
	}
	switch m.IntN(12) {
	case 0:
		return nil
	case 1:
		return m.IntN(5) - 1
	case 2:
		return m.Float64() * 3
	case 3:
		return m.IntN(2) == 0
	case 4:
		return []any{}
	case 5:
		return map[string]any{}
	case 6:
		return []any{m.value()}
	case 7:
		return map[string]any{m.name(): m.value()}
	case 8:
		return json.Number("12345678901234567890.50")
	}
	return words[m.IntN(len(words))]
}
