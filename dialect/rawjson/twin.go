package rawjson

import (
	"bytes"
	"unicode/utf8"
)

// Twin recognizes text that differs from a text read before in the content of one string only, as the chunks of a
// stream mostly do: that is told many times faster than JSON is read. The zero value knows nothing. It belongs to one
// goroutine.
type Twin struct {
	text []byte
	// head and tail are text around the string, its quotes included.
	head, tail []byte
}

// maxTwin bounds what is kept of a text.
const maxTwin = 2 << 10

// Learn keeps a text, which was found valid, and where in it the string is: quoted is the string as a slice of data,
// quotes included. What else there is in data has to mean the same wherever it is read again.
func (t *Twin) Learn(data, quoted []byte) {
	t.head, t.tail = nil, nil
	from := cap(data) - cap(quoted)
	if len(data) > maxTwin || from < 0 || from+len(quoted) > len(data) || len(quoted) < 2 || &data[from] != &quoted[0] {
		return
	}
	t.text = append(t.text[:0], data...)
	t.head, t.tail = t.text[:from+1], t.text[from+len(quoted)-1:]
}

// Match returns the content of data's string, between its quotes, where data is a twin; it is valid JSON then. Escapes
// are left to the slow way.
func (t *Twin) Match(data []byte) (content []byte, ok bool) {
	if t.head == nil || len(data) < len(t.head)+len(t.tail) ||
		!bytes.HasPrefix(data, t.head) || !bytes.HasSuffix(data, t.tail) {
		return nil, false
	}
	content = data[len(t.head) : len(data)-len(t.tail)]
	if plain(content) < len(content) || !utf8.Valid(content) {
		return nil, false
	}
	return content, true
}
