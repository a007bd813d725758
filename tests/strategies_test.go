package tests

import (
	"bytes"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

const trio = `  a: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/a/v1"}
  b: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/b/v1"}
  c: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/c/v1"}
models:
  shared: {strategy: weighted, targets: [{provider: a, model: gpt-5, weight: 6}, {provider: b, model: gpt-5, weight: 3}, {provider: c, model: gpt-5}]}
  loaded: {strategy: least_loaded, targets: [{provider: a, model: gpt-5}, {provider: b, model: gpt-5}, {provider: c, model: gpt-5}]}
`

// TestWeighted: every target gets its share of the calls, within four standard deviations.
func TestWeighted(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b", "c")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trio})
	const calls = 1000
	atOnce(8, calls, func(int) {
		if resp, body, err := try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("shared", false)); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", err, tail(body))
		}
	})
	for name, share := range map[string]float64{"a": 0.6, "b": 0.3, "c": 0.1} {
		got, want := float64(f.count(name)), calls*share
		if off := math.Abs(got - want); off > 4*math.Sqrt(calls*share*(1-share)) {
			t.Errorf("%s got %v of %d calls, want about %v", name, got, calls, want)
		}
	}
	if target := targetOf(t, m, "shared", "a"); target.Weight != 6 {
		t.Errorf("%+v", target)
	}
	f.faults(t, "a", "status=500") // its share falls to the others
	atOnce(8, 100, func(int) {
		if resp, body, err := try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("shared", false)); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", err, tail(body))
		}
	})
}

// TestLeastLoaded: a target that is four times as slow gets much less, and is still tried.
func TestLeastLoaded(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b", "c")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trio})
	f.faults(t, "a", "ttft=120ms")
	f.faults(t, "b", "ttft=30ms")
	f.faults(t, "c", "ttft=30ms")
	for _, stream := range []bool{false, true} {
		before := map[string]int{"a": f.count("a"), "b": f.count("b"), "c": f.count("c")}
		atOnce(6, 300, func(int) {
			if resp, body, err := try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("loaded", stream)); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%v: %s", err, tail(body))
			}
		})
		got := make(map[string]int)
		for name, n := range before {
			got[name] = f.count(name) - n
		}
		if got["a"] > 75 || got["a"] == 0 || got["b"] < 80 || got["c"] < 80 {
			t.Errorf("stream %v: %v of 300", stream, got)
		}
	}
}

const replicas = `  gpus: {kind: vllm, trust: local, health_check: {interval: 100ms, timeout: 1s}, endpoints: ["http://${UPSTREAM}/north/vllm", "http://${UPSTREAM}/south/vllm"]}
  cloud: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/cloud/v1"}
models:
  ours: {targets: [{provider: gpus, model: qwen3-8b}, {provider: cloud, model: gpt-5}]}
  only: {targets: [{provider: gpus, model: qwen3-8b}]}
`

// TestHealthChecks: a replica that isn't well gets no calls, a provider without a well one is passed over, and both come
// back by themselves.
func TestHealthChecks(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "north", "south", "cloud")
	var sick sync.Map
	f.before = func(w http.ResponseWriter, r *http.Request, name string) bool {
		if _, is := sick.Load(name); is && strings.HasSuffix(r.URL.Path, "/health") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: replicas})
	provider := func(model string) string {
		resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody(model, false))
		return resp.Header.Get("X-Headgate-Provider")
	}
	calls := func(n int) (north, south int) {
		north, south = f.count("north"), f.count("south")
		atOnce(4, n, func(int) { provider("ours") })
		return f.count("north") - north, f.count("south") - south
	}
	if north, south := calls(20); north == 0 || south == 0 {
		t.Errorf("well: %d and %d", north, south)
	}
	sick.Store("south", true)
	eventually(t, "south gets no calls", func() bool { _, south := calls(8); return south == 0 })
	if north, south := calls(20); north != 20 || south != 0 {
		t.Errorf("south is sick: %d and %d", north, south)
	}
	if target := targetOf(t, m, "ours", "gpus"); target.Healthy == nil || !*target.Healthy {
		t.Errorf("one of two is well: %+v", target)
	}
	sick.Store("north", true)
	eventually(t, "both are sick", func() bool {
		target := targetOf(t, m, "ours", "gpus")
		return target.Healthy != nil && !*target.Healthy
	})
	if north, south := calls(20); north+south != 0 {
		t.Errorf("both are sick: %d and %d", north, south)
	}
	if got := provider("ours"); got != "cloud" {
		t.Errorf("%s answered", got)
	}
	_, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/routes:explain", `{"model":"ours"}`)
	if !bytes.Contains(body, []byte(`"unhealthy"`)) {
		t.Errorf("explained: %s", body)
	}
	if got := provider("only"); got != "gpus" {
		t.Errorf("the last candidate: %s answered", got)
	}
	if text := fetch(t, "http://"+m.Ops+"/metrics"); !regexp.MustCompile(`headgate_provider_healthy\{headgate_provider="gpus"[^}]*\} 0`).MatchString(text) {
		t.Errorf("no metric of the health: %s", linesOf(text, "provider_healthy"))
	}
	sick.Clear()
	eventually(t, "both are back", func() bool { north, south := calls(8); return north > 0 && south > 0 })
}
