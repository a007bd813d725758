package edge_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// outcome is what ReadBody returned.
type outcome struct {
	body []byte
	err  error
}

func (o outcome) reason() errorsv1.Reason {
	if o.err == nil {
		return 0
	}
	return fault.From(o.err).Reason
}

// reading serves ReadBody and hands on what it returned.
func reading(t *testing.T, l edge.Limits) (url string, outcomes <-chan outcome) {
	t.Helper()
	got := make(chan outcome, 1)
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := edge.ReadBody(w, r, l)
		got <- outcome{body, err}
		if err != nil {
			w.Header().Set("Connection", "close")
		}
	})), got
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	full := strings.Repeat("x", limit)
	const tooLarge, media = errorsv1.Reason_REASON_REQUEST_TOO_LARGE, errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE
	cases := []struct {
		name, body string
		chunked    bool
		encoding   string
		want       errorsv1.Reason
	}{
		{"empty", "", false, "", 0},
		{"empty, chunked", "", true, "", 0},
		{"small", "{}", false, "", 0},
		{"small, chunked", "{}", true, "", 0},
		{"as long as a step", full[:16<<10], true, "", 0},
		{"a byte more than a step", full[:16<<10+1], true, "", 0},
		{"as large as it may be", full, false, "", 0},
		{"as large as it may be, chunked", full, true, "", 0},
		{"a byte too large", full + "x", false, "", tooLarge},
		{"a byte too large, chunked", full + "x", true, "", tooLarge},
		{"far too large, chunked", full + full + full, true, "", tooLarge},
		{"identity", "{}", false, "identity", 0},
		{"gzip", "\x1f\x8b\x08", false, "gzip", media},
		{"gzip and identity", "{}", false, "identity, gzip", media},
		{"br", "{}", true, "br", media},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := limits
			l.MaxBody = limit
			url, got := reading(t, l)
			var body io.Reader = strings.NewReader(c.body)
			if c.chunked {
				body = io.MultiReader(body) // hides the length
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
			if err != nil {
				t.Fatal(err)
			}
			if c.encoding != "" {
				req.Header.Set("Content-Encoding", c.encoding)
			}
			go sendOff(req)
			o := <-got
			if o.reason() != c.want {
				t.Fatalf("%v, want %v", o.err, c.want)
			}
			if c.want == 0 && string(o.body) != c.body {
				t.Errorf("%d bytes of %d", len(o.body), len(c.body))
			}
			if c.want == tooLarge && fault.From(o.err).Metadata["limit_bytes"] != "100000" {
				t.Errorf("%v", fault.From(o.err).Metadata)
			}
		})
	}
}

// sendOff sends a request whose answer doesn't matter.
func sendOff(req *http.Request) {
	transport := &http.Transport{DisableKeepAlives: true}
	if resp, err := transport.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	}
}

// raw opens a connection and writes text to it.
func raw(t *testing.T, url, request string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestReadBodyTooLargeByItsWord: a length that is too large is refused before a byte of the body is here.
func TestReadBodyTooLargeByItsWord(t *testing.T) {
	t.Parallel()
	url, got := reading(t, limits)
	raw(t, url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
	if o := <-got; o.reason() != errorsv1.Reason_REASON_REQUEST_TOO_LARGE {
		t.Errorf("%v", o.err)
	}
}

func TestReadBodySlow(t *testing.T) {
	t.Parallel()
	l := limits
	l.ReadProgress = 40 * time.Millisecond
	for name, request := range map[string]string{
		"not a byte":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"half":             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello",
		"an endless chunk": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, got := reading(t, l)
			raw(t, url, request)
			o := <-got
			if status := fault.From(o.err).HTTPStatus(); o.err == nil || status != http.StatusRequestTimeout {
				t.Errorf("%v with status %d", o.err, status)
			}
		})
	}
}

// TestReadBodyDrips: a byte now and then isn't progress.
func TestReadBodyDrips(t *testing.T) {
	t.Parallel()
	l := limits
	l.ReadProgress = 60 * time.Millisecond
	url, got := reading(t, l)
	conn := raw(t, url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	drip := time.NewTicker(10 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case o := <-got:
			if o.err == nil || fault.From(o.err).HTTPStatus() != http.StatusRequestTimeout {
				t.Errorf("%v", o.err)
			}
			return
		case <-drip.C:
			_, _ = io.WriteString(conn, "x")
		case <-t.Context().Done():
			t.Fatal("a client that drips is read for ever")
		}
	}
}

func TestReadBodyCut(t *testing.T) {
	t.Parallel()
	url, got := reading(t, limits)
	conn := raw(t, url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
	_ = conn.Close()
	if o := <-got; o.reason() != errorsv1.Reason_REASON_CANCELLED {
		t.Errorf("%v", o.err)
	}
}

func TestReadBodyBadChunk(t *testing.T) {
	t.Parallel()
	url, got := reading(t, limits)
	raw(t, url, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")
	if o := <-got; o.err == nil || fault.From(o.err).HTTPStatus() >= 500 {
		t.Errorf("%v", o.err)
	}
}

// TestReadBodyClearsItsDeadline: the answer may take longer than the body did.
func TestReadBodyClearsItsDeadline(t *testing.T) {
	t.Parallel()
	l := limits
	l.ReadProgress = 150 * time.Millisecond
	left := make(chan error, 1)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := edge.ReadBody(w, r, l); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
		case <-time.After(2 * l.ReadProgress):
		}
		left <- context.Cause(r.Context())
	}))
	conn := raw(t, url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	if err := <-left; err != nil {
		t.Errorf("the request ended: %v", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "200") {
		t.Errorf("%q, %v", line, err)
	}
}
