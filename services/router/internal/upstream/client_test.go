package upstream_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

func newClient(t *testing.T, base string) *upstream.Client {
	t.Helper()
	return clientWithin(t, base, 10*time.Second)
}

// clientWithin gives up connecting after a while.
func clientWithin(t *testing.T, base string, connect time.Duration) *upstream.Client {
	t.Helper()
	c, err := upstream.New(upstream.Config{
		Name: "acme", BaseURLs: []string{base}, Key: ownKey, Connect: connect, UserAgent: "headgate/test",
		Authorize: func(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// silent returns the address of a listener that accepts nothing.
func silent(t *testing.T) (lis net.Listener, addr string) {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return lis, lis.Addr().String()
}

func send(ctx context.Context, t *testing.T, c *upstream.Client, r upstream.Request) (*http.Response, *fault.Error) {
	t.Helper()
	resp, err := c.Send(ctx, r)
	if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("%v is no *fault.Error", err)
		}
		return nil, f
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, nil
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	if _, err := upstream.New(upstream.Config{BaseURLs: []string{"http://[::1"}}); err == nil {
		t.Error("an address that isn't a URL was taken")
	}
}

func TestSendWhatIsSent(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Clone(context.WithoutCancel(r.Context())) })
	header := http.Header{"Authorization": {"Bearer the-clients-own"}, "User-Agent": {"client"}, "Openai-Beta": {"a=b"}}
	resp, err := send(t.Context(), t, newClient(t, base+"/v1/"), upstream.Request{
		Method: http.MethodPost, Path: "/chat?x=1", Header: header, Body: []byte(`{}`),
	})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	r := <-seen
	if r.RequestURI != "/v1/chat?x=1" || r.ContentLength != 2 {
		t.Errorf("%s with %d bytes", r.RequestURI, r.ContentLength)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + ownKey, "User-Agent": "headgate/test", "Content-Type": "application/json",
		"Openai-Beta": "a=b", "Accept-Encoding": "", "Transfer-Encoding": "",
	} {
		if got := strings.Join(r.Header.Values(name), ","); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestSendWithoutBody(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() })
	if _, err := send(t.Context(), t, newClient(t, base), upstream.Request{Method: http.MethodGet, Path: "/models"}); err != nil {
		t.Fatal(err)
	}
	h := <-seen
	if h.Get("Content-Type") != "" || h.Get("Authorization") != "Bearer "+ownKey {
		t.Errorf("%v", h)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { visits.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		base := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		resp, err := send(t.Context(), t, newClient(t, base), upstream.Request{Method: http.MethodPost, Path: "/x", Body: []byte("{}")})
		if err != nil || resp.StatusCode != status {
			t.Errorf("%d: %v %v", status, resp, err)
		}
	}
	if visits.Load() != 0 {
		t.Errorf("%d redirects were followed", visits.Load())
	}
}

// TestSendHandsOnEveryStatus: a provider's error is an answer, not an error of Send.
func TestSendHandsOnEveryStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 204, 400, 401, 404, 429, 500, 529} {
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		resp, err := send(t.Context(), t, newClient(t, base), upstream.Request{Method: http.MethodGet, Path: "/"})
		if err != nil || resp.StatusCode != status {
			t.Errorf("%d: %v %v", status, resp, err)
		}
	}
}

func TestSendUnreachable(t *testing.T) {
	t.Parallel()
	lis, refused := silent(t)
	_ = lis.Close()
	cut := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	bloated := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Big", strings.Repeat("x", 80<<10)) })
	for name, base := range map[string]string{"refused": "http://" + refused, "cut before the head": cut, "head too large": bloated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := send(t.Context(), t, newClient(t, base), upstream.Request{Method: http.MethodPost, Path: "/x", Body: []byte("{}")})
			if err == nil || err.Reason != errorsv1.Reason_REASON_PROVIDER_UNREACHABLE {
				t.Fatalf("got %v", err)
			}
			if err.Metadata["provider"] != "acme" || err.Cause == nil {
				t.Errorf("metadata %v, cause %v", err.Metadata, err.Cause)
			}
			if strings.Contains(err.Message, "127.0.0.1") || strings.Contains(err.Message, ownKey) {
				t.Errorf("the message tells too much: %s", err.Message)
			}
		})
	}
}

// TestSendConnectTimeout: a provider that takes the connection and never answers the TLS handshake.
func TestSendConnectTimeout(t *testing.T) {
	t.Parallel()
	_, addr := silent(t)
	_, err := send(t.Context(), t, clientWithin(t, "https://"+addr, 50*time.Millisecond), upstream.Request{Method: http.MethodGet, Path: "/"})
	if err == nil || err.Reason != errorsv1.Reason_REASON_TIMEOUT {
		t.Fatalf("got %v", err)
	}
	if err.Metadata["timer"] != "connect" || err.Metadata["limit"] != "50ms" || err.Metadata["provider"] != "acme" {
		t.Errorf("metadata %v", err.Metadata)
	}
}

// TestSendEndsWithItsContext: whatever ends the call, the provider's handler sees the connection go.
func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	expired := upstream.TimeoutError("first_content", time.Second)
	cases := []struct {
		name   string
		cause  error
		reason errorsv1.Reason
		timer  string
	}{
		{"the caller left", context.Canceled, errorsv1.Reason_REASON_CANCELLED, ""},
		{"a timer of ours", expired, errorsv1.Reason_REASON_TIMEOUT, "first_content"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			ctx, cancel := context.WithCancelCause(t.Context())
			base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				cancel(c.cause)
				<-r.Context().Done()
				close(gone)
			})
			_, err := send(ctx, t, newClient(t, base), upstream.Request{Method: http.MethodGet, Path: "/"})
			if err == nil || err.Reason != c.reason || err.Metadata["timer"] != c.timer {
				t.Errorf("got %v %v", err, err.Metadata)
			}
			<-gone
		})
	}
}

// TestSendDeadlineOfTheCaller: a deadline that came with the call is neither the provider's fault nor unreachable.
func TestSendDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := send(ctx, t, newClient(t, base), upstream.Request{Method: http.MethodGet, Path: "/"})
	if err == nil || err.Reason != errorsv1.Reason_REASON_TIMEOUT {
		t.Errorf("got %v", err)
	}
}

func TestSendWithoutMethodThatExists(t *testing.T) {
	t.Parallel()
	_, err := send(t.Context(), t, newClient(t, "http://127.0.0.1:1"), upstream.Request{Method: "NO METHOD", Path: "/"})
	if err == nil || err.Reason != errorsv1.Reason_REASON_INTERNAL {
		t.Errorf("got %v", err)
	}
}

func TestClientMasks(t *testing.T) {
	t.Parallel()
	if got := string(newClient(t, "http://x").Mask([]byte("k " + ownKey))); got != "k [redacted]" {
		t.Errorf("%q", got)
	}
}
