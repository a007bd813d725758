package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

var (
	errHead    = errors.New("a response head that isn't HTTP/1.1")
	errFraming = errors.New("broken chunked encoding")
	errStatus  = errors.New("status isn't 200")
)

// body is one response's body. Its pieces are the reader's own memory: nothing is copied.
type body struct {
	r       *bufio.Reader
	chunked bool
	// left is what is missing of the body, or of the chunk that is being read.
	left int64
	// given is what the last call of next gave, and begun whether a chunk has been.
	given int
	begun bool
}

// readHead reads a response's status line and header; any status but 200 is errStatus. It replaces the standard library's
// client, which costs more than what is measured, and knows only what the three servers send: a length or chunks.
func readHead(r *bufio.Reader) (*body, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return nil, errHead
	}
	if status := string(line[9:12]); status != strconv.Itoa(http.StatusOK) {
		return nil, fmt.Errorf("%w but %s", errStatus, status)
	}
	b := &body{r: r, left: -1}
	for {
		if line, err = readLine(r); err != nil {
			return nil, err
		}
		if len(line) == 0 {
			break
		}
		if err := b.field(line); err != nil {
			return nil, err
		}
	}
	if !b.chunked && b.left < 0 {
		return nil, fmt.Errorf("%w: neither length nor chunks", errHead)
	}
	return b, nil
}

// field takes one header field.
func (b *body) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return errHead
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: length %q", errHead, value)
		}
		b.left = n
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		b.chunked, b.left = bytes.EqualFold(value, []byte("chunked")), 0
	}
	return nil
}

// next returns as much of the body as has come, and waits if that is nothing; io.EOF after the last byte. The piece is
// valid until the next call.
func (b *body) next() ([]byte, error) {
	_, _ = b.r.Discard(b.given) // it was peeked, so it is there
	b.left -= int64(b.given)
	b.given = 0
	if b.left == 0 {
		if err := b.more(); err != nil {
			return nil, err
		}
	}
	if _, err := b.r.Peek(1); err != nil {
		return nil, unexpected(err)
	}
	b.given = int(min(int64(b.r.Buffered()), b.left))
	return b.r.Peek(b.given)
}

// more reads up to the data of the next chunk, or to the body's end.
func (b *body) more() error {
	if !b.chunked {
		return io.EOF
	}
	if b.begun {
		if line, err := readLine(b.r); err != nil || len(line) > 0 {
			return errors.Join(errFraming, err)
		}
	}
	b.begun = true
	line, err := readLine(b.r)
	if err != nil {
		return err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	b.left, err = strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 64)
	if err != nil || b.left < 0 {
		return fmt.Errorf("%w: size %q", errFraming, line)
	}
	if b.left > 0 {
		return nil
	}
	for { // trailers
		if line, err = readLine(b.r); err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
	}
}

// readLine returns one line without its end, valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, unexpected(err)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// unexpected: wherever this is called, the connection may not end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
