package sim

import (
	"encoding/json"
	"strings"
)

// scriptHeader carries a script in a request.
const scriptHeader = "X-Sim-Script"

// carried are the scripts that a request carries, the weightiest last: behind the model's name, in the fields for an
// end user's id, in the header.
func (x *exchange) carried() []string {
	return append(carriedBy(x.in), x.r.Header.Values(scriptHeader)...)
}

// carriedBy are the scripts in a body.
func carriedBy(in object) []string {
	var said []string
	if _, s, ok := strings.Cut(stringOf(in, "model"), "#"); ok {
		said = append(said, s)
	}
	if s, ok := strings.CutPrefix(stringOf(in, "user"), "sim:"); ok {
		said = append(said, s)
	}
	var meta object
	if json.Unmarshal(in["metadata"], &meta) == nil {
		if s, ok := strings.CutPrefix(stringOf(meta, "user_id"), "sim:"); ok {
			said = append(said, s)
		}
		said = append(said, strings.TrimPrefix(stringOf(meta, "sim"), "sim:"))
	}
	return said
}

// withoutScript is a model's name without the script behind it.
func withoutScript(model string) string {
	name, _, _ := strings.Cut(model, "#")
	return name
}

// stringOf is a string member, or empty.
func stringOf(in object, name string) (s string) {
	if json.Unmarshal(in[name], &s) != nil {
		return ""
	}
	return s
}
