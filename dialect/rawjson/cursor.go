package rawjson

// Cursor reads one JSON value in a single pass, from the outside in: what its caller steps into isn't scanned twice.
// After [Cursor.Member] or [Cursor.Element] has returned true, the value at hand is taken with exactly one of Value,
// Skip, Object or Array; what was stepped into is walked to its end. Failures stick and end every loop: [Cursor.End]
// tells them. It belongs to one goroutine and allocates only for names with escapes.
type Cursor struct {
	s      scanner
	fresh  bool
	failed bool
}

// NewCursor returns a cursor on the value that data holds, nested at most maxDepth deep.
func NewCursor(data []byte, maxDepth int) Cursor {
	return Cursor{s: scanner{data: data, limit: maxDepth}}
}

// Object steps into the value at hand where it is an object, and skips any other, returning false.
func (c *Cursor) Object() bool { return c.enter('{') }

// Array steps into the value at hand where it is an array, and skips any other, returning false.
func (c *Cursor) Array() bool { return c.enter('[') }

func (c *Cursor) enter(opening byte) bool {
	if c.failed {
		return false
	}
	if c.s.space(); c.s.peek() != opening {
		c.Skip()
		return false
	}
	if c.s.depth++; c.s.depth > c.s.limit {
		c.s.deep, c.failed = true, true
		return false
	}
	c.s.at++
	c.fresh = true
	return true
}

// Member moves to the next member of the object that was stepped into; false means that it has ended.
func (c *Cursor) Member() (name []byte, ok bool) {
	if !c.more('}') {
		return nil, false
	}
	name, ok = c.s.name()
	c.failed = !ok
	return name, ok
}

// Element moves to the next element of the array that was stepped into; false means that it has ended.
func (c *Cursor) Element() bool { return c.more(']') }

func (c *Cursor) more(closing byte) bool {
	if c.failed {
		return false
	}
	first := c.fresh
	c.fresh = false
	switch c.s.space(); c.s.peek() {
	case closing:
		c.s.at++
		c.s.depth--
		return false
	case ',':
		if !first {
			c.s.at++
			return true
		}
	}
	if !first {
		c.failed = true
		return c.s.fail("a comma or a closing bracket is missing")
	}
	return true
}

// Value takes the value at hand as text, without the space around it; nil after a failure.
func (c *Cursor) Value() []byte {
	if c.failed {
		return nil
	}
	c.s.space()
	from := c.s.at
	if !c.s.value() {
		c.failed = true
		return nil
	}
	return c.s.data[from:c.s.at]
}

// Skip takes the value at hand without looking at it, but for its validity.
func (c *Cursor) Skip() { _ = c.Value() }

// End reports whether all the text was one valid value in UTF-8. The error is a *SyntaxError or ErrTooDeep.
func (c *Cursor) End() error {
	if c.failed {
		return c.s.failure()
	}
	if err := c.s.end(); err != nil {
		return err
	}
	return CheckUTF8(c.s.data)
}
