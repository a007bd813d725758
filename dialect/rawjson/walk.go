package rawjson

import "errors"

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
// all the text it passes, but for its UTF-8 ([CheckUTF8]). Member slices alias data. Errors are a *SyntaxError,
// ErrTooDeep or ErrNotObject.
func Object(data []byte, maxDepth int, visit func(m Member) bool) error {
	s := scanner{data: data, limit: maxDepth}
	switch s.space(); {
	case s.at == len(data):
		return &SyntaxError{Offset: s.at, Msg: "a value is missing"}
	case s.peek() != '{':
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
	s.space()
	m.KeyAt = s.at
	if m.Name, ok = s.name(); !ok {
		return m, false
	}
	s.space()
	m.ValueAt = s.at
	if !s.value() {
		return m, false
	}
	m.ValueEnd = s.at
	m.Value = s.data[m.ValueAt:m.ValueEnd]
	return m, true
}

// name reads a member's name and the colon after it.
func (s *scanner) name() (name []byte, ok bool) {
	if s.space(); s.peek() != '"' {
		return nil, s.fail("a member's name is missing")
	}
	from := s.at
	if !s.str() {
		return nil, false
	}
	if name = s.data[from+1 : s.at-1]; s.escaped {
		name = unescape(name, 0)
	}
	if s.space(); s.peek() != ':' {
		return nil, s.fail("a colon is missing")
	}
	s.at++
	return name, true
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

// Array calls visit for each element of the array that data holds, in order, until it returns false. It returns false
// where data isn't an array. It is for text that [Check] or a walk has passed, and doesn't check it again.
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
