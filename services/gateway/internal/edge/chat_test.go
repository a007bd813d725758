package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

var truncated = fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "provider acme ended its stream")

func TestRequestToRouter(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		dialect *edge.Dialect
		headers []string
		want    string
	}{
		{
			"OpenAI", edge.OpenAI(),
			[]string{"OpenAI-Beta", "a=1", "openai-beta", "b=2", "Anthropic-Version", "x", "Authorization", "Bearer k", "X-Forwarded-For", "1.2.3.4", "Cookie", "c"},
			"openai-beta=a=1 openai-beta=b=2",
		},
		{
			"Anthropic", edge.Anthropic(),
			[]string{"Anthropic-Version", "2023-06-01", "Anthropic-Beta", "x", "OpenAI-Beta", "y", "X-Api-Key", "k", "X-Headgate-Internal-Peer", "p"},
			"anthropic-version=2023-06-01 anthropic-beta=x",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &router{script: saying(io.EOF, ending(begun(head(200, false), "{}"), true))}
			url := edges(t, r, c.dialect, limits)
			_, _ = all(post(t, url+"?beta=true&x=%20", ask, c.headers...))
			var got []string
			for _, h := range r.request.GetHeaders() {
				got = append(got, h.GetName()+"="+h.GetValue())
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("headers %q, want %q", got, c.want)
			}
			if r.request.GetDialect() != c.dialect.ID || r.request.GetOperation() != routerv1.Operation_OPERATION_CHAT ||
				string(r.request.GetBody()) != ask || r.request.GetQuery() != "beta=true&x=%20" {
				t.Errorf("%v", r.request)
			}
		})
	}
}

func TestSteeringToRouter(t *testing.T) {
	t.Parallel()
	r := &router{script: saying(io.EOF, ending(begun(head(200, false), "{}"), true))}
	_, _ = all(post(t, edges(t, r, edge.OpenAI(), limits), ask,
		"X-Headgate-Sensitivity", "high", "X-Headgate-Route", "fast", "X-Headgate-Timeout-Ms", "5", "X-Headgate-Tags", "a=b",
		"X-Headgate-Internal-Peer", "me", "X-Headgate-Provider", "p", "Traceparent", "x", "X-Headgate-Sensitivity", "none"))
	want := map[string]string{
		"x-headgate-sensitivity": "high none", "x-headgate-route": "fast", "x-headgate-timeout-ms": "5", "x-headgate-tags": "a=b",
	}
	for name, values := range r.metadata {
		if strings.Join(values, " ") != want[name] {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestOddBytesTravel: what a client may send in a header or a query has to fit the message to the router, or be refused
// as the client's mistake.
func TestOddBytesTravel(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"header": "POST / HTTP/1.1\r\nHost: x\r\nOpenai-Beta: \xff\xfe\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
		"query":  "POST /?x=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &router{script: saying(io.EOF, ending(begun(head(200, false), "{}"), true))}
			conn := raw(t, edges(t, r, edge.OpenAI(), limits), request)
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if r.request == nil {
				if !strings.Contains(line, " 400 ") {
					t.Errorf("%s", line)
				}
				return
			}
			if _, err := proto.Marshal(r.request); err != nil {
				t.Errorf("the call to the router fails: %v", err)
			}
		})
	}
}

// TestOneMessage: head, data and trailer together make an answer of known length.
func TestOneMessage(t *testing.T) {
	t.Parallel()
	r := &router{script: saying(io.EOF, ending(begun(head(201, false,
		header("content-type", "application/json"), header("x-ratelimit-remaining", "1"), header("x-ratelimit-remaining", "2")), `{"a":1}`), true))}
	resp := post(t, edges(t, r, edge.OpenAI(), limits), ask)
	body, err := all(resp)
	if err != nil || body != `{"a":1}` || resp.StatusCode != 201 || resp.ContentLength != 7 {
		t.Errorf("%d, %d bytes: %q, %v", resp.StatusCode, resp.ContentLength, body, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Ratelimit-Remaining": "1,2", "X-Headgate-Provider": "acme", "X-Headgate-Model": "m-1",
		"X-Headgate-Upstream-Request-Id": "up-1", "X-Headgate-Attempts": "2", "X-Headgate-Cache": "off", "X-Accel-Buffering": "",
	} {
		if got := strings.Join(resp.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	r := &router{script: saying(io.EOF, begun(head(200, false), `{"a":`), data(`1`), ending(data(`}`), true))}
	resp := post(t, edges(t, r, edge.OpenAI(), limits), ask)
	if body, err := all(resp); err != nil || body != `{"a":1}` {
		t.Errorf("%q, %v", body, err)
	}
}

// TestProviderErrorAnswer: a provider's error is passed on under its own status, stream asked for or not.
func TestProviderErrorAnswer(t *testing.T) {
	t.Parallel()
	const said = `{"error":{"message":"slow down"}}`
	r := &router{script: saying(io.EOF, ending(begun(head(429, false, header("content-type", "application/json"), header("retry-after", "7")), said), false))}
	resp := post(t, edges(t, r, edge.OpenAI(), limits), streamAsk)
	if body, err := all(resp); err != nil || body != said || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("%d %v: %q, %v", resp.StatusCode, resp.Header, body, err)
	}
}

// TestStreamFlushes: a frame is at the client before the next one is at the router.
func TestStreamFlushes(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	script := saying(io.EOF, begun(head(200, true, header("content-type", "text/event-stream")), text), data(text), ending(data(done), true))
	r := &router{script: func(ctx context.Context, n int) (*routerv1.RelayResponse, error) {
		if n > 0 && n < 3 {
			<-next
		}
		return script(ctx, n)
	}}
	resp := post(t, edges(t, r, edge.OpenAI(), limits), streamAsk)
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
		"X-Headgate-Provider": "acme", "Content-Length": "",
	} {
		if got := strings.Join(resp.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body := bufio.NewReader(resp.Body)
	for _, want := range []string{text, text, done} {
		if got := frame(t, body); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		if want != done {
			next <- struct{}{}
		}
	}
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v after the end", rest, err)
	}
}

func TestFailBeforeHead(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		err     error
		status  int
		headers map[string]string
	}{
		{"the client's mistake", fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "no such model"), 404, map[string]string{"X-Should-Retry": "false"}},
		{"the provider's", fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE, "acme can't be reached"), 502, nil},
		{
			"come back later", fault.New(errorsv1.Reason_REASON_OVERLOADED, "full").After(1500 * time.Millisecond), 503,
			map[string]string{"Retry-After": "2", "Retry-After-Ms": "1500", "X-Should-Retry": ""},
		},
		{"over the wire", fault.New(errorsv1.Reason_REASON_TIMEOUT, "too long").GRPCStatus().Err(), 504, nil},
		{"a status of nobody's", status.Error(codes.Unavailable, "dial tcp 10.0.0.1:9090: refused"), 503, nil},
		{"a defect", errors.New("nil map"), 500, nil},
		{"an end without an answer", io.EOF, 503, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []*router{{script: saying(c.err)}, {refusal: c.err}} {
				for _, d := range []*edge.Dialect{edge.OpenAI(), edge.Anthropic()} {
					if r.refusal != nil && errors.Is(c.err, io.EOF) {
						continue
					}
					resp := post(t, edges(t, r, d, limits), ask)
					body, err := all(resp)
					if err != nil || resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/json" {
						t.Errorf("%d, %v: %s", resp.StatusCode, err, body)
					}
					checkError(t, d, []byte(body))
					for name, want := range c.headers {
						if got := resp.Header.Get(name); got != want {
							t.Errorf("%s: %q, want %q", name, got, want)
						}
					}
					if strings.Contains(body, "10.0.0.1") || strings.Contains(body, "nil map") {
						t.Errorf("the body tells too much: %s", body)
					}
				}
			}
		})
	}
}

// checkError: an error looks as the dialect's SDK expects it.
func checkError(t *testing.T, d *edge.Dialect, body []byte) {
	t.Helper()
	var said struct {
		Type  string
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Error.Message == "" || said.Error.Type == "" {
		t.Errorf("%v: %s", err, body)
	}
	if (d.ID == llmv1.Dialect_DIALECT_ANTHROPIC) != (said.Type == "error") {
		t.Errorf("not this dialect's error: %s", body)
	}
}

// checkErrorFrame: the last frame of a stream is an error of the dialect.
func checkErrorFrame(t *testing.T, d *edge.Dialect, last string) {
	t.Helper()
	prefix := "data: "
	if d.ID == llmv1.Dialect_DIALECT_ANTHROPIC {
		prefix = "event: error\ndata: "
	}
	payload, ok := strings.CutPrefix(last, prefix)
	payload, ended := strings.CutSuffix(payload, "\n\n")
	if !ok || !ended || strings.Contains(payload, "\n") {
		t.Errorf("no error frame: %q", last)
	}
	checkError(t, d, []byte(payload))
}

// TestFailInStream: a stream that the router doesn't end ends with an error frame.
func TestFailInStream(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{"an error": truncated, "just an end": io.EOF, "the router died": status.Error(codes.Unavailable, "EOF")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range []*edge.Dialect{edge.OpenAI(), edge.Anthropic()} {
				r := &router{script: saying(end, begun(head(200, true), text), data(text))}
				resp := post(t, edges(t, r, d, limits), claudeStreamAsk)
				body, err := all(resp)
				last, ok := strings.CutPrefix(body, text+text)
				if err != nil || !ok || resp.StatusCode != 200 {
					t.Fatalf("%d, %v: %q", resp.StatusCode, err, body)
				}
				checkErrorFrame(t, d, last)
			}
		})
	}
}

// TestFailInBody: a unary answer that breaks off breaks the connection; half a body must not look whole.
func TestFailInBody(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{"an error": truncated, "just an end": io.EOF} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size, first := range map[string]string{"small": `{"choices":[`, "large": strings.Repeat(" ", 1<<20)} {
				r := &router{script: saying(end, begun(head(200, false), first))}
				if body, err := whole(t, edges(t, r, edge.OpenAI(), limits)); err == nil {
					t.Errorf("%s: %d bytes ended well", size, len(body))
				}
			}
		})
	}
}

// whole asks and reads to the end.
func whole(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return all(resp)
}

// early is a script that waits until the client has had a heartbeat.
func early(seen <-chan struct{}, script func(context.Context, int) (*routerv1.RelayResponse, error)) func(context.Context, int) (*routerv1.RelayResponse, error) {
	return func(ctx context.Context, n int) (*routerv1.RelayResponse, error) {
		if n == 0 {
			select {
			case <-seen:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return script(ctx, n)
	}
}

// TestEarlyHeartbeat: after a heartbeat before the head everything is told within the stream.
func TestEarlyHeartbeat(t *testing.T) {
	t.Parallel()
	const said = "{\"type\":\"error\",\r\n \"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n"
	const openAISaid = "{\"error\":\n{\"type\":\"server_error\",\"message\":\"busy\"}}"
	cases := []struct {
		name    string
		dialect *edge.Dialect
		script  func(context.Context, int) (*routerv1.RelayResponse, error)
		want    string // empty: an error frame
	}{
		{"a stream", edge.OpenAI(), saying(io.EOF, begun(head(200, true), text), ending(data(done), true)), text + done},
		{"an error of the router's", edge.OpenAI(), saying(truncated), ""},
		{"an error of the router's, Anthropic", edge.Anthropic(), saying(truncated), ""},
		{"an end", edge.OpenAI(), saying(io.EOF), ""},
		{"the provider's error answer", edge.OpenAI(), saying(io.EOF, ending(begun(head(503, false), openAISaid), false)), ""},
		{"the provider's error answer, Anthropic", edge.Anthropic(), saying(io.EOF, ending(begun(head(529, false), said), false)), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan struct{})
			l := limits
			l.Heartbeat = 10 * time.Millisecond
			r := &router{script: early(seen, c.script)}
			resp := post(t, edges(t, r, c.dialect, l), claudeStreamAsk)
			if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
				t.Fatalf("%d %v", resp.StatusCode, resp.Header)
			}
			body := bufio.NewReader(resp.Body)
			beat := string(c.dialect.Heartbeat())
			if got := frame(t, body); got != beat {
				t.Fatalf("%q, want %q", got, beat)
			}
			close(seen)
			rest, err := io.ReadAll(body)
			got := strings.ReplaceAll(string(rest), beat, "")
			if err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			if c.want == "" {
				checkErrorFrame(t, c.dialect, got)
			} else if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestNoHeartbeatForBodies: an answer that isn't a stream keeps its status, however long it takes.
func TestNoHeartbeatForBodies(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"unary": ask, "not even JSON": "}{", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limits
			l.Heartbeat = time.Millisecond
			script := saying(io.EOF, ending(begun(head(418, false), "{}"), true))
			r := &router{script: func(ctx context.Context, n int) (*routerv1.RelayResponse, error) {
				if n == 0 {
					<-time.After(30 * l.Heartbeat)
				}
				return script(ctx, n)
			}}
			resp := post(t, edges(t, r, edge.OpenAI(), l), body)
			if got, err := all(resp); err != nil || got != "{}" || resp.StatusCode != 418 {
				t.Errorf("%d %q, %v", resp.StatusCode, got, err)
			}
		})
	}
}

// TestClientLeaves: the call to the router ends with its client.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	script := saying(io.EOF, begun(head(200, true), text))
	r := &router{script: func(ctx context.Context, n int) (*routerv1.RelayResponse, error) {
		if n == 0 {
			return script(ctx, n)
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}
	resp := post(t, edges(t, r, edge.OpenAI(), limits), streamAsk)
	frame(t, bufio.NewReader(resp.Body))
	_ = resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestCallEndsWithItsAnswer: nothing of a call outlives the request.
func TestCallEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	r := &router{script: saying(io.EOF, ending(begun(head(200, false), "{}"), true))}
	if _, err := all(post(t, edges(t, r, edge.OpenAI(), limits), ask)); err != nil {
		t.Fatal(err)
	}
	<-r.ctx.Done()
}

// TestDrained: a request that is ended for a reason tells the reason.
func TestDrained(t *testing.T) {
	t.Parallel()
	stopping := fault.New(errorsv1.Reason_REASON_OVERLOADED, "Headgate is stopping")
	ctx, stop := context.WithCancelCause(context.Background())
	script := saying(io.EOF, begun(head(200, true), text))
	r := &router{script: func(ctx context.Context, n int) (*routerv1.RelayResponse, error) {
		if n == 0 {
			return script(ctx, n)
		}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}}
	e := &edge.Edges{Relay: r, Router: r, Limits: limits}
	s := httptest.NewUnstartedServer(e.Chat(edge.OpenAI()))
	s.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	s.Start()
	t.Cleanup(s.Close)
	body := bufio.NewReader(post(t, s.URL, streamAsk).Body)
	frame(t, body)
	stop(stopping)
	last := frame(t, body)
	checkErrorFrame(t, edge.OpenAI(), last)
	if !strings.Contains(last, "Headgate is stopping") {
		t.Errorf("%q", last)
	}
}

// TestRefusedBody: what isn't read is refused in the dialect, and the connection isn't used again.
func TestRefusedBody(t *testing.T) {
	t.Parallel()
	l := limits
	l.MaxBody = 10
	for _, d := range []*edge.Dialect{edge.OpenAI(), edge.Anthropic()} {
		r := &router{}
		resp := post(t, edges(t, r, d, l), ask)
		body, err := all(resp)
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
			t.Errorf("%d, close %t, %v", resp.StatusCode, resp.Close, err)
		}
		checkError(t, d, []byte(body))
		if r.request != nil {
			t.Error("the router was called")
		}
	}
}

// TestLastFrameLeaves: though it may wait for the end of the call, it doesn't where that takes its time.
func TestLastFrameLeaves(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	r := &router{script: func(_ context.Context, n int) (*routerv1.RelayResponse, error) {
		if n == 0 {
			return ending(begun(head(200, true), text+done), true), nil
		}
		<-read
		return nil, io.EOF
	}}
	lines := bufio.NewReader(post(t, edges(t, r, edge.OpenAI(), limits), streamAsk).Body)
	if got := frame(t, lines) + frame(t, lines); got != text+done {
		t.Errorf("%q", got)
	}
	close(read)
}
