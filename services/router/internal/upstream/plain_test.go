package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/h1"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// TestPlainIsAsBefore: what goes without net/http arrives as what goes by it.
func TestPlainIsAsBefore(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	see := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		h := r.Header.Clone()
		h.Del("User-Agent")
		var head strings.Builder
		_ = h.Write(&head)
		if len(data) > 9 {
			data = data[:9]
		}
		seen <- strings.Join([]string{r.Method, r.RequestURI, head.String(), string(data)}, "|")
	})
	plain := httptest.NewServer(see)
	t.Cleanup(plain.Close)
	for name, r := range map[string]upstream.Request{
		"get":            {Method: http.MethodGet, Path: "/models?after=a%20b"},
		"post":           {Method: http.MethodPost, Path: "/x", Body: []byte("{}"), Header: http.Header{"X-A": {"1", "2"}}},
		"an empty body":  {Method: http.MethodPost, Path: "/x", Body: []byte{}},
		"no body":        {Method: http.MethodPost, Path: "/batches/1/cancel"},
		"delete":         {Method: http.MethodDelete, Path: "/files/1"},
		"the largest":    {Method: http.MethodPost, Path: "/x", Body: make([]byte, h1.MaxBody)},
		"one byte more":  {Method: http.MethodPost, Path: "/x", Body: make([]byte, h1.MaxBody+1)},
		"an odd path":    {Method: http.MethodGet, Path: "/models/a b/é?x=é"},
		"a second query": {Method: http.MethodGet, Path: "/a?b?c"},
	} {
		var got [2]string
		// a zone has net/http used, and an IPv4 address none to look up
		for i, base := range []string{plain.URL + "/v1", strings.Replace(plain.URL, "127.0.0.1", "[::ffff:127.0.0.1%25lo]", 1) + "/v1"} {
			sent := r
			sent.Header = r.Header.Clone()
			if _, err := send(t.Context(), t, newClient(t, base), sent); err != nil {
				t.Fatalf("%s: %v %v", name, err, err.Cause)
			}
			got[i] = <-seen
		}
		if got[0] != got[1] {
			t.Errorf("%s: %q and by net/http %q", name, got[0], got[1])
		}
	}
}

// TestAnIDThatSplitsARequest: a cursor or an id of a provider may be anything.
func TestAnIDThatSplitsARequest(t *testing.T) {
	t.Parallel()
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was sent", r.RequestURI) })
	_, err := send(t.Context(), t, newClient(t, base), upstream.Request{Method: http.MethodGet, Path: "/batches?after=x HTTP/1.1\r\nX: y"})
	if err == nil || err.Reason != errorsv1.Reason_REASON_INTERNAL {
		t.Errorf("got %v", err)
	}
}
