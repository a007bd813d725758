package tests

import (
	"bytes"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// startRedis starts a Redis for one test, and skips where there is none to start.
func startRedis(t *testing.T) (url string, process *exec.Cmd) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server isn't installed")
	}
	addr := mesh.FreeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "redis://" + addr + "/0", cmd
}

// TestTwoNodesOneLimit: two routers with a rate limiter each, on one Redis, hold a key to one limit together, and an
// answer that one of them kept is found by both.
func TestTwoNodesOneLimit(t *testing.T) {
	t.Parallel()
	url, _ := startRedis(t)
	first := mesh.Start(t, mesh.Options{Split: true, Env: []string{"HEADGATE_REDIS_URL=" + url}, Extra: "log: {level: debug}\n"})
	second := first.StartNode(t)
	for _, limit := range []int64{10, 300} {
		k := makeKey(t, first, mesh.Key, `"name":"shared","limits":{"requests_per_minute":`+strconv.FormatInt(limit, 10)+`}`)
		eventually(t, "the second node knows the key", func() bool {
			resp, _ := ask(t, second, k.Secret, http.MethodGet, "/v1/models", "")
			return resp.StatusCode == 200
		})
		var passed atomic.Int64
		began := time.Now()
		var wg sync.WaitGroup
		for _, m := range []*mesh.Mesh{first, second} {
			for range 4 {
				wg.Go(func() {
					for range limit / 5 {
						resp, _, err := try(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false))
						if err == nil && resp.StatusCode == 200 {
							passed.Add(1)
						}
					}
				})
			}
		}
		wg.Wait()
		most := limit + int64(float64(limit)*time.Since(began).Minutes()) + 1
		least := limit - max(1, limit/50)
		if passed.Load() > most || passed.Load() < least {
			t.Errorf("%d of %d passed a limit of %d on two nodes, want %d to %d", passed.Load(), 8*(limit/5), limit, least, most)
			for _, line := range strings.Split(first.Log()+second.Log(), "\n") {
				if strings.Contains(line, "deciding alone") {
					t.Log(line)
				}
			}
		}
	}
	k := makeKey(t, first, mesh.Key, `"name":"cached"`)
	ask(t, first, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false), "x-headgate-cache", "on")
	eventually(t, "the other node finds it", func() bool {
		resp, _ := ask(t, second, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false), "x-headgate-cache", "on")
		return resp.Header.Get("x-headgate-cache") == "hit"
	})
	if resp, body := ask(t, first, mesh.Key, http.MethodPost, "/api/v1/cache:invalidate", `{"model":"gpt-5"}`); resp.StatusCode != 200 {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	if resp, _ := ask(t, second, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false), "x-headgate-cache", "on"); resp.Header.Get("x-headgate-cache") == "hit" {
		t.Error("the other node found a withdrawn answer")
	}
}

// TestRedisDown: a Redis that is killed or stalled costs nobody an answer, makes no limit vanish, and withdraws nothing
// that it can't.
func TestRedisDown(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			url, redis := startRedis(t)
			m := mesh.Start(t, mesh.Options{Env: []string{"HEADGATE_REDIS_URL=" + url}})
			k := makeKey(t, m, mesh.Key, `"name":"few","limits":{"requests_per_minute":5}`)
			free := makeKey(t, m, mesh.Key, `"name":"free"`)
			if err := redis.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			passed, longest := 0, time.Duration(0)
			for i := range 12 {
				began := time.Now()
				resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false), "x-headgate-cache", "on")
				longest = max(longest, time.Since(began))
				switch resp.StatusCode {
				case 200:
					passed++
				case 429:
				default:
					t.Errorf("call %d: %d: %s", i, resp.StatusCode, body)
				}
			}
			if passed < 1 || passed > 6 {
				t.Errorf("%d of 12 passed a limit of 5", passed)
			}
			if resp, body := ask(t, m, free.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false)); resp.StatusCode != 200 {
				t.Errorf("without limits: %d: %s", resp.StatusCode, body)
			}
			if resp, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/cache:invalidate", `{"all":true}`); resp.StatusCode != 503 || !bytes.Contains(body, []byte("SERVICE_UNAVAILABLE")) {
				t.Errorf("an invalidation that can't be: %d: %s", resp.StatusCode, body)
			}
			if longest > 5*time.Second {
				t.Errorf("the slowest took %s", longest)
			}
		})
	}
}
