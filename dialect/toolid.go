package dialect

import (
	"crypto/sha256"
	"encoding/hex"
)

// Unsigned is the signature under which Headgate shows an Anthropic client thoughts that no Anthropic model has signed.
// Requests that bring such thoughts back are sent on without them: Anthropic would refuse the signature.
const Unsigned = "headgate-unsigned"

// IDRule is what a vendor accepts as the id of a tool call.
type IDRule struct {
	// Max is the longest, in bytes; 0 means any.
	Max int
	// Plain allows letters, digits, underscores and dashes only; Alnum letters and digits only.
	Plain, Alnum bool
	// Exact demands exactly Max bytes.
	Exact bool
	// Prefix begins the ids that ToolID makes.
	Prefix string
}

var (
	// OpenAIToolID is OpenAI's: "Expected a string with maximum length 40".
	OpenAIToolID = IDRule{Max: 40, Prefix: "call_"}
	// AnthropicToolID is Anthropic's: ids match ^[a-zA-Z0-9_-]+$.
	AnthropicToolID = IDRule{Max: 256, Plain: true, Prefix: "toolu_"}
	// MistralToolID is Mistral's: "must be a-z, A-Z, 0-9, with a length of 9".
	MistralToolID = IDRule{Max: 9, Exact: true, Alnum: true}
)

// ToolID returns an id that the rule accepts: the id itself where it does, else one made from it, always the same, so
// that a call and its answer stay together wherever they are sent.
func ToolID(id string, rule IDRule) string {
	if rule.accepts(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	made := rule.Prefix + hex.EncodeToString(sum[:12])
	if rule.Exact {
		made = made[:rule.Max]
	}
	return made
}

func (r IDRule) accepts(id string) bool {
	if id == "" || (r.Max > 0 && len(id) > r.Max) || (r.Exact && len(id) != r.Max) {
		return false
	}
	if !r.Plain && !r.Alnum {
		return true
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case r.Plain && (c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
