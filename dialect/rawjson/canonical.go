package rawjson

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// ErrExponent is returned by Canonical for a number whose exponent is beyond any use.
var ErrExponent = errors.New("rawjson: a number's exponent is out of range")

// Canonical appends the one form of the value that data holds: without space, members in the order of their names,
// strings with the fewest escapes, numbers as an integer and, where that isn't enough, a power of ten. Two texts have
// the same form exactly where they are the same value: 1.0 is 1, and -0 is 0. Members of one name stay in the order they
// came in, since readers disagree on which counts. Members of the outermost object that omit names are left out.
//
// The form is JSON itself, except that half of a surrogate pair stays an escape. The error is a *SyntaxError, ErrTooDeep
// or ErrExponent; what was appended until then is no value.
func Canonical(dst, data []byte, maxDepth int, omit ...string) ([]byte, error) {
	c := canon{scanner: scanner{data: data, limit: maxDepth}, out: dst, omit: omit}
	if !c.value() {
		return c.out, c.failure()
	}
	if err := c.end(); err != nil {
		return c.out, err
	}
	return c.out, CheckUTF8(data)
}

// canon writes what it scans. Objects are written as they come, and put in order once they are complete.
type canon struct {
	scanner

	out  []byte
	omit []string
	// written are the members of the objects that are open: those of the innermost one at the end.
	written []written
	// sorted is where members are put in order.
	sorted   []byte
	exponent bool
}

// written is a member in out: out[at:nameEnd] is its name, out[at:end] all of it.
type written struct{ at, nameEnd, end int }

func (c *canon) failure() error {
	if c.exponent {
		return ErrExponent
	}
	return c.scanner.failure()
}

func (c *canon) value() bool {
	c.space()
	switch c.peek() {
	case '{':
		return c.enter(c.object)
	case '[':
		return c.enter(c.array)
	case '"':
		return c.str()
	case 't', 'f', 'n':
		from := c.at
		ok := c.scanner.value()
		c.out = append(c.out, c.data[from:c.at]...)
		return ok
	default:
		return c.number()
	}
}

func (c *canon) enter(inside func() bool) bool {
	if c.depth++; c.depth > c.limit {
		c.deep = true
		return c.fail("nested too deep")
	}
	c.at++
	ok := inside()
	c.depth--
	return ok
}

func (c *canon) array() bool {
	c.out = append(c.out, '[')
	if c.space(); c.peek() == ']' {
		c.at++
		c.out = append(c.out, ']')
		return true
	}
	for {
		if !c.value() {
			return false
		}
		c.space()
		switch b := c.peek(); b {
		case ',', ']':
			c.at++
			c.out = append(c.out, b)
			if b == ']' {
				return true
			}
		default:
			return c.fail("a comma or a closing bracket is missing")
		}
	}
}

func (c *canon) object() bool {
	first := len(c.written)
	c.out = append(c.out, '{')
	if c.space(); c.peek() == '}' {
		c.at++
		c.close(first)
		return true
	}
	for {
		if !c.member() {
			return false
		}
		switch c.space(); c.peek() {
		case ',':
			c.at++
		case '}':
			c.at++
			c.close(first)
			return true
		default:
			return c.fail("a comma or a closing brace is missing")
		}
	}
}

// member writes name, value and a comma.
func (c *canon) member() bool {
	w := written{at: len(c.out)}
	if c.space(); c.peek() != '"' {
		return c.fail("a member's name is missing")
	}
	if !c.str() {
		return false
	}
	w.nameEnd = len(c.out)
	if c.space(); c.peek() != ':' {
		return c.fail("a colon is missing")
	}
	c.at++
	c.out = append(c.out, ':')
	if !c.value() {
		return false
	}
	if c.omitted(c.out[w.at+1 : w.nameEnd-1]) {
		c.out = c.out[:w.at]
		return true
	}
	c.out = append(c.out, ',')
	w.end = len(c.out)
	c.written = append(c.written, w)
	return true
}

func (c *canon) omitted(name []byte) bool {
	return c.depth == 1 && slices.ContainsFunc(c.omit, func(o string) bool { return o == string(name) })
}

// close puts the members from first on in order, and a brace in place of the last comma.
func (c *canon) close(first int) {
	members := c.written[first:]
	c.written = c.written[:first]
	if len(members) == 0 {
		c.out = append(c.out, '}')
		return
	}
	if !slices.IsSortedFunc(members, c.compare) {
		from := members[0].at
		slices.SortFunc(members, c.compare)
		c.sorted = c.sorted[:0]
		for _, m := range members {
			c.sorted = append(c.sorted, c.out[m.at:m.end]...)
		}
		copy(c.out[from:], c.sorted)
	}
	c.out[len(c.out)-1] = '}'
}

// compare orders by name, and equal names by place.
func (c *canon) compare(a, b written) int {
	if n := bytes.Compare(c.out[a.at:a.nameEnd], c.out[b.at:b.nameEnd]); n != 0 {
		return n
	}
	return a.at - b.at
}

// str writes a string: as it stands where it has no escapes.
func (c *canon) str() bool {
	from := c.at
	if !c.scanner.str() {
		return false
	}
	text := c.data[from:c.at]
	if !c.escaped {
		c.out = append(c.out, text...)
		return true
	}
	c.out = append(c.out, '"')
	c.unescape(text[1 : len(text)-1])
	c.out = append(c.out, '"')
	return true
}

func (c *canon) unescape(text []byte) {
	for {
		n := plain(text)
		c.out = append(c.out, text[:n]...)
		if n == len(text) {
			return
		}
		text = text[n:]
		if text[1] != 'u' {
			c.out = appendByte(c.out, plainEscape(text[1]))
			text = text[2:]
			continue
		}
		r, size := hex4(text, 0), 6
		if whole, next := hexRune(text, 0); next > size {
			r, size = whole, next
		}
		c.out = appendCodePoint(c.out, r)
		text = text[size:]
	}
}

const hexDigits = "0123456789abcdef"

func appendByte(dst []byte, b byte) []byte {
	switch {
	case b == '"' || b == '\\':
		return append(dst, '\\', b)
	case b == '\n':
		return append(dst, '\\', 'n')
	case b < ' ':
		return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, b)
}

// appendCodePoint writes half of a surrogate pair as an escape: UTF-8 has no form for it, and U+FFFD is another string.
func appendCodePoint(dst []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf:
		return appendByte(dst, byte(r))
	case r >= 0xd800 && r <= 0xdfff:
		return append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
	}
	return utf8.AppendRune(dst, r)
}
