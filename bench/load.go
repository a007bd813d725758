package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// scenario is one kind of load.
type scenario struct {
	name   string
	model  string
	stream bool
	conns  int
	// chunks is how many content events each stream has; a stream with another number failed.
	chunks int
}

func (s scenario) body() string {
	return fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"system","content":"You answer briefly."},{"role":"user","content":"Explain retrieval-augmented generation to someone who runs a library."}]}`, s.model, s.stream)
}

// answer is how one request went.
type answer struct {
	first, total time.Duration
	err          error
}

// drive keeps every connection busy until the deadline, one request at a time on each, and returns all answers.
func drive(ctx context.Context, addr string, s scenario, window time.Duration) []answer {
	ctx, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	lists := make([][]answer, s.conns)
	var wg sync.WaitGroup
	for i := range s.conns {
		wg.Go(func() { lists[i] = worker(ctx, addr, s) })
	}
	wg.Wait()
	var all []answer
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func worker(ctx context.Context, addr string, s scenario) []answer {
	c, err := dial(ctx, addr, s)
	if err != nil {
		return []answer{{err: err}}
	}
	defer c.conn.Close()
	var list []answer
	for ctx.Err() == nil {
		a := c.ask()
		list = append(list, a)
		if a.err != nil {
			return list
		}
	}
	return list
}

// client is one connection. The standard client costs more than what is measured.
type client struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	buf     []byte
	s       scenario
}

func dial(ctx context.Context, addr string, s scenario) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	body := s.body()
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		addr, key, len(body), body)
	return &client{conn: conn, r: bufio.NewReader(conn), request: []byte(request), buf: make([]byte, 32<<10), s: s}, nil
}

// ask sends the request and reads the whole answer.
func (c *client) ask() answer {
	begin := time.Now()
	if _, err := c.conn.Write(c.request); err != nil {
		return answer{err: err}
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer{err: fmt.Errorf("status %d", resp.StatusCode)}
	}
	return c.read(resp.Body, begin)
}

var errIncomplete = errors.New("an answer that isn't whole")

func (c *client) read(body io.Reader, begin time.Time) answer {
	var a answer
	events, ended := 0, !c.s.stream
	for {
		n, err := body.Read(c.buf)
		if n > 0 {
			if a.first == 0 {
				a.first = time.Since(begin)
			}
			events += bytes.Count(c.buf[:n], []byte(`"content":"`))
			ended = ended || bytes.Contains(c.buf[:n], []byte("[DONE]"))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return answer{err: err}
		}
	}
	a.total = time.Since(begin)
	// One event more than the content has: the first one, with the role and no text. A mark that two reads share isn't
	// counted, so a few may be missing.
	if !ended || a.first == 0 || (c.s.stream && (events < c.s.chunks-2 || events > c.s.chunks+1)) {
		a.err = errIncomplete
	}
	return a
}
