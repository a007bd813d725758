// Package sse reads event streams (WHATWG HTML, section 9.2.6) a frame at a time without changing a byte: what a relay
// passes on is exactly what came, cut at frame boundaries.
package sse

import (
	"bytes"
	"errors"
	"io"
)

// ErrFrameTooLarge is returned for a frame above the reader's bound.
var ErrFrameTooLarge = errors.New("sse: frame too large")

const (
	// initialSize is what a stream holds whose frames come one by one, burstSize one whose frames come together: what one
	// read brings travels on together.
	initialSize = 1 << 10
	burstSize   = 4 << 10
	// emptyReads is how often a source may return nothing, and no error either, before it counts as broken.
	emptyReads = 100
)

// Frame is one event, or a stretch of comments, up to and including its blank line.
type Frame struct {
	// Raw is the frame's exact bytes. The Raw of all frames, joined, are the stream.
	Raw []byte
	// Event is the event's name; nil where there is none.
	Event []byte
	// Data is the payload, several data lines joined by \n; nil where there is no data line.
	Data []byte
	// Comment is true where the frame tells the client nothing: comments, blank lines, id and retry.
	Comment bool
}

// Reader cuts a stream into frames. It belongs to one goroutine.
type Reader struct {
	src io.Reader
	max int
	buf []byte
	// buf[start:end] is unread; the line that is being looked at begins at line; buf[line:seen] has no line break.
	start, line, seen, end int
	// frame is the end of the next frame, once it is found.
	frame int
	// afterCR says that the byte before line is a \r, whose \n may still come.
	afterCR bool
	began   bool
	// full says that the last read brought as much as there was room for.
	full bool
	err  error
}

// NewReader returns a reader of frames of at most maxFrame bytes.
func NewReader(src io.Reader, maxFrame int) *Reader {
	return &Reader{src: src, max: maxFrame}
}

// Next returns the next frame, which is valid until the next call that reads (see [Reader.Ready]) and until Reset. It
// returns io.EOF only at a frame boundary, io.ErrUnexpectedEOF where the stream ends within a frame, and
// [ErrFrameTooLarge]; other errors of the source come as they are. Errors stick.
func (r *Reader) Next() (Frame, error) {
	for !r.Ready() {
		if r.err == nil && r.end-r.start > r.max {
			r.err = ErrFrameTooLarge
		}
		if r.err != nil {
			return r.last()
		}
		r.fill()
	}
	raw := r.buf[r.start:r.frame]
	if len(raw) > r.max {
		r.err = ErrFrameTooLarge
		r.discard()
		return Frame{}, r.err
	}
	r.start, r.frame = r.frame, 0
	f := parse(raw, !r.began)
	r.began = true
	return f, nil
}

// Ready reports whether another whole frame is here, so that Next won't read.
func (r *Reader) Ready() bool {
	for r.frame == 0 && r.seen < r.end {
		i := lineBreak(r.buf[r.seen:r.end])
		if i < 0 {
			r.seen = r.end
			break
		}
		r.endLine(r.seen + i)
	}
	return r.frame > 0
}

// endLine takes note of the line break at a place. A \r ends a line at once: waiting for the \n that may follow would
// hold a frame back; it belongs to the next one then.
func (r *Reader) endLine(at int) {
	if r.buf[at] == '\n' && r.afterCR && at == r.line {
		r.afterCR = false
		r.line, r.seen = at+1, at+1
		return
	}
	blank := at == r.line
	next := at + 1
	r.afterCR = r.buf[at] == '\r'
	if r.afterCR && next < r.end && r.buf[next] == '\n' {
		r.afterCR = false
		next++
	}
	r.line, r.seen = next, next
	if blank {
		r.frame = next
	}
}

// Close lets go of the buffer. Frames stay valid; Next returns io.ErrClosedPipe from then on.
func (r *Reader) Close() {
	r.discard()
	r.buf, r.err = nil, io.ErrClosedPipe
}

// Reset makes the reader read another stream into the buffer it has.
func (r *Reader) Reset(src io.Reader) { *r = Reader{src: src, max: r.max, buf: r.buf} }

// discard forgets what is buffered.
func (r *Reader) discard() { r.start, r.line, r.seen, r.end, r.frame = 0, 0, 0, 0, 0 }

// fill reads more, after making room.
func (r *Reader) fill() {
	r.makeRoom()
	for range emptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.full = r.end == len(r.buf)
		if r.err = err; n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}

func (r *Reader) makeRoom() {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.line, r.seen, r.end, r.start = r.line-r.start, r.seen-r.start, r.end-r.start, 0
	}
	size := max(initialSize, 2*len(r.buf))
	switch {
	case r.full && len(r.buf) < burstSize:
		size = burstSize
	case r.end < len(r.buf):
		return
	}
	bigger := make([]byte, size)
	copy(bigger, r.buf[:r.end])
	r.buf = bigger
}

// last ends the stream. It tells an end at a frame boundary from one within a frame: a lone \n that is left over is the
// second half of the line break that ended the last frame.
func (r *Reader) last() (Frame, error) {
	rest := r.buf[r.start:r.end]
	switch {
	case !errors.Is(r.err, io.EOF) || len(rest) == 0:
		return Frame{}, r.err
	case len(rest) == 1 && rest[0] == '\n' && r.line == r.end:
		r.start = r.end
		return Frame{Raw: rest, Comment: true}, nil
	}
	return Frame{}, io.ErrUnexpectedEOF
}

// window bounds how far beyond a line's end a search may look: a stream of \r would be searched to its end for a \n at
// every line otherwise.
const window = 512

// lineBreak returns the place of the first \n or \r, or -1.
func lineBreak(b []byte) int {
	for from := 0; from < len(b); from += window {
		part := b[from:min(from+window, len(b))]
		lf := bytes.IndexByte(part, '\n')
		if lf >= 0 {
			part = part[:lf]
		}
		if cr := bytes.IndexByte(part, '\r'); cr >= 0 {
			return from + cr
		}
		if lf >= 0 {
			return from + lf
		}
	}
	return -1
}
