package h1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/h1"
)

// handled is a transport to a server that does anything with a connection; nth counts from 1.
func handled(t *testing.T, do func(nth int64, conn *net.TCPConn, r *bufio.Reader)) (*h1.Transport, *atomic.Int64) {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for nth := int64(1); ; nth++ {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				tcp, _ := conn.(*net.TCPConn)
				do(nth, tcp, bufio.NewReader(conn))
			})
		}
	})
	tr, conns := dialled(t, lis.Addr().String())
	t.Cleanup(func() { tr.Close(); lis.Close(); wg.Wait() })
	return tr, conns
}

// heard reads a request to its end.
func heard(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err == nil
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

var get = h1.Request{Method: http.MethodGet, Target: "/", Host: "there"}

// A server that ends a kept connection just as it is used again answered nothing: what only asks is asked once more, as
// net/http does; what may have been done isn't.
func TestKeptConnectionsThatEndUnderARequest(t *testing.T) {
	for _, how := range []string{"FIN", "RST"} {
		for _, r := range []h1.Request{get, post} {
			t.Run(how+" "+r.Method, func(t *testing.T) {
				var requests atomic.Int64
				tr, conns := handled(t, func(nth int64, conn *net.TCPConn, in *bufio.Reader) {
					for heard(in) {
						if requests.Add(1) == 2 {
							if how == "RST" {
								_ = conn.SetLinger(0)
							}
							return
						}
						_, _ = io.WriteString(conn, okAnswer)
					}
				})
				whole(t.Context(), t, tr, r)
				resp, err := tr.RoundTrip(t.Context(), r)
				if err == nil {
					resp.Body.Close()
				}
				if again := err == nil; again != (r.Method == http.MethodGet) {
					t.Errorf("error %v after %d requests", err, requests.Load())
				}
				if r.Method == http.MethodPost && (requests.Load() != 2 || conns.Load() != 1) {
					t.Errorf("%d requests, %d connections", requests.Load(), conns.Load())
				}
			})
		}
	}
}

// Half an answer is one: nothing is asked again.
func TestHalfAnAnswerIsNotAskedForAgain(t *testing.T) {
	tr, conns := scripted(t, okAnswer, "HTTP/1.1 2")
	whole(t.Context(), t, tr, get)
	if _, err := tr.RoundTrip(t.Context(), get); err == nil || conns.Load() != 1 {
		t.Errorf("%v, %d connections", err, conns.Load())
	}
}

func TestTargetsThatSplitAreRefused(t *testing.T) {
	tr, _ := served(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for _, r := range []h1.Request{
		{Method: "GET", Target: "/a?b\r\nX: 1", Host: "h"},
		{Method: "GET", Target: "/\x7f", Host: "h"},
		{Method: "GET", Target: "/", Host: "h\r\nX: 1"},
		{Method: "GET", Target: "/", Host: "h\nX: 1"},
	} {
		if _, err := tr.RoundTrip(t.Context(), r); !errors.Is(err, h1.ErrRequest) {
			t.Errorf("%q: %v", r, err)
		}
	}
}

// Servers refuse a POST without any length (411).
func TestThePostWithoutABody(t *testing.T) {
	said := make(chan string, 1)
	tr, _ := handled(t, func(_ int64, conn *net.TCPConn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		said <- req.Header.Get("Content-Length")
		_, _ = io.WriteString(conn, okAnswer)
	})
	whole(t.Context(), t, tr, h1.Request{Method: http.MethodPost, Target: "/", Host: "h"})
	if got := <-said; got != "0" {
		t.Errorf("Content-Length %q", got)
	}
}

// A dialler that knows a deadline gives up at it, with an error of its own, before the context ends: nobody could tell it
// from a server that can't be reached.
func TestTheDeadlineOfACallIsNotTheDiallers(t *testing.T) {
	late := errors.New("the total timer")
	tr, _ := dialled(t, "")
	tr.Dial = func(ctx context.Context) (net.Conn, error) {
		if deadline, ok := ctx.Deadline(); ok {
			time.Sleep(time.Until(deadline) - time.Millisecond)
			return nil, errors.New("i/o timeout")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, late)
	defer cancel()
	if _, err := tr.RoundTrip(ctx, post); !errors.Is(err, late) {
		t.Errorf("error %v", err)
	}
}

func TestManyInterimAnswers(t *testing.T) {
	tr, _ := scripted(t, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100)+okAnswer)
	if _, text := whole(t.Context(), t, tr, post); text != "ok" {
		t.Errorf("%q", text)
	}
	var sent atomic.Int64
	tr, _ = handled(t, func(_ int64, conn *net.TCPConn, in *bufio.Reader) {
		for heard(in) {
			for {
				n, err := io.WriteString(conn, "HTTP/1.1 102 Processing\r\n\r\n")
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}
	})
	if _, err := tr.RoundTrip(t.Context(), post); err == nil {
		t.Error("a flood of them is an answer")
	}
}

// An answer that nobody asked for, and comes after the connection was kept, isn't the next request's.
func TestALateSecondAnswerIsNobodys(t *testing.T) {
	come := make(chan struct{})
	tr, conns := handled(t, func(nth int64, conn *net.TCPConn, in *bufio.Reader) {
		for heard(in) {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", nth%10)
			time.Sleep(2 * time.Millisecond)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
			come <- struct{}{}
		}
	})
	for i := range 20 {
		if _, text := whole(t.Context(), t, tr, post); text == "bad" {
			t.Fatal("another request's answer")
		}
		<-come
		time.Sleep(time.Millisecond)
		if conns.Load() != int64(i+1) {
			t.Errorf("%d connections", conns.Load())
		}
	}
}

// An answer before the request was read, from a server that then closes, with what it didn't read unread: a RST.
func TestAnswersBeforeTheRequestWasRead(t *testing.T) {
	large := post
	large.Body = make([]byte, h1.MaxBody)
	refused := "HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
	tr, _ := handled(t, func(_ int64, conn *net.TCPConn, in *bufio.Reader) {
		_, _ = in.Peek(1)
		_, _ = io.WriteString(conn, refused)
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	})
	for range 20 {
		if status, text := whole(t.Context(), t, tr, large); status != 413 || text != "no" {
			t.Errorf("%d %q", status, text)
		}
	}
	// and one that never reads
	done := make(chan struct{})
	tr, _ = handled(t, func(_ int64, conn *net.TCPConn, in *bufio.Reader) {
		_, _ = io.WriteString(conn, refused)
		<-done
	})
	if status, _ := whole(t.Context(), t, tr, large); status != 413 {
		t.Errorf("%d", status)
	}
	close(done)
}

func TestOddAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		answer, text string
		fails        bool
	}{
		"trailers and extensions": {head + "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;x\r\nX-T: 1\r\n\r\n", "ok", false},
		"length and chunks":       {head + "Content-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false},
		"the same length twice":   {head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok", false},
		"two lengths":             {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "", true},
		"a negative length":       {head + "Content-Length: -2\r\n\r\nok", "", true},
		"a length with a sign":    {head + "Content-Length: +2\r\n\r\nok", "", true},
		"an unknown coding":       {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "", true},
		"a negative chunk":        {head + "Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n", "", true},
		"a huge chunk":            {head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n0\r\n\r\n", "", true},
		"no end of the trailers":  {head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1", "", true},
		"gzip unasked":            {head + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "ok", false},
		"a status below 100":      {"HTTP/1.1 099 No\r\nContent-Length: 40\r\n\r\n" + head + "Content-Length: 1\r\n\r\nx", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _ := scripted(t, c.answer)
			resp, err := tr.RoundTrip(t.Context(), post)
			if err == nil {
				defer resp.Body.Close()
				var data []byte
				if data, err = io.ReadAll(resp.Body); !c.fails && string(data) != c.text {
					t.Errorf("%q", data)
				}
			}
			if (err != nil) != c.fails {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A head of exactly MaxHeader, one byte at a time too.
func TestHeadsOfEverySize(t *testing.T) {
	for _, extra := range []int{0, 8 << 10} {
		t.Run(fmt.Sprint(extra), func(t *testing.T) {
			tr, _ := handled(t, func(_ int64, conn *net.TCPConn, in *bufio.Reader) {
				for heard(in) {
					text := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: "
					text += strings.Repeat("x", 16<<10-len(text)-4+extra) + "\r\n\r\n"
					for i := range 50 {
						_, _ = io.WriteString(conn, text[i:i+1])
					}
					_, _ = io.WriteString(conn, text[50:])
				}
			})
			resp, err := tr.RoundTrip(t.Context(), post)
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != (extra == 0) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Cancel, Close and expiry at every moment, over servers that close when they like: no answer astray, nothing left.
func TestEverythingAtOnce(t *testing.T) {
	tr, _ := handled(t, func(nth int64, conn *net.TCPConn, in *bufio.Reader) {
		for i := 0; ; i++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			data, _ := io.ReadAll(req.Body)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(data), data)
			if i == int(nth%50) {
				return
			}
		}
	})
	tr.MaxIdle, tr.IdleTimeout = 4, time.Millisecond
	var wg sync.WaitGroup
	var read, failed atomic.Int64
	for worker := range 16 {
		wg.Go(func() {
			for i := range 700 {
				id := fmt.Sprintf("%d-%d", worker, i)
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
				}
				if i%300 == 299 && worker == 0 {
					tr.Close()
				}
				r := post
				r.Body = []byte(id)
				resp, err := tr.RoundTrip(ctx, r)
				if err == nil {
					var data []byte
					if data, err = io.ReadAll(resp.Body); err == nil && string(data) != id {
						t.Errorf("%s got %q", id, data)
					}
					resp.Body.Close()
				}
				if err != nil {
					failed.Add(1)
				} else {
					read.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	tr.Close()
	t.Logf("%d read, %d failed, %d goroutines", read.Load(), failed.Load(), runtime.NumGoroutine())
	if read.Load() < 5000 {
		t.Errorf("%d read, %d failed", read.Load(), failed.Load())
	}
}
