package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// str scans a string that begins at the current byte.
func (s *scanner) str() bool {
	s.at++
	s.escaped = false
	for {
		s.at += plain(s.data[s.at:])
		if s.at >= len(s.data) {
			return s.fail("a string has no end")
		}
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return true
		case c != '\\':
			return s.fail("a control character in a string has to be escaped")
		case !s.escape():
			return false
		}
	}
}

// plain returns how many bytes come before the first quote, backslash or control character. It looks at eight bytes at a
// time: (x-0x01..)&^x has the high bit of a byte set where that byte is zero, and of no byte below it ("Bit Twiddling
// Hacks", Anderson, "Determine if a word has a zero byte").
func plain(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		if m := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			return i
		}
	}
	return i
}

// escape scans a backslash and what belongs to it.
func (s *scanner) escape() bool {
	s.escaped = true
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
