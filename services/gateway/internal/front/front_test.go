package front_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/overload"
	"github.com/headgate-mesh/headgate/services/gateway/internal/front"
)

const key = "hg_the-administrators-own-key"

// logbook is a log that several goroutines write.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// chain puts the front before a handler; refusals say their reason's code.
func chain(t *testing.T, h http.HandlerFunc, inFlight int) (http.Handler, *logbook) {
	t.Helper()
	log := &logbook{}
	handler, err := front.Chain(h, front.Options{
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Tracer: tracenoop.NewTracerProvider().Tracer(""), Meter: metricnoop.NewMeterProvider().Meter(""),
		Verifier: auth.NewAdminKey(key), Admission: overload.New(overload.Options{Cap: inFlight}),
		Open: func(path string) bool { return path == "/healthz" },
		Refuse: func(w http.ResponseWriter, _ *http.Request, err *fault.Error) {
			if err.RetryAfter > 0 {
				w.Header().Set("Retry-After", fmt.Sprint(err.RetryAfter.Seconds()))
			}
			w.WriteHeader(err.HTTPStatus())
			_, _ = io.WriteString(w, fault.Code(err.Reason))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler, log
}

func request(t *testing.T, path string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, sent string
		kept       bool
	}{
		{"none", "", false},
		{"a good one", "abc-123_x.y:z", true},
		{"as long as it may be", strings.Repeat("a", 128), true},
		{"too long", strings.Repeat("a", 129), false},
		{"a space", "a b", false},
		{"a line break", "a\nb", false},
		{"a quote", `a"b`, false},
		{"not ASCII", "\u00fcber", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inside := ""
			h, _ := chain(t, func(_ http.ResponseWriter, r *http.Request) { inside = meta.RequestID(r.Context()) }, 1)
			r := request(t, "/healthz")
			r.Header["X-Request-Id"] = []string{c.sent}
			w := serve(h, r)
			id := w.Header().Get("X-Request-Id")
			if !meta.ValidID(id) || id != inside || id != w.Header().Get("Request-Id") || (id == c.sent) != c.kept {
				t.Errorf("sent %q, answered %q and %q, inside %q", c.sent, id, w.Header().Get("Request-Id"), inside)
			}
		})
	}
}

// TestRequestIDOfRefusals: whoever is refused gets an id, too.
func TestRequestIDOfRefusals(t *testing.T) {
	t.Parallel()
	h, log := chain(t, nil, 1)
	w := serve(h, request(t, "/v1/messages"))
	id := w.Header().Get("X-Request-Id")
	if w.Code != http.StatusUnauthorized || id == "" || !strings.Contains(log.String(), id) {
		t.Errorf("%d, id %q, log %s", w.Code, id, log)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		path    string
		headers []string
		status  int
		code    string
	}{
		{"bearer", "/v1/messages", []string{"Authorization", "Bearer " + key}, 200, ""},
		{"x-api-key", "/v1/messages", []string{"X-Api-Key", key}, 200, ""},
		{"both, the same", "/v1/messages", []string{"X-Api-Key", key, "Authorization", "Bearer " + key}, 200, ""},
		{"both, different", "/v1/messages", []string{"X-Api-Key", key, "Authorization", "Bearer other"}, 401, "INVALID_API_KEY"},
		{"none", "/v1/messages", nil, 401, "MISSING_API_KEY"},
		{"empty", "/v1/messages", []string{"X-Api-Key", ""}, 401, "MISSING_API_KEY"},
		{"wrong", "/v1/messages", []string{"X-Api-Key", key + "x"}, 401, "INVALID_API_KEY"},
		{"basic", "/v1/messages", []string{"Authorization", "Basic " + key}, 401, "INVALID_API_KEY"},
		{"in the query", "/v1/messages?api_key=" + key, nil, 401, "MISSING_API_KEY"},
		{"open", "/healthz", nil, 200, ""},
		{"open, wrong key", "/healthz", []string{"X-Api-Key", "wrong"}, 200, ""},
		{"almost open", "/healthz/", nil, 401, "MISSING_API_KEY"},
		{"no such path", "/nowhere", nil, 401, "MISSING_API_KEY"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			h, log := chain(t, func(http.ResponseWriter, *http.Request) { reached = true }, 1)
			w := serve(h, request(t, c.path, c.headers...))
			if w.Code != c.status || w.Body.String() != c.code || reached != (c.status == 200) {
				t.Errorf("%d %q, reached %t", w.Code, w.Body, reached)
			}
			if strings.Contains(log.String(), key) {
				t.Errorf("the log holds the key: %s", log)
			}
		})
	}
}

// TestCredentialsAreStripped: from here on the key travels in the context only.
func TestCredentialsAreStripped(t *testing.T) {
	t.Parallel()
	var seen http.Header
	h, _ := chain(t, func(_ http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		who, ok := auth.FromContext(r.Context())
		if auth.Key(r.Context()) != key || !ok || who.KeyID != auth.AdminKeyID {
			t.Errorf("context: key %q, %v", auth.Key(r.Context()), who)
		}
	}, 1)
	serve(h, request(t, "/v1/messages", "Authorization", "Bearer "+key, "X-Api-Key", key, "X-Api-Key", key, "Cookie", "session=1",
		"X-Headgate-Internal-Peer", "router deadbeef", "X-Headgate-Internal-Anything", "1", "X-Forwarded-For", "1.2.3.4",
		"X-Forwarded-Host", "evil.test", "X-Forwarded-Proto", "https", "Forwarded", "for=1.2.3.4", "X-Headgate-Route", "fast", "Openai-Beta", "x"))
	if len(seen) != 2 || seen.Get("X-Headgate-Route") != "fast" || seen.Get("Openai-Beta") != "x" {
		t.Errorf("what travels on: %v", seen)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	const places = 3
	inside, leave := make(chan struct{}), make(chan struct{})
	h, _ := chain(t, func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-leave
	}, places)
	var wg sync.WaitGroup
	enter := func() {
		wg.Go(func() {
			if w := serve(h, request(t, "/v1/messages", "X-Api-Key", key)); w.Code != 200 {
				t.Errorf("%d", w.Code)
			}
		})
		<-inside
	}
	for range places {
		enter()
	}
	for range 10 {
		w := serve(h, request(t, "/v1/messages", "X-Api-Key", key))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Body.String() != "OVERLOADED" {
			t.Errorf("one more: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	close(leave)
	wg.Wait()
	for range places {
		enter() // every place is free again
	}
	wg.Wait()
}

// TestPlacesAreGivenBack: whatever ends a request gives its place back.
func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	h, _ := chain(t, func(http.ResponseWriter, *http.Request) { panic("defect") }, 1)
	for range 5 {
		if w := serve(h, request(t, "/v1/messages", "X-Api-Key", key)); w.Code != http.StatusInternalServerError {
			t.Fatalf("%d", w.Code)
		}
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	h, log := chain(t, func(http.ResponseWriter, *http.Request) { panic("nil map of secrets") }, 1)
	w := serve(h, request(t, "/healthz", "X-Request-Id", "req_7"))
	if w.Code != http.StatusInternalServerError || w.Body.String() != "INTERNAL" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "nil map of secrets") || !strings.Contains(log.String(), "req_7") || !strings.Contains(log.String(), "front_test.go") {
		t.Errorf("log: %s", log)
	}
}

// TestPanicInAnswer: an answer that has begun must not look as if it had ended well.
func TestPanicInAnswer(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]any{"a defect": "defect", "on purpose": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, log := chain(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
				panic(cause)
			}, 1)
			s := httptest.NewServer(h)
			t.Cleanup(s.Close)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil || string(body) != "data: x\n\n" {
				t.Errorf("%q, %v: a clean end", body, err)
			}
			if onPurpose := cause == any(http.ErrAbortHandler); strings.Contains(log.String(), `"panic"`) == onPurpose {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    []string
	}{
		"nothing written": {func(http.ResponseWriter, *http.Request) {}, []string{`"status":200`}},
		"a body":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, []string{`"status":200`, `"level":"DEBUG"`}},
		"an error":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, []string{`"status":404`, `"level":"INFO"`}},
		"the first status counts": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
		}, []string{`"status":201`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, log := chain(t, c.handler, 1)
			serve(h, request(t, "/healthz", "X-Request-Id", "req_9"))
			for _, part := range append(c.want, `"request_id":"req_9"`, `"method":"POST"`, `"route":"/healthz"`, `"took":`) {
				if !strings.Contains(log.String(), part) {
					t.Errorf("%s lacks %s", log, part)
				}
			}
		})
	}
}

// TestLogHasNoClientText: neither a method nor a path that a client makes up is logged.
func TestLogHasNoClientText(t *testing.T) {
	t.Parallel()
	h, log := chain(t, func(http.ResponseWriter, *http.Request) {}, 1)
	r := request(t, "/made/up?and=more", "X-Api-Key", key)
	r.Method = "MADEUP"
	serve(h, r)
	if got := log.String(); strings.Contains(strings.ToLower(got), "made") || strings.Contains(got, "more") || !strings.Contains(got, "_OTHER") {
		t.Errorf("%s", got)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/v1/chat/completions": "/v1/chat/completions", "/v1/messages": "/v1/messages", "/v1/models": "/v1/models",
		"/v1/models/gpt-5": "/v1/models/{id}", "/v1/models/a/b": "/v1/models/{id}", "/api/v1/chat:stream": "/api/v1/chat:stream",
		"/v1/messages/count_tokens": "/v1/messages/count_tokens", "/v1/messages/batches/a/results": "/v1/messages/batches/{id}/results",
		"/v1/files/x": "/v1/files/{id}", "/api/v1/batches/b:cancel": "/api/v1/batches/{id}:cancel", "/V1/messages": "other", "": "other", "/": "other", "/v1/messages/": "other",
	} {
		if got := front.Route(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

// TestRouteIsBounded: a client can't make time series of its paths.
func TestRouteIsBounded(t *testing.T) {
	t.Parallel()
	parts := []string{"v1", "api", "models", "chat", "completions", "messages", "docs", "..", "%2f", "x", ""}
	source := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed seed, to fail twice alike
	routes := map[string]bool{}
	for i := range 10_000 {
		path := ""
		for range source.IntN(6) {
			path += "/" + parts[source.IntN(len(parts))]
		}
		routes[front.Route(path)] = true
		routes[front.Route(fmt.Sprint(path, "/", i))] = true
	}
	if len(routes) > 14 {
		t.Errorf("%d routes: %v", len(routes), routes)
	}
}
