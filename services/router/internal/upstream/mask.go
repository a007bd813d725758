package upstream

import (
	"bytes"
	"regexp"
)

var redacted = []byte("[redacted]")

// keyShapes are the spellings of keys that providers quote in their errors: vendors' keys (OpenAI, Anthropic, Groq,
// xAI, Google, Hugging Face), Headgate's own, and whatever follows a Bearer. OpenAI shortens the key it quotes with
// asterisks.
const keyShapes = `\b(?:sk|gsk|xai|hf|hg|pk|rk)[-_][A-Za-z0-9*_\-]{6,}|\bAIza[A-Za-z0-9_\-]{20,}|(?i:bearer)\s+[A-Za-z0-9._~+/*=\-]{8,}`

// Mask removes credentials from what a provider says. Safe for concurrent use.
type Mask struct {
	key    []byte
	shapes *regexp.Regexp
}

// NewMask returns a mask that also knows one key by its value; an empty key is no key.
func NewMask(key string) *Mask {
	return &Mask{key: []byte(key), shapes: regexp.MustCompile(keyShapes)}
}

// Bytes returns data itself when there is nothing to mask, else a copy. JSON stays JSON: what is removed and what is
// put in its place need no escapes.
func (m *Mask) Bytes(data []byte) []byte {
	if len(m.key) >= 4 && bytes.Contains(data, m.key) {
		data = bytes.ReplaceAll(data, m.key, redacted)
	}
	if !m.shapes.Match(data) {
		return data
	}
	return m.shapes.ReplaceAll(data, redacted)
}
