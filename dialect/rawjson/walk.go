package rawjson

import (
	"errors"
	"unicode/utf8"
)

// maxWalk bounds nesting where no caller's limit applies.
const maxWalk = 1000

// ErrNotObject is returned where an object was expected.
var ErrNotObject = errors.New("rawjson: not an object")

// Member is one member of an object.
type Member struct {
	// Name is without quotes and with escapes resolved.
	Name []byte
	// Value is the member's text, without the space around it.
	Value []byte
	// KeyAt is where the name's opening quote stands; ValueAt and ValueEnd are where the value begins and ends.
	KeyAt, ValueAt, ValueEnd int
}

// Object calls visit for each direct member of the object that data holds, in order, until it returns false. It checks
// all the text it passes. Member slices alias data. Errors are a *SyntaxError, ErrTooDeep or ErrNotObject.
func Object(data []byte, maxDepth int, visit func(m Member) bool) error {
	s := scanner{data: data, limit: maxDepth}
	if s.space(); s.peek() != '{' {
		return ErrNotObject
	}
	s.at, s.depth = s.at+1, 1
	if s.space(); s.peek() == '}' {
		s.at++
		return s.end()
	}
	for {
		m, ok := s.walk()
		if !ok {
			return s.failure()
		}
		if !visit(m) {
			return nil
		}
		switch s.space(); s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return s.end()
		default:
			s.fail("a comma or a closing brace is missing")
			return s.failure()
		}
	}
}

func (s *scanner) walk() (m Member, ok bool) {
	if s.space(); s.peek() != '"' {
		return m, s.fail("a member's name is missing")
	}
	m.KeyAt = s.at
	if !s.str() {
		return m, false
	}
	name, _ := Unquote(s.data[m.KeyAt:s.at])
	m.Name = name
	if s.space(); s.peek() != ':' {
		return m, s.fail("a colon is missing")
	}
	s.at++
	s.space()
	m.ValueAt = s.at
	if !s.value() {
		return m, false
	}
	m.ValueEnd = s.at
	m.Value = s.data[m.ValueAt:m.ValueEnd]
	return m, true
}

func (s *scanner) end() error {
	s.space()
	if s.at != len(s.data) {
		return &SyntaxError{Offset: s.at, Msg: "more text after the value"}
	}
	return nil
}

// Get returns the value of a direct member, or nil.
func Get(data []byte, name string) []byte {
	var value []byte
	_ = Object(data, maxWalk, func(m Member) bool {
		if string(m.Name) == name {
			value = m.Value
			return false
		}
		return true
	})
	return value
}

// First returns the first element of an array, or nil where there is none.
func First(data []byte) []byte {
	s := scanner{data: data, limit: maxWalk}
	if s.space(); s.peek() != '[' {
		return nil
	}
	s.at++
	s.space()
	from := s.at
	if s.peek() == ']' || !s.value() {
		return nil
	}
	return data[from:s.at]
}

// Kind tells what a value is by its first byte: 'o' object, 'a' array, 's' string, 'b' bool, 'n' null, '0' number.
func Kind(value []byte) byte {
	if len(value) == 0 {
		return 0
	}
	switch value[0] {
	case '{':
		return 'o'
	case '[':
		return 'a'
	case '"':
		return 's'
	case 't', 'f':
		return 'b'
	case 'n':
		return 'n'
	}
	return '0'
}

// Int reads a non-negative or negative whole number; ok is false for anything else, fractions included.
func Int(value []byte) (n int64, ok bool) {
	digits := value
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) != len(value) {
		n = -n
	}
	return n, true
}

// Unquote returns the text of a string; it aliases quoted where there is no escape. ok is false where quoted isn't one.
func Unquote(quoted []byte) (text []byte, ok bool) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, false
	}
	inner := quoted[1 : len(quoted)-1]
	for i, c := range inner {
		if c == '\\' {
			return unescape(inner, i), true
		}
	}
	return inner, true
}

// unescape resolves escapes of a string that the scanner has passed; the first is at i.
func unescape(inner []byte, i int) []byte {
	out := append(make([]byte, 0, len(inner)), inner[:i]...)
	for i < len(inner) {
		if inner[i] != '\\' || i+1 >= len(inner) {
			out = append(out, inner[i])
			i++
			continue
		}
		if inner[i+1] == 'u' {
			var r rune
			r, i = hexRune(inner, i)
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, plainEscape(inner[i+1]))
		i += 2
	}
	return out
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hexRune reads \uXXXX at i, and the second half of a surrogate pair; next is the byte after.
func hexRune(inner []byte, i int) (r rune, next int) {
	r, next = hex4(inner, i), i+6
	if r < 0xd800 || r > 0xdfff {
		return r, min(next, len(inner))
	}
	if r < 0xdc00 && next+6 <= len(inner) && inner[next] == '\\' && inner[next+1] == 'u' {
		if low := hex4(inner, next); low >= 0xdc00 && low <= 0xdfff {
			return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), next + 6
		}
	}
	return utf8.RuneError, min(next, len(inner))
}

func hex4(inner []byte, i int) (r rune) {
	if i+6 > len(inner) {
		return utf8.RuneError
	}
	for _, c := range inner[i+2 : i+6] {
		r = r<<4 + rune(hexDigit(c))
	}
	return r
}

// Quote appends text as a JSON string.
func Quote(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// Edit replaces data[At:End] by With.
type Edit struct {
	At, End int
	With    []byte
}

// Splice applies edits, in the order of their places and not overlapping, in one allocation.
func Splice(data []byte, edits ...Edit) []byte {
	size := len(data)
	for _, e := range edits {
		size += len(e.With) - (e.End - e.At)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		out = append(append(out, data[at:e.At]...), e.With...)
		at = e.End
	}
	return append(out, data[at:]...)
}

// Array calls visit for each element of the array that data holds, in order, until it returns false. It returns false
// where data isn't an array.
func Array(data []byte, visit func(element []byte) bool) bool {
	s := scanner{data: data, limit: maxWalk}
	if s.space(); s.peek() != '[' {
		return false
	}
	s.at++
	for s.space(); s.peek() != ']'; s.space() {
		from := s.at
		if !s.value() {
			return false
		}
		if !visit(data[from:s.at]) {
			return true
		}
		if s.space(); s.peek() == ',' {
			s.at++
		}
	}
	return true
}
