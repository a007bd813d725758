package tests

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// desk answers in a provider's place for some of its keys.
type desk struct {
	mu sync.Mutex
	// says is what a key gets in place of an answer.
	says map[string]refusal
	used map[string]int
}

type refusal struct {
	status     int
	body       string
	retryAfter string
}

func (d *desk) answer(w http.ResponseWriter, r *http.Request, _ string) (done bool) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if key == "" {
		key = r.Header.Get("X-Api-Key")
	}
	d.mu.Lock()
	no, refused := d.says[key]
	if r.Method == http.MethodPost {
		d.used[key]++
	}
	d.mu.Unlock()
	if !refused {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	if no.retryAfter != "" {
		w.Header().Set("Retry-After", no.retryAfter)
	}
	w.WriteHeader(no.status)
	_, _ = io.WriteString(w, strings.ReplaceAll(no.body, "KEY", key))
	return true
}

// calls is how often a key came.
func (d *desk) calls(key string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used[key]
}

func (d *desk) set(key string, r refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says[key] = r
}

const firstKey, secondKey, thirdKey = "sk-first-4f1d2c3b5a697887", "sk-second-90a1b2c3d4e5f607", "sk-third-77665544332211aa"

const severalKeys = `  cloud: {kind: openai, api_keys: [` + firstKey + `, ` + secondKey + `, ` + thirdKey + `], base_url: "http://${UPSTREAM}/cloud/v1"}
  sky: {kind: anthropic, api_keys: [` + firstKey + `, ` + secondKey + `], base_url: "http://${UPSTREAM}/sky"}
  spare: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/spare/v1"}
models:
  o: {targets: [{provider: cloud, model: gpt-5}, {provider: spare, model: gpt-5}]}
  a: {targets: [{provider: sky, model: claude-opus-4-6}, {provider: spare, model: gpt-5}]}
log: {level: debug}
`

// TestKeyRotation: a refused key rests and the next one answers at once, in every dialect; the caller sees nothing of it,
// and nobody sees a key.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	const quota = `{"error":{"message":"You exceeded your current quota with KEY","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`
	cases := map[string]struct {
		refusal

		moves bool
	}{
		"429":                 {refusal{429, `{"error":{"message":"slow down, KEY","type":"requests","code":"rate_limit_exceeded"}}`, "30"}, true},
		"429 without a time":  {refusal{429, `{"type":"error","error":{"type":"rate_limit_error","message":"KEY"}}`, ""}, true},
		"an empty account":    {refusal{429, quota, ""}, true},
		"402":                 {refusal{402, `{"type":"error","error":{"type":"billing_error","message":"pay for KEY"}}`, ""}, true},
		"401":                 {refusal{401, `{"error":{"message":"Incorrect API key provided: KEY","type":"invalid_request_error","code":"invalid_api_key"}}`, ""}, true},
		"403":                 {refusal{403, `{"error":{"message":"KEY may not","type":"invalid_request_error","code":"unsupported"}}`, ""}, true},
		"500 isn't the key's": {refusal{500, `{"error":{"message":"oops KEY","type":"server_error"}}`, ""}, false},
		"400 isn't the key's": {refusal{400, `{"error":{"message":"bad KEY","type":"invalid_request_error"}}`, ""}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "cloud", "sky", "spare")
			d := &desk{says: map[string]refusal{firstKey: c.refusal}, used: make(map[string]int)}
			f.before = d.answer
			m := mesh.Start(t, mesh.Options{Upstream: f, Extra: severalKeys})
			for _, model := range []string{"o", "a"} {
				checkRotation(t, m, model, c.moves)
			}
			for _, secret := range []string{firstKey, secondKey, thirdKey} {
				checkNoSecret(t, m, secret)
			}
		})
	}
}

func checkRotation(t *testing.T, m *mesh.Mesh, model string, moves bool) {
	t.Helper()
	provider := map[string]string{"o": "cloud", "a": "sky"}[model]
	for i, path := range []string{chatPath, "/v1/messages", chatPath} {
		body := openAIBody(model, i == 2)
		if path == "/v1/messages" {
			body = chatBody(model, true)
		}
		began := time.Now()
		resp, got := ask(t, m, mesh.Key, http.MethodPost, path, body)
		took := time.Since(began)
		if !moves {
			if resp.Header.Get("X-Headgate-Provider") == provider && resp.StatusCode == http.StatusOK {
				t.Errorf("%s: another key of %s answered", model, provider)
			}
			continue
		}
		want := map[bool]string{true: "2", false: "1"}[i == 0] // the key that rests isn't asked again
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Headgate-Provider") != provider || resp.Header.Get("X-Headgate-Attempts") != want {
			t.Errorf("%s, call %d: %d from %s after %s attempts, want %s: %s", model, i, resp.StatusCode,
				resp.Header.Get("X-Headgate-Provider"), resp.Header.Get("X-Headgate-Attempts"), want, tail(got))
		}
		if took > time.Second {
			t.Errorf("%s, call %d took %v", model, i, took)
		}
	}
	target := targetOf(t, m, model, provider)
	want := map[bool]int{true: 1}[moves]
	if target.KeysCooling != want || target.Keys < 2 {
		t.Errorf("%s: %d of %d keys rest, want %d", model, target.KeysCooling, target.Keys, want)
	}
	if target.Breaker != "BREAKER_STATE_CLOSED" {
		t.Errorf("%s: breaker %s", model, target.Breaker)
	}
}

// shownTarget is a target as REST shows it.
type shownTarget struct {
	Model, Provider, Breaker string
	BreakerUntil             string `json:"breaker_until"`
	KeysCooling              int    `json:"keys_cooling"`
	Keys, Weight             int
	Healthy                  *bool
	Attempts, Failures       string
	FirstContent             string `json:"first_content"`
}

func targetOf(t *testing.T, m *mesh.Mesh, model, provider string) shownTarget {
	t.Helper()
	_, body := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/targets", "")
	var list struct{ Targets []shownTarget }
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, target := range list.Targets {
		if target.Model == model && target.Provider == provider {
			return target
		}
	}
	t.Fatalf("no target %s at %s: %s", model, provider, body)
	return shownTarget{}
}

func checkNoSecret(t *testing.T, m *mesh.Mesh, secret string) {
	t.Helper()
	places := map[string]string{"log": m.Log(), "metrics": fetch(t, "http://"+m.Ops+"/metrics")}
	_, events := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/usage/events", "")
	places["usage"] = string(events)
	for place, text := range places {
		for _, form := range forms(secret) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("a key is in the %s: ...%s", place, text[max(0, i-200):i+10])
			}
		}
	}
}

// TestAllKeysRest: a target whose keys all rest is passed over without being asked, an explanation says so, and where it
// is the only one it is asked all the same.
func TestAllKeysRest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "spare")
	d := &desk{says: make(map[string]refusal), used: make(map[string]int)}
	f.before = d.answer
	for _, key := range []string{firstKey, secondKey, thirdKey} {
		d.set(key, refusal{429, `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, "20"})
	}
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: severalKeys})
	for range 3 {
		resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("o", false))
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Headgate-Provider") != "spare" {
			t.Errorf("%d from %s: %s", resp.StatusCode, resp.Header.Get("X-Headgate-Provider"), tail(body))
		}
	}
	if n := f.count("cloud"); n > 4 {
		t.Errorf("cloud, whose three keys rest, was asked %d times", n)
	}
	eventually(t, "all keys rest", func() bool {
		_, _ = ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("o", false))
		return targetOf(t, m, "o", "cloud").KeysCooling == 3
	})
	asked := f.count("cloud")
	_, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/routes:explain", `{"model":"o"}`)
	if !bytes.Contains(body, []byte("all keys cooling for ")) {
		t.Errorf("explained: %s", body)
	}
	if resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("o", false)); resp.Header.Get("X-Headgate-Attempts") != "1" || f.count("cloud") != asked {
		t.Errorf("%v", resp.Header)
	}
	resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("cloud/gpt-5", false), "X-Headgate-Timeout-Ms", "2000")
	if resp.StatusCode != http.StatusTooManyRequests || f.count("cloud") == asked {
		t.Errorf("the only target wasn't asked: %d: %s", resp.StatusCode, tail(body))
	}
	if !strings.Contains(fetch(t, "http://"+m.Ops+"/metrics"), `headgate_provider_keys_cooling{headgate_provider="cloud"`) {
		t.Error("no metric of the keys")
	}
}

// TestKeyRotationAtOnce: many calls that meet a refused key at the same time all move on to the next one.
func TestKeyRotationAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "spare")
	d := &desk{says: map[string]refusal{
		firstKey:  {429, `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, "30"},
		secondKey: {401, `{"error":{"message":"who is this?","code":"invalid_api_key"}}`, ""},
	}, used: make(map[string]int)}
	f.before = func(w http.ResponseWriter, r *http.Request, name string) bool {
		if r.Method == http.MethodPost {
			<-time.After(20 * time.Millisecond)
		}
		return d.answer(w, r, name)
	}
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: severalKeys})
	atOnce(40, 120, func(int) {
		resp, body, err := try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("cloud/gpt-5", false))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", err, tail(body))
		}
	})
	if first, second := d.calls(firstKey), d.calls(secondKey); first > 40 || second > 40 {
		t.Errorf("the refused keys came %d and %d times", first, second)
	}
}
