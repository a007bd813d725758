package upstream_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// TestKeysRest: an answer that is about the key lets it rest, and the next call has another one.
func TestKeysRest(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status int
		header string
		model  string
		want   string
		rests  time.Duration
	}{
		{200, "", "m", "a", 0},
		{500, "", "m", "a", 0},
		{400, "", "m", "a", 0},
		{429, "30", "m", "b", 30 * time.Second},
		{429, "", "m", "b", credential.Limited},
		{429, "30", "other", "a", 0},
		{401, "", "other", "b", credential.Refused},
		{403, "", "m", "b", credential.Refused},
		{403, "", "other", "a", 0},
		{402, "", "other", "b", credential.Exhausted},
	}
	for _, c := range cases {
		seen := make(chan string, 1)
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header.Get("Authorization")
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
		})
		keys := credential.New([]string{"a", "b"}, nil)
		client, err := upstream.New(upstream.Config{
			Name: "acme", BaseURLs: []string{base}, Keys: keys, Connect: time.Second,
			Authorize: func(h http.Header, key string) { h.Set("Authorization", key) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		resp, failure := send(t.Context(), t, client, upstream.Request{Method: http.MethodGet, Path: "/", Model: "m"})
		if failure != nil || <-seen != "a" || client.Key(resp).Value() != "a" {
			t.Fatalf("%v", failure)
		}
		now := time.Now()
		if got := keys.Pick(c.model, now).Value(); got != c.want {
			t.Errorf("after %d, %s has key %s", c.status, c.model, got)
		}
		if c.rests > 0 && keys.Pick(c.model, now.Add(c.rests-time.Second)).Value() != "b" {
			t.Errorf("after %d it is back too early", c.status)
		}
		if keys.Pick(c.model, now.Add(c.rests)).Value() != "a" {
			t.Errorf("after %d it isn't back in time", c.status)
		}
	}
}

// TestProbesSayNothing: what a server thinks of a key in a health check is no reason to spare it.
func TestProbesSayNothing(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	client := newClient(t, base)
	resp, err := client.Probe(t.Context(), client.Replicas()[0], "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if name := client.Key(resp).Value(); name != "" {
		t.Error("a probe has a key to judge")
	}
}

// TestMaskKnowsAllKeys, one that begins with another included.
func TestMaskKnowsAllKeys(t *testing.T) {
	t.Parallel()
	mask := upstream.NewMask("short-key", "short-key-and-more", "", "abc")
	if got := string(mask.Bytes([]byte("short-key-and-more, short-key, abc"))); got != "[redacted], [redacted], abc" {
		t.Errorf("%q", got)
	}
}
