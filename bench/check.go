package main

import (
	"bytes"
	"errors"
	"fmt"
)

var errIncomplete = errors.New("an answer that isn't whole")

// checker counts the content of an answer as its pieces come, and tells at the end whether it was whole. An answer lost on
// the way would otherwise count as a fast one.
type checker struct {
	s scenario
	// rest is a line that hasn't ended yet; of an answer that isn't streamed, everything.
	rest   []byte
	chunks int
	ended  bool
	late   bool
	// the dialect's marks, as bytes
	content, empty, last []byte
}

func newChecker(s scenario) *checker {
	return &checker{s: s, content: []byte(s.dialect.content), empty: []byte(s.dialect.empty), last: []byte(s.dialect.last)}
}

func (c *checker) reset() { c.rest, c.chunks, c.ended, c.late = c.rest[:0], 0, false, false }

// write takes the next piece.
func (c *checker) write(p []byte) {
	if c.s.chunks == 0 {
		c.rest = append(c.rest, p...)
		return
	}
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			c.rest = append(c.rest, p...)
			return
		}
		if len(c.rest) > 0 {
			c.rest = append(c.rest, p[:i]...)
			c.line(c.rest)
			c.rest = c.rest[:0]
		} else {
			c.line(p[:i])
		}
		p = p[i+1:]
	}
}

func (c *checker) line(line []byte) {
	switch {
	case !bytes.HasPrefix(line, []byte("data:")):
	case bytes.HasPrefix(line, c.last):
		c.late = c.late || c.ended
		c.ended = true
	case bytes.Contains(line, c.content) && (len(c.empty) == 0 || !bytes.Contains(line, c.empty)):
		c.late = c.late || c.ended
		c.chunks++
	}
}

// whole returns errIncomplete, with the reason, unless the answer was what was asked for.
func (c *checker) whole() error {
	switch {
	case c.s.chunks == 0 && (!bytes.Contains(c.rest, []byte(c.s.dialect.whole)) || !bytes.HasSuffix(bytes.TrimSpace(c.rest), []byte("}"))):
		return fmt.Errorf("%w: %d bytes", errIncomplete, len(c.rest))
	case c.s.chunks > 0 && (!c.ended || c.late || c.chunks != c.s.chunks || len(c.rest) > 0):
		return fmt.Errorf("%w: %d of %d chunks, end seen: %v", errIncomplete, c.chunks, c.s.chunks, c.ended && !c.late)
	}
	return nil
}
