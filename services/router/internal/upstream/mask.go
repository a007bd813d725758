package upstream

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

var redacted = []byte("[redacted]")

// keyShapes are the spellings of keys that providers quote in their errors: vendors' keys (OpenAI, Anthropic, Groq,
// xAI, Google, Hugging Face), Headgate's own, and whatever follows a Bearer. OpenAI shortens the key it quotes with
// asterisks.
const keyShapes = `\b(?:sk|gsk|xai|hf|hg|pk|rk)[-_][A-Za-z0-9*_\-]{6,}|\bAIza[A-Za-z0-9_\-]{20,}|(?i:bearer)\s+[A-Za-z0-9._~+/*=\-]{8,}`

// quotedText is a JSON string, quotes included.
const quotedText = `"(?:[^"\\]|\\.)*"`

// Mask removes credentials from what a provider says. Safe for concurrent use.
type Mask struct {
	keys           [][]byte
	shapes, quoted *regexp.Regexp
}

// NewMask returns a mask that also knows keys by their values; an empty one is none.
func NewMask(keys ...string) *Mask {
	m := &Mask{shapes: regexp.MustCompile(keyShapes), quoted: regexp.MustCompile(quotedText)}
	for _, k := range keys {
		if len(k) >= minKey {
			m.keys = append(m.keys, []byte(k))
		}
	}
	// A key that begins with another one is to go as a whole.
	slices.SortFunc(m.keys, func(a, b []byte) int { return len(b) - len(a) })
	return m
}

// minKey is the length from which on a key is known by its value: a shorter one would be found in words.
const minKey = 4

// Bytes returns data itself when there is nothing to mask, else a copy. JSON strings are looked at without their
// escapes, and stay JSON strings.
func (m *Mask) Bytes(data []byte) []byte {
	out := make([]byte, 0, len(data))
	at := 0
	for _, place := range m.quoted.FindAllIndex(data, -1) {
		out = append(out, m.plain(data[at:place[0]])...)
		out = append(out, m.string(data[place[0]:place[1]])...)
		at = place[1]
	}
	out = append(out, m.plain(data[at:])...)
	if bytes.Equal(out, data) {
		return data
	}
	return out
}

// string masks a JSON string, which keeps its own spelling where there is nothing to mask.
func (m *Mask) string(quoted []byte) []byte {
	text, ok := rawjson.Unquote(quoted)
	if !ok {
		return m.plain(quoted)
	}
	masked := m.plain(text)
	if bytes.Equal(masked, text) {
		return quoted
	}
	return rawjson.Quote(nil, bytes.ToValidUTF8(masked, nil))
}

// plain masks text as it stands.
func (m *Mask) plain(text []byte) []byte {
	for _, key := range m.keys {
		if bytes.Contains(text, key) {
			text = bytes.ReplaceAll(text, key, redacted)
		}
	}
	if !m.shapes.Match(text) {
		return text
	}
	return m.shapes.ReplaceAll(text, redacted)
}
