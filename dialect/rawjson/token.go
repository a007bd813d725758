package rawjson

import "bytes"

// str scans a string that begins at the current byte.
func (s *scanner) str() bool {
	s.at++
	for {
		rest := s.data[s.at:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			s.at = len(s.data)
			return s.fail("a string has no end")
		}
		run := rest[:end]
		if esc := bytes.IndexByte(run, '\\'); esc >= 0 {
			run = run[:esc]
		}
		if i := controlByte(run); i >= 0 {
			s.at += i
			return s.fail("a control character in a string has to be escaped")
		}
		s.at += len(run)
		if s.data[s.at] == '"' {
			s.at++
			return true
		}
		if !s.escape() {
			return false
		}
	}
}

func controlByte(run []byte) int {
	for i, c := range run {
		if c < 0x20 {
			return i
		}
	}
	return -1
}

// escape scans a backslash and what belongs to it.
func (s *scanner) escape() bool {
	if s.at+1 >= len(s.data) {
		return s.fail("an escape has no end")
	}
	switch s.data[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		return s.unicode()
	}
	return s.fail("no such escape")
}

func (s *scanner) unicode() bool {
	if s.at+6 > len(s.data) {
		return s.fail("an escape has no end")
	}
	for _, c := range s.data[s.at+2 : s.at+6] {
		if hexDigit(c) < 0 {
			return s.fail("no such escape")
		}
	}
	s.at += 6
	return true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return s.fail("no such word")
	}
	s.at += len(w)
	return true
}

// number scans -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.fail("a value is missing")
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return s.fail("a digit is missing")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.fail("a digit is missing")
		}
	}
	return true
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}
