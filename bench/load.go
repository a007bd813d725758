package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// patience is how long after a window's end an answer may still take.
	patience = 15 * time.Second
	// ramp is the time over which the slow streams begin: all at once would measure the burst.
	ramp = time.Second
)

// answer is how one request went: the time to the first content, and to the end.
type answer struct{ first, total time.Duration }

// load is everything that one window gave.
type load struct {
	answers []answer
	took    time.Duration
	err     error // the first failure; the window then doesn't count
}

// drive opens the connections and keeps each busy until the window is over, one request at a time; in a slow scenario
// each asks once. It stops early when ctx does.
func drive(ctx context.Context, addr string, keys []string, s scenario, window time.Duration) load {
	clients, err := dialAll(ctx, addr, keys, s)
	defer func() {
		for _, c := range clients {
			c.conn.Close()
		}
	}()
	if err != nil {
		return load{err: err}
	}
	stop := context.AfterFunc(ctx, func() {
		for _, c := range clients {
			c.conn.Close()
		}
	})
	defer stop()
	lists, errs := make([][]answer, s.conns), make([]error, s.conns)
	var wg sync.WaitGroup
	begin := time.Now()
	for i, c := range clients {
		wg.Go(func() { lists[i], errs[i] = c.work(ctx, begin, window, time.Duration(i)*ramp/time.Duration(s.conns)) })
	}
	wg.Wait()
	out := load{took: time.Since(begin), err: errors.Join(ctx.Err(), first(errs))}
	for _, list := range lists {
		out.answers = append(out.answers, list...)
	}
	return out
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// client is one connection.
type client struct {
	conn  net.Conn
	r     *bufio.Reader
	check *checker
	slow  bool
	// requests are sent in turn, the next one from next on: one with each key.
	requests [][]byte
	next     int
}

// dialAll opens every connection of a scenario; those that it opened are returned with an error too.
func dialAll(ctx context.Context, addr string, keys []string, s scenario) ([]*client, error) {
	var clients []*client
	var requests [][]byte
	for _, key := range keys {
		requests = append(requests, s.request(addr, key))
	}
	for i := range s.conns {
		conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return clients, err
		}
		c := newClient(conn, s, requests)
		c.next = i * len(requests) / s.conns // so that they don't all present the same key
		clients = append(clients, c)
	}
	return clients, nil
}

func newClient(conn net.Conn, s scenario, requests [][]byte) *client {
	return &client{conn: conn, r: bufio.NewReaderSize(conn, 16<<10), requests: requests, check: newChecker(s), slow: s.slow()}
}

func (c *client) work(ctx context.Context, begin time.Time, window, delay time.Duration) ([]answer, error) {
	end := begin.Add(window)
	if err := c.conn.SetDeadline(end.Add(patience)); err != nil {
		return nil, err
	}
	if c.slow {
		if err := pause(ctx, delay); err != nil {
			return nil, err
		}
		a, err := c.ask()
		return []answer{a}, err
	}
	var list []answer
	for time.Now().Before(end) {
		a, err := c.ask()
		if err != nil {
			return list, err
		}
		list = append(list, a)
	}
	return list, nil
}

// ask sends the request, reads the whole answer and checks it.
func (c *client) ask() (answer, error) {
	var a answer
	c.check.reset()
	request := c.requests[c.next%len(c.requests)]
	c.next++
	begin := time.Now()
	if _, err := c.conn.Write(request); err != nil {
		return a, err
	}
	b, err := readHead(c.r)
	if err != nil {
		return a, err
	}
	for {
		piece, err := b.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a, err
		}
		c.check.write(piece)
		if a.first == 0 && c.check.chunks > 0 {
			a.first = time.Since(begin)
		}
	}
	a.total = time.Since(begin)
	return a, c.check.whole()
}
