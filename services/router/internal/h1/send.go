package h1

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// buffers hold a request while it is written.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// send writes a request with one call.
func (c *conn) send(r *Request) error {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = r.append((*buf)[:0])
	n, err := c.Write(*buf)
	if err != nil && n == 0 {
		return fmt.Errorf("%w: %w", errNothingSent, err)
	}
	return err
}

// check refuses what would be another request than it seems to be.
func (r *Request) check() error {
	if !httpguts.ValidHeaderFieldName(r.Method) { // both are tokens
		return fmt.Errorf("%w: the method %q", ErrRequest, r.Method)
	}
	if strings.ContainsFunc(r.Target, control) || strings.ContainsFunc(r.Host, control) {
		return fmt.Errorf("%w: the target %q or the host %q", ErrRequest, r.Target, r.Host)
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, invalid) {
			return fmt.Errorf("%w: the name or the value of the header %q", ErrRequest, name)
		}
	}
	return nil
}

func control(c rune) bool { return c < ' ' || c == 0x7f }

func invalid(value string) bool { return !httpguts.ValidHeaderFieldValue(value) }

// again reports whether a request that failed over a kept connection may be sent over another one.
func (r *Request) again(err error) bool {
	return errors.Is(err, errNothingSent) || (r.Method == http.MethodGet && errors.Is(err, errNoAnswer))
}

func (r *Request) append(b []byte) []byte {
	b = append(append(b, r.Method...), ' ')
	b = append(append(b, r.Target...), " HTTP/1.1\r\n"...)
	b = field(b, "Host", r.Host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
			continue
		}
		for _, value := range values {
			b = field(b, name, value)
		}
	}
	if r.Body != nil || r.Method == http.MethodPost { // servers want a POST's, be it 0
		b = field(b, "Content-Length", strconv.Itoa(len(r.Body)))
	}
	return append(append(b, "\r\n"...), r.Body...)
}

func field(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}
