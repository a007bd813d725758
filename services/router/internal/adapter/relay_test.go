package adapter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

const (
	malformed   = errorsv1.Reason_REASON_PROVIDER_MALFORMED
	credentials = errorsv1.Reason_REASON_PROVIDER_CREDENTIALS
)

// asked is what a provider saw of one request.
type asked struct {
	uri    string
	header http.Header
	body   string
}

// recording answers every request with one body and hands on what it saw.
func recording(answer string) (http.HandlerFunc, <-chan asked) {
	seen := make(chan asked, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- asked{uri: r.RequestURI, header: r.Header.Clone(), body: string(body)}
		_, _ = io.WriteString(w, answer)
	}, seen
}

// everything is what a client might send: the good, and what must stay behind.
func everything() []*routerv1.Header {
	var list []*routerv1.Header
	for _, name := range []string{
		"openai-beta", "anthropic-version", "anthropic-beta", "authorization", "x-api-key", "cookie", "host", "content-length",
		"transfer-encoding", "connection", "x-forwarded-for", "x-forwarded-host", "forwarded", "x-headgate-internal-peer",
		"x-headgate-route", "openai-organization", "openai-project", "idempotency-key", "user-agent", "accept-encoding", "traceparent",
	} {
		list = append(list, &routerv1.Header{Name: name, Value: "from-client"})
	}
	return list
}

func TestRelayWhatIsSent(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		build   func(*testing.T, string) *provider.Provider
		call    func(*testing.T, string) provider.Call
		ask     string
		answer  string
		path    string
		headers map[string]string
		body    string
	}{
		{
			"OpenAI", openAI, openAICall, openAIAsk, openAIAnswer, "/chat/completions",
			map[string]string{"Openai-Beta": "from-client", "Authorization": "Bearer " + ownKey},
			strings.Replace(openAIAsk, "gpt-5", "real-name", 1),
		},
		{
			"OpenAI stream asks for usage", openAI, openAICall, openAIStreamAsk, openAIAnswer, "/chat/completions",
			map[string]string{"Openai-Beta": "from-client", "Authorization": "Bearer " + ownKey},
			`{"model":"real-name","stream_options":{"include_usage":true},"stream":true,"messages":[{"role":"user","content":"Hi"}]}`,
		},
		{
			"Anthropic", claude, anthropicCall, anthropicAsk, anthropicAnswer, "/v1/messages?beta=true",
			map[string]string{"Anthropic-Version": "from-client", "Anthropic-Beta": "from-client", "X-Api-Key": ownKey},
			strings.Replace(anthropicAsk, "claude-x", "real-name", 1),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			handler, seen := recording(c.answer)
			ask := c.call(t, c.ask)
			ask.Model, ask.Headers, ask.Query = "real-name", everything(), "beta=true&api_key=x&beta2=y"
			_, _ = c.build(t, serve(t, handler).url).Relay(t.Context(), ask)
			got := <-seen
			if got.uri != c.path || got.body != c.body {
				t.Errorf("%s with %s\nwant %s with %s", got.uri, got.body, c.path, c.body)
			}
			want := map[string]string{
				"User-Agent": "headgate/test", "Content-Type": "application/json", "Content-Length": fmt.Sprint(len(c.body)),
			}
			for name, value := range c.headers {
				want[name] = value
			}
			for name, values := range got.header {
				if want[name] != strings.Join(values, ",") {
					t.Errorf("%s: %q, want %q", name, values, want[name])
				}
				delete(want, name)
			}
			if len(want) > 0 {
				t.Errorf("missing: %v", want)
			}
		})
	}
}

func TestRelayQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                     "/v1/messages",
		"beta=true":            "/v1/messages?beta=true",
		"x=1":                  "/v1/messages",
		"x=1&beta=true&y=2":    "/v1/messages?beta=true",
		"beta=a%26x%3Db":       "/v1/messages?beta=a%26x%3Db",
		"beta=%zz":             "/v1/messages",
		"beta=1;beta=2":        "/v1/messages",
		"Beta=true":            "/v1/messages",
		"beta=true#@evil.test": "/v1/messages?beta=true%23%40evil.test",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			handler, seen := recording(anthropicAnswer)
			ask := anthropicCall(t, anthropicAsk)
			ask.Query = query
			relay(t, claude(t, serve(t, handler).url), ask)
			if got := (<-seen).uri; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestRelayAnswer(t *testing.T) {
	t.Parallel()
	answer := relay(t, openAI(t, serve(t, answering(200, "application/json; charset=utf-8", openAIAnswer)).url), openAICall(t, openAIAsk))
	if answer.Status != 200 || string(answer.Body) != openAIAnswer || answer.Stream != nil {
		t.Errorf("%d %s", answer.Status, answer.Body)
	}
	r := answer.Reading
	if r.ID != "c1" || r.Model != "gpt-5-2025" || r.Finish != llmv1.FinishReason_FINISH_REASON_STOP ||
		r.Usage.GetInputTokens() != 3 || r.Usage.GetOutputTokens() != 5 {
		t.Errorf("%+v", r)
	}
}

func TestRelayResponseHeaders(t *testing.T) {
	t.Parallel()
	all := map[string]string{
		"Content-Type": "application/json", "Retry-After": "3", "Retry-After-Ms": "3000", "X-Should-Retry": "true",
		"X-Ratelimit-Remaining-Requests": "7", "Openai-Processing-Ms": "12", "Openai-Version": "2020", "Openai-Model": "m",
		"Anthropic-Ratelimit-Requests-Limit": "9", "Anthropic-Priority-Input-Tokens-Limit": "8",
		"Set-Cookie": "a=b", "Server": "x", "X-Request-Id": "up-1", "Request-Id": "up-2", "Openai-Organization": "org-secret",
		"Anthropic-Organization-Id": "org-secret", "Via": "x", "Location": "http://elsewhere", "X-Headgate-Provider": "lie",
		"X-Headgate-Internal-Peer": "lie", "Strict-Transport-Security": "x", "Authorization": "x", "X-Api-Key": "x", "Trailer": "X-T",
	}
	cases := []struct {
		name  string
		build func(*testing.T, string) *provider.Provider
		call  provider.Call
		body  string
		id    string
		want  []string
	}{
		{
			"OpenAI", openAI, openAICall(t, openAIAsk), openAIAnswer, "up-1",
			[]string{
				"content-type", "openai-model", "openai-processing-ms", "openai-version", "retry-after", "retry-after-ms",
				"x-ratelimit-remaining-requests", "x-should-retry",
			},
		},
		{
			"Anthropic", claude, anthropicCall(t, anthropicAsk), anthropicAnswer, "up-2",
			[]string{
				"anthropic-priority-input-tokens-limit", "anthropic-ratelimit-requests-limit", "content-type", "retry-after",
				"retry-after-ms", "x-should-retry",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range all {
					w.Header().Set(name, value)
				}
				_, _ = io.WriteString(w, c.body)
			})
			answer := relay(t, c.build(t, s.url), c.call)
			var got []string
			for _, h := range answer.Headers {
				got = append(got, h.GetName())
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) || answer.UpstreamRequestID != c.id {
				t.Errorf("%v and id %s\nwant %v and id %s", got, answer.UpstreamRequestID, c.want, c.id)
			}
		})
	}
}

// TestRelayHeadersTravel: what a provider puts into a header has to fit a protobuf string, or the answer is lost.
func TestRelayHeadersTravel(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "id-\xff")
		w.Header().Set("X-Ratelimit-Reset", "\xfe\xff")
		_, _ = io.WriteString(w, openAIAnswer)
	})
	answer := relay(t, openAI(t, s.url), openAICall(t, openAIAsk))
	if !utf8.ValidString(answer.UpstreamRequestID) {
		t.Errorf("request id %q", answer.UpstreamRequestID)
	}
	for _, h := range answer.Headers {
		if !utf8.ValidString(h.GetValue()) {
			t.Errorf("%s: %q", h.GetName(), h.GetValue())
		}
	}
}

func TestRelayErrors(t *testing.T) {
	t.Parallel()
	const page = "<!DOCTYPE html><html><body>Bad Gateway</body></html>"
	cases := []struct {
		name        string
		anthropic   bool
		status      int
		contentType string
		body        string
		verbatim    bool
		message     string
	}{
		{"OpenAI's own", false, 429, "application/json", `{"error":{"message":"Slow down","type":"requests","extra":[1, 2]}}`, true, "Slow down"},
		{"Anthropic's own", true, 529, "application/json", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, true, "Overloaded"},
		{"OpenAI's shape at an Anthropic provider", true, 400, "application/json", `{"error":{"message":"No"}}`, false, "No"},
		{"Google's array", false, 400, "application/json", `[{"error":{"code":400,"message":"Bad thing"}}]`, false, "Bad thing"},
		{"FastAPI's detail", false, 422, "application/json", `{"detail":[{"msg":"field required"}]}`, false, "field required"},
		{"an error that is a string", false, 500, "application/json", `{"error":"CUDA out of memory"}`, false, "CUDA out of memory"},
		{"plain text", false, 503, "text/plain", "upstream connect error", false, "upstream connect error"},
		{"a page", false, 502, "text/html", page, false, "502"},
		{"nothing", true, 503, "", "", false, "503"},
		{"half a JSON", false, 500, "application/json", `{"error":{"message":"He`, false, "500"},
		{"a status of nobody", false, 599, "text/plain", "odd", false, "odd"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, answering(c.status, c.contentType, c.body)).url
			var answer *provider.Answer
			if c.anthropic {
				answer = relay(t, claude(t, url), anthropicCall(t, anthropicStream))
			} else {
				answer = relay(t, openAI(t, url), openAICall(t, openAIAsk))
			}
			if answer.Status != c.status || answer.Stream != nil {
				t.Errorf("status %d", answer.Status)
			}
			if verbatim := string(answer.Body) == c.body; verbatim != c.verbatim {
				t.Errorf("verbatim %t: %s", verbatim, answer.Body)
			}
			var said struct {
				Type  string
				Error struct{ Message string }
			}
			if err := json.Unmarshal(answer.Body, &said); err != nil || !strings.Contains(said.Error.Message, c.message) {
				t.Errorf("%v: %s, want %q", err, answer.Body, c.message)
			}
			if c.anthropic && said.Type != "error" {
				t.Errorf("no error of Anthropic's: %s", answer.Body)
			}
			if got := contentTypes(answer); !c.verbatim && !slices.Equal(got, []string{"application/json"}) {
				t.Errorf("content types %q", got)
			}
		})
	}
}

func contentTypes(a *provider.Answer) []string {
	var list []string
	for _, h := range a.Headers {
		if h.GetName() == "content-type" {
			list = append(list, h.GetValue())
		}
	}
	return list
}

// TestRelayMasksErrors: a provider quotes the key it was given.
func TestRelayMasksErrors(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"in the dialect's shape": `{"error":{"message":"bad key ` + ownKey + ` or sk-abcdef123456"}}`,
		"in another":             `{"error":"bad key ` + ownKey + ` or sk-abcdef123456"}`,
		"plain":                  `bad key ` + ownKey + ` or sk-abcdef123456`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := relay(t, openAI(t, serve(t, answering(400, "application/json", body)).url), openAICall(t, openAIAsk))
			if got := string(answer.Body); strings.Contains(got, ownKey) || strings.Contains(got, "sk-abc") || strings.Count(got, "[redacted]") != 2 {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestRelayMalformed: what isn't an answer must not look like one.
func TestRelayMalformed(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		handler http.HandlerFunc
		ask     string
		want    errorsv1.Reason
	}{
		{"garbage", answering(200, "application/json", "}{"), openAIAsk, malformed},
		{"empty", answering(200, "application/json", ""), openAIAsk, malformed},
		{"a page", answering(200, "text/html", "<html></html>"), openAIAsk, malformed},
		{"JSON of another kind", answering(200, "application/json", `{"object":"list","data":[]}`), openAIAsk, malformed},
		{"an error under 200", answering(200, "application/json", `{"error":{"message":"no"},"choices":[]}`), openAIAsk, malformed},
		{"half an answer", answering(200, "application/json", openAIAnswer[:40]), openAIAsk, malformed},
		{"an answer and more", answering(200, "application/json", openAIAnswer+openAIAnswer), openAIAsk, malformed},
		{"no content", answering(204, "application/json", ""), openAIAsk, malformed},
		{"created", answering(201, "application/json", openAIAnswer), openAIAsk, malformed},
		{"a redirect", answering(302, "text/html", ""), openAIAsk, malformed},
		{"a stream nobody asked for", answering(200, "text/event-stream", "data: [DONE]\n\n"), openAIAsk, malformed},
		{"an answer where a stream was asked for", answering(200, "application/json", openAIAnswer), openAIStreamAsk, malformed},
		{"a page where a stream was asked for", answering(200, "text/html", "<html></html>"), openAIStreamAsk, malformed},
		{"cut short", cutShort(200), openAIAsk, malformed},
		{"an error cut short", cutShort(500), openAIAsk, malformed},
		{"401", answering(401, "application/json", `{"error":{"message":"bad key"}}`), openAIAsk, credentials},
		{"403", answering(403, "text/html", "<html></html>"), openAIAsk, credentials},
		{"401 for a stream", answering(401, "text/event-stream", "data: x\n\n"), openAIStreamAsk, credentials},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer, err := openAI(t, serve(t, c.handler).url).Relay(t.Context(), openAICall(t, c.ask))
			if got := reason(t, err); got != c.want || answer != nil {
				t.Fatalf("%v, %+v, want %v", err, answer, c.want)
			}
			if !provider.AtFault(err) {
				t.Error("it isn't the provider's fault")
			}
			if f := fault.From(err); f.Metadata["provider"] != "acme" || strings.Contains(f.Message, "127.0.0.1") {
				t.Errorf("%s, metadata %v", f.Message, f.Metadata)
			}
		})
	}
}

// cutShort promises more than it sends.
func cutShort(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, openAIAnswer)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestRelayBodyTooLarge(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 65 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	_, err := openAI(t, s.url).Relay(t.Context(), openAICall(t, openAIAsk))
	if got := reason(t, err); got != malformed {
		t.Errorf("%v", err)
	}
}

// TestRelayTimers: a stream's first content is waited for from the moment of sending, the head included.
func TestRelayTimers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { untilGone(r) })
	ask := openAICall(t, openAIStreamAsk)
	ask.Silences = provider.Silences{FirstContent: 30 * time.Millisecond, Gap: time.Minute}
	_, err := openAI(t, s.url).Relay(t.Context(), ask)
	if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_TIMEOUT || f.Metadata["timer"] != "first_content" {
		t.Errorf("%v", err)
	}
}

// TestRelayTotal: the call's deadline names itself, while the head or the body is waited for.
func TestRelayTotal(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"before the head": func(_ http.ResponseWriter, r *http.Request) { untilGone(r) },
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, openAIAnswer[:20])
			_ = http.NewResponseController(w).Flush()
			untilGone(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, upstream.TimeoutError("total", time.Second))
			defer cancel()
			_, err := openAI(t, serve(t, handler).url).Relay(ctx, openAICall(t, openAIAsk))
			if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_TIMEOUT || f.Metadata["timer"] != "total" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRelayCancelled(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]string{"unary": openAIAsk, "stream": openAIStreamAsk} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := canceller(t)
			gone := make(chan struct{})
			s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				cancel()
				untilGone(r)
				close(gone)
			})
			_, err := openAI(t, s.url).Relay(ctx, openAICall(t, ask))
			if got := reason(t, err); got != errorsv1.Reason_REASON_CANCELLED || provider.AtFault(err) {
				t.Errorf("%v", err)
			}
			<-gone
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	a := claude(t, "")
	if a.Name != "acme" || a.Kind != "anthropic" || a.Dialect != llmv1.Dialect_DIALECT_ANTHROPIC || a.Trust != llmv1.Sensitivity_SENSITIVITY_LOW {
		t.Errorf("%s %s %v %v", a.Name, a.Kind, a.Dialect, a.Trust)
	}
	if o := openAI(t, ""); o.Kind != "openai" || o.Dialect != llmv1.Dialect_DIALECT_OPENAI {
		t.Errorf("%s %v", o.Kind, o.Dialect)
	}
}

// TestRelayKeepsReading: an answer without usage is complete all the same.
func TestRelayKeepsReading(t *testing.T) {
	t.Parallel()
	body := `{"id":"c","choices":[{"message":{"content":"x"},"finish_reason":"length"}]}`
	answer := relay(t, openAI(t, serve(t, answering(200, "application/json", body)).url), openAICall(t, openAIAsk))
	if want := (dialect.Reading{ID: "c", Finish: llmv1.FinishReason_FINISH_REASON_LENGTH, RawFinish: "length"}); answer.Reading != want {
		t.Errorf("%+v", answer.Reading)
	}
}
