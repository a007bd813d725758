package sim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestStatusFaults(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]struct {
		script     string
		status     int
		openAIType string
		claudeType string
	}{
		"400": {"status=400", 400, invalidRequest, invalidRequest},
		"401": {"status=401", 401, invalidRequest, "authentication_error"},
		"402": {"status=402", 402, invalidRequest, "billing_error"},
		"403": {"status=403", 403, invalidRequest, "permission_error"},
		"404": {"status=404", 404, invalidRequest, "not_found_error"},
		"409": {"status=409", 409, invalidRequest, "conflict_error"},
		"413": {"status=413", 413, invalidRequest, "request_too_large"},
		"429": {"status=429", 429, "requests", "rate_limit_error"},
		"500": {"status=500", 500, "server_error", "api_error"},
		"503": {"status=503", 503, "server_error", "api_error"},
		"504": {"status=504", 504, "server_error", "timeout_error"},
		"529": {"status=529", 529, "server_error", "overloaded_error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := chat(t, srv, helloStream, tt.script)
			if got := dig(t, res.body, "error", "type"); res.StatusCode != tt.status || got != tt.openAIType {
				t.Errorf("openai: %d %v", res.StatusCode, got)
			}
			res = postMessage(t, srv, claudeStream, tt.script)
			if got := dig(t, res.body, "error", "type"); res.StatusCode != tt.status || got != tt.claudeType {
				t.Errorf("anthropic: %d %v", res.StatusCode, got)
			}
		})
	}
}

func TestRetryHints(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	res := chat(t, srv, hello, "status=429, code=insufficient_quota; retry_after=2, retry_after_ms=50, should_retry=false")
	h := res.Header
	if h.Get("retry-after") != "2" || h.Get("retry-after-ms") != "50" || h.Get("x-should-retry") != "false" {
		t.Errorf("headers %v", h)
	}
	if dig(t, res.body, "error", "type") != "insufficient_quota" || dig(t, res.body, "error", "code") != "insufficient_quota" {
		t.Errorf("body %s", res.body)
	}
	res = postMessage(t, srv, claude, "status=429,code=enforced_spend_limit_reached")
	if dig(t, res.body, "error", "details", "error_code") != "enforced_spend_limit_reached" || res.Header.Get("x-should-retry") != "true" {
		t.Errorf("%v %s", res.Header, res.body)
	}
}

func TestStreamFaults(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	full := chat(t, srv, helloStream, "chunks=5")
	events := len(parse(t, full.body))
	tests := map[string]struct {
		script string
		events int
		broken bool   // the transport fails
		ends   string // the body's end
	}{
		"whole":       {"chunks=5", events, false, "data: [DONE]\n\n"},
		"cut 0":       {"chunks=5,cut=0", 0, false, ""},
		"cut 3":       {"chunks=5,cut=3", 3, false, "}\n\n"},
		"cut late":    {"chunks=5,cut=999", events, false, "data: [DONE]\n\n"},
		"reset 3":     {"chunks=5,reset=3", 3, true, "}\n\n"},
		"no terminal": {"chunks=5,no_terminal", events - 1, false, "}}\n\n"},
		"error 0":     {"chunks=5,error=0", 1, false, `"server_error","param":null,"code":null}}` + "\n\n"},
		"error 3":     {"chunks=5,error=3", 4, false, `"server_error","param":null,"code":null}}` + "\n\n"},
		"crlf":        {"chunks=5,crlf", events, false, "data: [DONE]\r\n\r\n"},
		"comments":    {"chunks=5,comments", events, false, ": keepalive\n\ndata: [DONE]\n\n"},
		"split":       {"chunks=5,split=9,cut=4", 4, false, "}\n\n"},
		"slow":        {"chunks=1,slow=1us", 5, false, "data: [DONE]\n\n"},
		"config none": {"none,chunks=5", events, false, "data: [DONE]\n\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := chat(t, srv, helloStream, tt.script)
			if (res.err != nil) != tt.broken {
				t.Errorf("transport error %v", res.err)
			}
			if got := len(parse(t, res.body)); got != tt.events {
				t.Errorf("%d events, want %d: %s", got, tt.events, res.body)
			}
			if !strings.HasSuffix(string(res.body), tt.ends) || strings.Contains(string(res.body), "\r") != (name == "crlf") {
				t.Errorf("ends %q", res.body[max(0, len(res.body)-60):])
			}
		})
	}
}

func TestByteFaults(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	for _, body := range []string{hello, helloStream} {
		full := chat(t, srv, body, "")
		for _, n := range []int{0, 1, 100, len(full.body) - 1, len(full.body), len(full.body) + 1} {
			for _, word := range []string{"cut_bytes", "reset_bytes"} {
				res := chat(t, srv, body, word+"="+itoa(n))
				if want := full.body[:min(n, len(full.body))]; string(res.body) != string(want) {
					t.Errorf("%s=%d: %d bytes", word, n, len(res.body))
				}
				if broken := word == "reset_bytes" && n < len(full.body); (res.err != nil) != broken {
					t.Errorf("%s=%d: transport error %v", word, n, res.err)
				}
			}
		}
	}
}

func TestAnthropicStreamFaults(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	events := parse(t, postMessage(t, srv, claudeStream, "error=4").body)
	if last := events[4]; len(events) != 5 || last.name != "error" || dig(t, []byte(last.data), "error", "type") != "overloaded_error" {
		t.Errorf("error=4: %v", events)
	}
	events = parse(t, postMessage(t, srv, claudeStream, "no_terminal").body)
	if last := events[len(events)-1]; last.name != "message_delta" {
		t.Errorf("no_terminal: ends with %v", last)
	}
}

func TestMalformedEvent(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	for i, e := range parse(t, chat(t, srv, helloStream, "malformed=3,chunks=4").body) {
		if ok := jsonOK(e.data) || e.data == "[DONE]"; ok == (i == 2) {
			t.Errorf("event %d is %q", i+1, e.data)
		}
	}
	if res := chat(t, srv, hello, "malformed=1"); jsonOK(string(res.body)) || res.err != nil {
		t.Errorf("whole answer %s, %v", res.body, res.err)
	}
}

func TestOddAnswers(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]struct{ sort, starts string }{
		"garbage":      {"text/html; charset=utf-8", "<!DOCTYPE"},
		"garbage=text": {"text/plain; charset=utf-8", "upstream"},
		"empty":        {"application/json", ""},
	}
	for script, tt := range tests {
		res := chat(t, srv, helloStream, script)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != tt.sort || !strings.HasPrefix(string(res.body), tt.starts) {
			t.Errorf("%s: %d %v %s", script, res.StatusCode, res.Header, res.body)
		}
	}
	if res := chat(t, srv, hello, "abort"); res.err == nil {
		t.Errorf("abort: %d %s", res.StatusCode, res.body)
	}
	if res := chat(t, srv, hello, "error=0"); res.StatusCode != 500 {
		t.Errorf("error on a whole answer: %d", res.StatusCode)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	for i, want := range []int{503, 503, 200, 200} {
		if res := chat(t, srv, hello, "status=503,times=2"); res.StatusCode != want {
			t.Errorf("attempt %d: %d", i+1, res.StatusCode)
		}
	}
	if res := chat(t, srv, strings.Replace(hello, "hello", "other", 1), "status=503,times=2"); res.StatusCode != 503 {
		t.Errorf("another body: %d", res.StatusCode)
	}
}

func TestWhereScriptsStand(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Faults: "status=500"})
	msg := `"messages":[{"role":"user","content":"x"}]`
	tests := map[string]struct {
		body, header string
		anthropic    bool
		status       int
		says         string
	}{
		"configuration": {`{"model":"gpt-5",` + msg + `}`, "", false, 500, ""},
		"model":         {`{"model":"gpt-5#status=503",` + msg + `}`, "", false, 503, ""},
		"model, claude": {`{"model":"claude-x#none","max_tokens":5,` + msg + `}`, "", true, 200, ""},
		"user":          {`{"model":"gpt-5#status=503","user":"sim:status=504",` + msg + `}`, "", false, 504, ""},
		"other user":    {`{"model":"gpt-5","user":"status=504",` + msg + `}`, "", false, 500, ""},
		"metadata":      {`{"model":"gpt-5","metadata":{"sim":"none"},` + msg + `}`, "", false, 200, ""},
		"user id":       {`{"model":"claude-x","max_tokens":5,"metadata":{"user_id":"sim:none"},` + msg + `}`, "", true, 200, ""},
		"header":        {`{"model":"gpt-5#status=503",` + msg + `}`, "status=502", false, 502, ""},
		"unknown word":  {`{"model":"gpt-5",` + msg + `}`, "explode=1", false, 400, `unknown script word "explode"`},
		"bad value":     {`{"model":"gpt-5",` + msg + `}`, "ttft=soon", false, 400, `script word "ttft"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			post := chat
			if tt.anthropic {
				post = postMessage
			}
			res := post(t, srv, tt.body, tt.header)
			if says, _ := dig(t, res.body, "error", "message").(string); res.StatusCode != tt.status || !strings.Contains(says, tt.says) {
				t.Errorf("%d %s", res.StatusCode, res.body)
			}
		})
	}
}

func TestEarlyAnswersBeforeTheBody(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	for script, want := range map[string]int{"early,status=429": 429, "early": 413} {
		unsent, w := io.Pipe()
		r := request(t.Context(), t, srv, http.MethodPost, "/v1/chat/completions", "", "X-Sim-Script", script)
		r.Body, r.ContentLength = unsent, 1000
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		_ = res.Body.Close()
		_ = w.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d", script, res.StatusCode)
		}
	}
}

func TestWaitingEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	for script, begins := range map[string]bool{
		"hang": false, "header_delay=1h": false, "stall=2": true, "stall=0": true, "ttft=1h": true, "chunk_delay=1h": true, "slow=1h": true,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s, srv := server(t, Config{Now: time.Now})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if begins {
				res, err := srv.Client().Do(request(ctx, t, srv, http.MethodPost, "/v1/chat/completions", helloStream, "Authorization", "Bearer k", "X-Sim-Script", script))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
			} else {
				go leaveWhenOpen(s, cancel)
				_, err := srv.Client().Do(request(ctx, t, srv, http.MethodPost, "/v1/chat/completions", helloStream, "Authorization", "Bearer k", "X-Sim-Script", script)) //nolint:bodyclose // there is none
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("error %v", err)
				}
			}
			if begins && s.Stats().OpenStreams != 1 {
				t.Errorf("open streams: %+v", s.Stats())
			}
			left := time.Now()
			cancel()
			eventually(t, func() bool { st := s.Stats(); return st.Open == 0 && st.OpenStreams == 0 && st.Cancelled == 1 })
			if at := s.Stats().Cancels[0].At; at.Sub(left) > time.Second {
				t.Errorf("noticed after %v", at.Sub(left))
			}
		})
	}
}

func leaveWhenOpen(s *Sim, leave func()) {
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		if s.Stats().Open > 0 {
			tick.Stop()
			leave()
			return
		}
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it never came to pass")
		}
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	tests := map[string]struct {
		body, script string
		atLeast      time.Duration
	}{
		"header":       {hello, "header_delay=30ms", 30 * time.Millisecond},
		"fault":        {hello, "header_delay=30ms,status=500", 30 * time.Millisecond},
		"whole":        {hello, "ttft=30ms", 30 * time.Millisecond},
		"first chunk":  {helloStream, "ttft=30ms,chunks=1", 30 * time.Millisecond},
		"other chunks": {helloStream, "chunk_delay=10ms,chunks=4", 30 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			chat(t, srv, tt.body, tt.script)
			if took := time.Since(begun); took < tt.atLeast {
				t.Errorf("took %v, want at least %v", took, tt.atLeast)
			}
		})
	}
}

func TestResetIsATCPReset(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nX-Sim-Script: reset=1\r\nContent-Length: "+itoa(len(helloStream))+"\r\n\r\n"+helloStream)
	got, err := io.ReadAll(conn)
	if err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("error %v after %s", err, got)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s, srv := server(t, Config{})
	s.Replay(Replay{Contains: "stream", Header: http.Header{"content-type": {"text/event-stream"}}, Body: []byte("data: 1\n\ndata: 2\r\n\r\ndata: 3\n\n"), Times: 2})
	s.Replay(Replay{Path: "/v1/messages", Status: 529, Header: http.Header{"Request-Id": {"req_recorded"}}, Body: []byte("busy")})
	if res := chat(t, srv, helloStream, ""); string(res.body) != "data: 1\n\ndata: 2\r\n\r\ndata: 3\n\n" || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %v %q", res.Header, res.body)
	}
	if res := chat(t, srv, helloStream, "cut=2"); string(res.body) != "data: 1\n\ndata: 2\r\n\r\n" {
		t.Errorf("cut: got %q", res.body)
	}
	if res := chat(t, srv, helloStream, ""); !strings.HasSuffix(string(res.body), "data: [DONE]\n\n") {
		t.Errorf("used up: got %q", res.body)
	}
	if res := postMessage(t, srv, claude, ""); res.StatusCode != 529 || string(res.body) != "busy" || res.Header.Get("Request-Id") != "req_recorded" {
		t.Errorf("got %d %v %q", res.StatusCode, res.Header, res.body)
	}
	if res := postMessage(t, srv, claude, ""); res.StatusCode != 200 {
		t.Errorf("used up: got %d", res.StatusCode)
	}
}

// nowhere is a response that goes nowhere.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Flush()                      {}

// BenchmarkHandler measures the simulator's own share, without HTTP.
func BenchmarkHandler(b *testing.B) {
	for name, body := range map[string]string{"whole": hello, "stream50": strings.Replace(helloStream, "gpt-4o", "gpt-4o#chunks=50,chunk_bytes=20", 1)} {
		b.Run(name, func(b *testing.B) {
			s, err := New(Config{Recent: -1})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer k")
				s.ServeHTTP(nowhere{http.Header{}}, r)
			}
		})
	}
}

// BenchmarkChat measures a small whole answer and an ordinary stream over loopback.
func BenchmarkChat(b *testing.B) {
	for name, body := range map[string]string{"whole": hello, "stream50": strings.Replace(helloStream, "gpt-4o", "gpt-4o#chunks=50,chunk_bytes=20", 1)} {
		b.Run(name, func(b *testing.B) {
			s, err := New(Config{Recent: -1})
			if err != nil {
				b.Fatal(err)
			}
			srv := httptest.NewServer(s)
			defer srv.Close()
			b.ReportAllocs()
			for b.Loop() {
				r, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, srv.URL+"/v1/chat/completions", strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer k")
				res, err := srv.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
}
