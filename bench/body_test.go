package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBody(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	cases := map[string]struct {
		in, want string
		err      error
	}{
		"length":            {ok + "content-length: 5\r\n\r\nhellorest", "hello", nil},
		"length 0":          {ok + "Content-Length: 0\r\n\r\nrest", "", nil},
		"chunks":            {chunked + "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nrest", "abc0123456789", nil},
		"extension":         {chunked + "3;a=b\r\nabc\r\n0\r\n\r\nrest", "abc", nil},
		"trailer":           {chunked + "1\r\na\r\n0\r\nX: y\r\n\r\nrest", "a", nil},
		"status":            {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "", errStatus},
		"not HTTP":          {"SSH-2.0-OpenSSH\r\n", "", errHead},
		"neither":           {ok + "\r\nhello", "", errHead},
		"negative length":   {ok + "Content-Length: -1\r\n\r\n", "", errHead},
		"cut in head":       {ok + "Content-Le", "", io.ErrUnexpectedEOF},
		"cut in length":     {ok + "Content-Length: 9\r\n\r\nhello", "hello", io.ErrUnexpectedEOF},
		"cut in chunk":      {chunked + "5\r\nabc", "abc", io.ErrUnexpectedEOF},
		"cut between":       {chunked + "3\r\nabc\r\n", "abc", io.ErrUnexpectedEOF},
		"cut before end":    {chunked + "3\r\nabc\r\n0\r\n", "abc", io.ErrUnexpectedEOF},
		"bad size":          {chunked + "x\r\nabc", "", errFraming},
		"longer than it is": {chunked + "2\r\nabc\r\n0\r\n\r\n", "ab", errFraming},
	}
	for name, c := range cases {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				r := bufio.NewReader(wrap(strings.NewReader(c.in)))
				got, err := readAll(r)
				if got != c.want || !errors.Is(err, c.err) {
					t.Fatalf("got %q, %v; want %q, %v", got, err, c.want, c.err)
				}
				if c.err != nil {
					return
				}
				if rest, _ := io.ReadAll(r); string(rest) != "rest" && strings.HasSuffix(c.in, "rest") {
					t.Errorf("the next answer begins with %q", rest)
				}
			})
		}
	}
}

func readAll(r *bufio.Reader) (string, error) {
	b, err := readHead(r)
	if err != nil {
		return "", err
	}
	var got strings.Builder
	for {
		piece, err := b.next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return got.String(), nil
		}
		if err != nil {
			return got.String(), err
		}
		got.Write(piece)
	}
}
