// Package rawjson reads and edits JSON text in place: one pass tells whether it is valid and where the members are, and
// what must change is spliced in without touching another byte.
package rawjson

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrTooDeep is returned for text that is nested deeper than allowed.
var ErrTooDeep = errors.New("rawjson: nested too deep")

// SyntaxError says where text stops being JSON (RFC 8259).
type SyntaxError struct {
	// Offset is the byte at which it goes wrong, from 0.
	Offset int
	// Msg says what was expected.
	Msg string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("rawjson: %s at byte %d", e.Msg, e.Offset) }

// Check reports whether data is one JSON value in valid UTF-8, with arrays and objects nested at most maxDepth deep. The
// error is a *SyntaxError or ErrTooDeep.
func Check(data []byte, maxDepth int) error {
	s := scanner{data: data, limit: maxDepth}
	if !s.value() {
		return s.failure()
	}
	s.space()
	if s.at != len(data) {
		return &SyntaxError{Offset: s.at, Msg: "more text after the value"}
	}
	return CheckUTF8(data)
}

// CheckUTF8 reports whether data is valid UTF-8; the error is a *SyntaxError.
func CheckUTF8(data []byte) error {
	if !utf8.Valid(data) {
		return &SyntaxError{Offset: badRune(data), Msg: "invalid UTF-8"}
	}
	return nil
}

func badRune(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// scanner walks over one value. Its methods return false where the text isn't JSON, with at on the offending byte.
type scanner struct {
	data  []byte
	at    int
	depth int
	limit int
	deep  bool
	// escaped says that the string scanned last has escapes.
	escaped bool
	msg     string
}

func (s *scanner) failure() error {
	if s.deep {
		return ErrTooDeep
	}
	return &SyntaxError{Offset: s.at, Msg: s.msg}
}

func (s *scanner) fail(msg string) bool {
	if s.msg == "" {
		s.msg = msg
	}
	return false
}

func (s *scanner) space() {
	for s.at < len(s.data) && s.data[s.at] <= ' ' && isSpace(s.data[s.at]) {
		s.at++
	}
}

func (s *scanner) value() bool {
	s.space()
	if s.at >= len(s.data) {
		return s.fail("a value is missing")
	}
	switch c := s.data[s.at]; c {
	case '{', '[':
		return s.nested(c)
	case '"':
		return s.str()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) nested(opening byte) (ok bool) {
	if s.depth++; s.depth > s.limit {
		s.deep = true
		return s.fail("nested too deep")
	}
	s.at++
	if opening == '{' {
		ok = s.object()
	} else {
		ok = s.array()
	}
	s.depth--
	return ok
}

func (s *scanner) object() bool {
	if s.space(); s.peek() == '}' {
		s.at++
		return true
	}
	for {
		if !s.member() {
			return false
		}
		switch s.space(); s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return true
		default:
			return s.fail("a comma or a closing brace is missing")
		}
	}
}

func (s *scanner) member() bool {
	if s.space(); s.peek() != '"' {
		return s.fail("a member's name is missing")
	}
	if !s.str() {
		return false
	}
	if s.space(); s.peek() != ':' {
		return s.fail("a colon is missing")
	}
	s.at++
	return s.value()
}

func (s *scanner) array() bool {
	if s.space(); s.peek() == ']' {
		s.at++
		return true
	}
	for {
		if !s.value() {
			return false
		}
		switch s.space(); s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			return true
		default:
			return s.fail("a comma or a closing bracket is missing")
		}
	}
}

// peek returns the next byte, or 0 at the end: no JSON text has a 0 outside of strings.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}
