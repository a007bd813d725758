package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// gateway is as much of Headgate as makes keys: they are taken from their second use on.
type gateway struct {
	mu   sync.Mutex
	made map[string]bool
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch r.URL.Path {
	case "/api/v1/keys":
		var asked struct {
			Name   string
			Limits map[string]int64
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || key != adminKey || asked.Limits["concurrent_requests"] == 0 {
			http.Error(w, `{"message": "no"}`, http.StatusBadRequest)
			return
		}
		secret := "hg_live_" + strings.TrimPrefix(asked.Name, "bench ")
		g.made[secret] = false
		fmt.Fprintf(w, `{"key": {"id": "key_1"}, "secret": %q}`, secret)
	case "/v1/models":
		if known := g.made[key]; !known {
			g.made[key] = true
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
}

func TestCreateKeys(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 40} {
		server := httptest.NewServer(&gateway{made: map[string]bool{}})
		defer server.Close()
		keys, err := createKeys(t.Context(), server.Listener.Addr().String(), n)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) != n || keys[n-1] != fmt.Sprintf("hg_live_%d", n-1) {
			t.Errorf("%d keys: %v", n, keys)
		}
	}
}

func TestCreateKeysWhereThereAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"no such path": {http.StatusNotFound, `{"message": "no such path"}`, "-governed=false"},
		"refused":      {http.StatusForbidden, `{"message": "not you"}`, "not you"},
		"no secret":    {http.StatusOK, `{}`, "status 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			_, err := createKeys(t.Context(), server.Listener.Addr().String(), 1)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if errors.Is(err, errNoKeys) != (c.status == http.StatusNotFound) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestKeysTakeTurns: every key is presented.
func TestKeysTakeTurns(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), true)
		_, _ = w.Write([]byte(openaiUnary))
	}))
	defer server.Close()
	keys := []string{"a", "b", "c", "d", "e"}
	got := drive(t.Context(), server.Listener.Addr().String(), keys, scenario{dialect: openai, conns: 2}, 100*time.Millisecond)
	if got.err != nil {
		t.Fatal(got.err)
	}
	for _, key := range keys {
		if _, ok := seen.Load(key); !ok && len(got.answers) > 2*len(keys) {
			t.Errorf("%s was never presented", key)
		}
	}
}

// TestMesh: each process knows where all others are, and listens where they look for it.
func TestMesh(t *testing.T) {
	t.Parallel()
	launches, ops, err := mesh(t.Context(), apart, "headgate", "file.yaml", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range launches {
		if name := apart[i].name; name != "" {
			own := "HEADGATE_" + strings.ToUpper(name) + "_ADDR=" + l.listens
			if !slices.Contains(l.env, "HEADGATE_GRPC_ADDR="+l.listens) {
				t.Errorf("%s listens elsewhere: %v", name, l.env)
			}
			for _, other := range launches {
				if !slices.Contains(other.env, own) {
					t.Errorf("%v doesn't know %s", other.args, own)
				}
			}
		}
		if !slices.Contains(l.env, "HEADGATE_HTTP_ADDR=127.0.0.1:1") || l.args[len(l.args)-1] != "file.yaml" {
			t.Errorf("%v %v", l.args, l.env)
		}
	}
	if last := launches[len(launches)-1]; last.args[0] != "gateway" || !slices.Contains(last.env, "HEADGATE_OPS_ADDR="+ops) {
		t.Errorf("the last is %v at %s", last.args, ops)
	}
}
