package rawjson

import "unicode/utf8"

// Edit replaces data[At:End] by With. Where At equals End it inserts.
type Edit struct {
	At, End int
	With    []byte
}

// Remove returns the edit that takes a member out of the object it was found in, with the comma that would be left over.
// Two members that stand side by side can't be removed in one go.
func Remove(data []byte, m Member) Edit {
	s := scanner{data: data, at: m.ValueEnd}
	if s.space(); s.peek() == ',' {
		return Edit{At: m.KeyAt, End: s.at + 1}
	}
	from := m.KeyAt
	for i := m.KeyAt - 1; i >= 0 && (isSpace(data[i]) || data[i] == ','); i-- {
		if data[i] == ',' {
			from = i
			break
		}
	}
	return Edit{At: from, End: m.ValueEnd}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// Splice applies edits in one allocation. They come in the order of their places and don't overlap; one that doesn't, or
// that is outside of data, is left out.
func Splice(data []byte, edits ...Edit) []byte {
	size := len(data)
	for _, e := range edits {
		size += len(e.With)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		if e.At < at || e.End < e.At || e.End > len(data) {
			continue
		}
		out = append(append(out, data[at:e.At]...), e.With...)
		at = e.End
	}
	return append(out, data[at:]...)
}

// Quote appends text as a JSON string; what isn't UTF-8 becomes U+FFFD.
func Quote(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
