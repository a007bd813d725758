package tests

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestPartDown: each service killed and stalled in turn. Calls go on and none hangs, limits still hold, nothing is
// unrecorded in the end, and when the part is back all is as before (docs/operations.md tells what to expect).
func TestPartDown(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"keys", "ratelimit", "cache", "usage"} {
		for _, how := range []string{"killed", "stalled"} {
			t.Run(victim+" "+how, func(t *testing.T) {
				t.Parallel()
				m := mesh.Start(t, mesh.Options{Split: true})
				free := makeKey(t, m, mesh.Key, `"name":"free","tenant":"acme"`)
				few := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{"requests_per_minute":5}`)
				back := take(t, m, victim, how)
				longest := time.Duration(0)
				answered := func(key string) int {
					began := time.Now()
					resp, body := ask(t, m, key, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false), "x-headgate-cache", "on")
					longest = max(longest, time.Since(began))
					if resp.StatusCode != 200 && resp.StatusCode != 429 {
						t.Errorf("%d: %s", resp.StatusCode, body)
					}
					return resp.StatusCode
				}
				for range 10 {
					if status := answered(free.Secret); status != 200 {
						t.Errorf("a key without limits: %d", status)
					}
				}
				passed := 0
				for range 12 {
					if answered(few.Secret) == 200 {
						passed++
					}
				}
				if passed < 1 || passed > 6 {
					t.Errorf("%d of 12 passed a limit of 5", passed)
				}
				if longest > 5*time.Second {
					t.Errorf("the slowest took %s", longest)
				}
				back()
				eventually(t, "every row is in the ledger", func() bool {
					resp, _ := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/usage/totals", "")
					return resp.StatusCode == 200 && len(rows(t, m, mesh.Key, "filter.tenant=acme")) == 10+passed
				})
				eventually(t, "keys can be made again", func() bool {
					resp, _ := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/keys", `{"name":"after"}`)
					return resp.StatusCode == 200
				})
			})
		}
	}
}

// take ends or stops a service, and returns what brings it back.
func take(t *testing.T, m *mesh.Mesh, victim, how string) (back func()) {
	t.Helper()
	if how == "killed" {
		m.Kill(t, victim)
		return func() { m.StartService(t, victim) }
	}
	if err := m.Process(victim).Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	once := false
	back = func() {
		if !once {
			once = true
			_ = m.Process(victim).Signal(syscall.SIGCONT)
		}
	}
	t.Cleanup(back)
	return back
}

// TestUnknownWhileKeysAreDown: a key that nobody knows stays refused, and no store is asked for it.
func TestUnknownWhileKeysAreDown(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Split: true})
	m.Kill(t, "keys")
	for _, key := range []string{"hg_live_000000000000000000000000000000000000", "nonsense"} {
		if resp, body := ask(t, m, key, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false)); resp.StatusCode != 401 {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
	}
}
