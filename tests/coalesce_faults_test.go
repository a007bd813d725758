package tests

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestLeadersRouterDies, by kill -9: its lease lapses within about two seconds, then one of those that wait at the other
// node asks.
func TestLeadersRouterDies(t *testing.T) {
	t.Parallel()
	url, _ := startRedis(t)
	for name, env := range map[string][]string{"one cache": nil, "one Redis": {"HEADGATE_REDIS_URL=" + url}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newRepeater(always(manner{after: 4 * time.Second}))
			first := mesh.Start(t, mesh.Options{Split: true, Upstream: e, Env: env})
			var shared []string
			if env == nil {
				shared = []string{"cache"}
			}
			second := first.StartNode(t, shared...)
			c := crowd{key: mesh.Key, path: "/v1/chat/completions", model: "gpt-5", stream: true, question: "the leader's router dies with " + name}
			c.one(t.Context(), second, "X-Headgate-Cache", "off") // its connections are there
			c.question += "."
			leader, followers := joinBehind(t, t.Context(), e, c, 30, first, second)
			<-time.After(time.Second)
			died := time.Now()
			first.Kill(t, "router")
			leader()
			labels := c.labels(t, followers())
			times := e.times(c.question)
			if len(times) != 2 || labels["miss"] != 1 || labels["coalesced"] != 29 {
				t.Fatalf("labels %v, asked %d times", labels, len(times))
			}
			if wait := times[1].Sub(died); wait < 500*time.Millisecond || wait > 4*time.Second {
				t.Errorf("the next one asked %v after the router's death", wait)
			}
		})
	}
}

// TestCacheDiesWhileTheyWait, or stalls: they go on alone within about a second, and nobody gets an error.
func TestCacheDiesWhileTheyWait(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			e := newRepeater(always(manner{after: 8 * time.Second}))
			m := mesh.Start(t, mesh.Options{Split: true, Upstream: e})
			c := crowd{key: mesh.Key, path: "/v1/messages", model: "claude-opus-4-6", question: "the cache goes by " + signal.String()}
			leader, followers := joinBehind(t, t.Context(), e, c, 20, m, m)
			<-time.After(time.Second)
			if n := e.count(c.question); n != 1 {
				t.Fatalf("%d asked before", n)
			}
			gone := time.Now()
			if err := m.Process("cache").Signal(signal); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Process("cache").Signal(syscall.SIGCONT) })
			if h := leader(); h.label != "miss" || h.status != http.StatusOK {
				t.Errorf("the leader: %+v", h)
			}
			labels := c.labels(t, followers())
			times := e.times(c.question)
			if len(times) != 21 || labels["miss"] != 20 {
				t.Fatalf("labels %v, asked %d times", labels, len(times))
			}
			if wait := times[20].Sub(gone); wait > 3*time.Second {
				t.Errorf("the last one asked %v after the cache was gone", wait)
			}
		})
	}
}

// TestRedisDiesWhileTheyWait is as TestCacheDiesWhileTheyWait, of the cache's Redis.
func TestRedisDiesWhileTheyWait(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			url, redis := startRedis(t)
			e := newRepeater(always(manner{after: 8 * time.Second}))
			m := mesh.Start(t, mesh.Options{Upstream: e, Env: []string{"HEADGATE_REDIS_URL=" + url}})
			c := crowd{key: mesh.Key, path: "/v1/messages", model: "claude-opus-4-6", question: "the Redis goes by " + signal.String()}
			for round := 0; ; round++ { // the first lookup may be too late for a busy machine, and alone then
				began := time.Now()
				leader, followers := joinBehind(t, t.Context(), e, c, 20, m, m)
				<-time.After(time.Second)
				if e.count(c.question) > 1 && round < 3 {
					c.labels(t, append(followers(), leader()))
					c.question += "."
					continue
				}
				_ = redis.Process.Signal(signal)
				labels := c.labels(t, append(followers(), leader()))
				times := e.times(c.question)
				if len(times) != 21 || labels["coalesced"]+labels["hit"] > 0 {
					t.Fatalf("labels %v, asked %d times", labels, len(times))
				}
				if wait := times[20].Sub(began); wait > 4*time.Second {
					t.Errorf("the last one asked after %v", wait)
				}
				return
			}
		})
	}
}

// TestHeartbeatsWhileWaiting: those who wait on a stream hear that the connection lives.
func TestHeartbeatsWhileWaiting(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 3 * time.Second}))
	bothShapes(t, mesh.Options{Upstream: e, Extra: "gateway: {heartbeat: 1s}\n"}, func(t *testing.T, m *mesh.Mesh) {
		c := crowd{key: mesh.Key, path: "/v1/messages", model: "claude-opus-4-6", stream: true, question: "patience in " + t.Name()}
		leader, followers := joinBehind(t, t.Context(), e, c, 5, m, m)
		heard := append(followers(), leader())
		c.labels(t, heard)
		if e.count(c.question) != 1 {
			t.Errorf("asked %d times", e.count(c.question))
		}
		for _, h := range heard {
			if n := strings.Count(h.text, "event: ping"); n < 1 || n > 4 {
				t.Errorf("%d heartbeats in %s", n, h.text)
			}
		}
	})
}

// TestHalfOfItsTime: who has waited for half of its own total asks by itself, with the other half.
func TestHalfOfItsTime(t *testing.T) {
	t.Parallel()
	e := newRepeater(func(_ string, n int) manner {
		if n == 1 {
			return manner{after: 9 * time.Second}
		}
		return manner{after: 500 * time.Millisecond}
	})
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		c := crowd{key: mesh.Key, path: "/v1/chat/completions", model: "gpt-5", question: "in a hurry in " + t.Name()}
		leader, followers := joinBehind(t, t.Context(), e, c, 1, m, m)
		h := c.one(t.Context(), m, "X-Headgate-Timeout-Ms", "6000")
		if labels := c.labels(t, []heardOne{h}); labels["miss"] != 1 || h.took < 3*time.Second || h.took > 5900*time.Millisecond {
			t.Errorf("%s after %v", h.label, h.took)
		}
		if labels := c.labels(t, append(followers(), leader())); labels["coalesced"] != 1 || e.count(c.question) != 2 {
			t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
		}
	})
}
