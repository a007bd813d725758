package telemetry

import (
	"bytes"
	"io"
)

// maskWriter masks what looks like a key in each record. A slog handler writes a record with one Write.
type maskWriter struct{ w io.Writer }

func (m *maskWriter) Write(p []byte) (int, error) {
	if _, err := m.w.Write(Mask(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pattern is how one kind of key begins, and how many characters it has at least after that.
type pattern struct {
	prefix string
	min    int
}

// patterns lists Headgate's own keys, those of OpenAI and Anthropic (sk-...), and bearer tokens. Short matches such as
// "sk-learn" stay.
func patterns() [4]pattern {
	return [4]pattern{{"hg_", 16}, {"sk-", 16}, {"Bearer ", 8}, {"bearer ", 8}}
}

// Mask returns text with the tail of everything that looks like a key replaced; text itself where there is nothing to
// mask.
func Mask(text []byte) []byte {
	for _, p := range patterns() {
		text = p.mask(text)
	}
	return text
}

func (p pattern) mask(text []byte) []byte {
	var out []byte
	rest := text
	for {
		i := bytes.Index(rest, []byte(p.prefix))
		if i < 0 {
			break
		}
		start := i + len(p.prefix)
		end := start
		for end < len(rest) && keyChar(rest[end]) {
			end++
		}
		if end-start < p.min {
			out = append(out, rest[:end]...)
		} else {
			out = append(append(out, rest[:start]...), redacted...)
		}
		rest = rest[end:]
	}
	if out == nil {
		return text
	}
	return append(out, rest...)
}

// keyChar holds for the characters of base64, base64url, JWTs and the providers' keys.
func keyChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '/' || c == '='
}
