package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// ask sends a request with a key of one's own and returns what came back.
func ask(t *testing.T, m *mesh.Mesh, key, method, path, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	resp, got, err := try(t, m, key, method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func try(t *testing.T, m *mesh.Mesh, key, method, path, body string, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, m.URL(path), strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if strings.HasPrefix(path, "/v1/messages") {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, got, err
}

type madeKey struct {
	Key    struct{ ID, Name, Tenant, Role, Hint string }
	Secret string
}

// makeKey makes a key over REST; fields is JSON without braces.
func makeKey(t *testing.T, m *mesh.Mesh, by, fields string) madeKey {
	t.Helper()
	resp, body := ask(t, m, by, http.MethodPost, "/api/v1/keys", "{"+fields+"}")
	var k madeKey
	if err := json.Unmarshal(body, &k); err != nil || resp.StatusCode != http.StatusOK || k.Secret == "" {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, body)
	}
	eventually(t, "the new key is known", func() bool {
		resp, _ := ask(t, m, k.Secret, http.MethodGet, "/v1/models", "")
		return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusForbidden
	})
	return k
}

// row is a usage event as REST shows it.
type row struct {
	ID        string `json:"id"`
	RequestID string `json:"request_id"`
	Tenant    string `json:"tenant"`
	KeyID     string `json:"key_id"`
	Model     string `json:"model"`
	Provider  string `json:"provider"`
	Outcome   string `json:"outcome"`
	Estimated bool   `json:"estimated"`
	Tokens    struct {
		Input  int64 `json:"input_tokens,string"`
		Output int64 `json:"output_tokens,string"`
	} `json:"tokens"`
	Cost *string           `json:"cost_pico_usd"`
	Tags map[string]string `json:"tags"`
}

// rows reads the ledger.
func rows(t *testing.T, m *mesh.Mesh, key, query string) []row {
	t.Helper()
	resp, body := ask(t, m, key, http.MethodGet, "/api/v1/usage/events?"+query, "")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	var list []row
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var l struct{ Result struct{ Event row } }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Result.Event.ID == "" {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		list = append(list, l.Result.Event)
	}
	return list
}

// TestKeysOverREST: made, shown once, listed, used, revoked and refused everywhere.
func TestKeysOverREST(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"search","tenant":"acme","models":["gpt-*"]`)
		if !strings.HasPrefix(k.Secret, "hg_live_") || !strings.HasPrefix(k.Secret, k.Key.Hint) || k.Key.Tenant != "acme" {
			t.Errorf("%+v", k)
		}
		resp, body := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/keys", "")
		if resp.StatusCode != 200 || !bytes.Contains(body, []byte(k.Key.ID)) || bytes.Contains(body, []byte(k.Secret)) {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false)); resp.StatusCode != 200 {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/messages", chatBody("claude-opus-4-6", false)); resp.StatusCode != 403 || !bytes.Contains(body, []byte("MODEL_NOT_ALLOWED")) {
			t.Errorf("a model that isn't the key's: %d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, k.Secret, http.MethodGet, "/v1/models", ""); resp.StatusCode != 200 || bytes.Contains(body, []byte("claude")) || !bytes.Contains(body, []byte("gpt-5")) {
			t.Errorf("the list: %d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, k.Secret, http.MethodPost, "/api/v1/keys", `{"name":"mine"}`); resp.StatusCode != 403 {
			t.Errorf("a client made a key: %d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, mesh.Key, http.MethodDelete, "/api/v1/keys/"+k.Key.ID, ""); resp.StatusCode != 200 {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		eventually(t, "the key is refused", func() bool {
			resp, _ := ask(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false))
			return resp.StatusCode == http.StatusUnauthorized
		})
	})
}

// TestViewersSendNothing: a key that only reads is refused by every way to a model.
func TestViewersSendNothing(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		viewer := makeKey(t, m, mesh.Key, `"name":"looks on","tenant":"acme","role":"ROLE_VIEWER"`)
		for path, body := range map[string]string{
			"/v1/chat/completions":      openAIBody("gpt-5", false),
			"/v1/embeddings":            `{"model":"text-embedding-3-small","input":"Hi"}`,
			"/v1/messages":              chatBody("claude-opus-4-6", true),
			"/v1/messages/count_tokens": `{"model":"claude-opus-4-6","messages":[{"role":"user","content":"Hi"}]}`,
			"/api/v1/chat":              `{"model":"gpt-5","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`,
		} {
			if resp, got := ask(t, m, viewer.Secret, http.MethodPost, path, body); resp.StatusCode != http.StatusForbidden || !bytes.Contains(got, []byte("ROLE_VIEWER")) {
				t.Errorf("%s: %d: %s", path, resp.StatusCode, got)
			}
		}
		if resp, got := ask(t, m, viewer.Secret, http.MethodGet, "/v1/models", ""); resp.StatusCode != http.StatusOK {
			t.Errorf("the list of models: %d: %s", resp.StatusCode, got)
		}
	})
}

// TestTenantsAdministrator: an administrator of a tenant stays within it, and within its own rights.
func TestTenantsAdministrator(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		other := makeKey(t, m, mesh.Key, `"name":"other","tenant":"umbrella"`)
		admin := makeKey(t, m, mesh.Key, `"name":"admin","tenant":"acme","role":"ROLE_ADMIN","limits":{"requests_per_minute":1000}`)
		for name, fields := range map[string]string{
			"another tenant": `"name":"x","tenant":"umbrella"`,
			"higher limits":  `"name":"x","limits":{"requests_per_minute":1001}`,
		} {
			if resp, body := ask(t, m, admin.Secret, http.MethodPost, "/api/v1/keys", "{"+fields+"}"); resp.StatusCode != 403 || !bytes.Contains(body, []byte("EXCEEDS_OWN_RIGHTS")) {
				t.Errorf("%s: %d: %s", name, resp.StatusCode, body)
			}
		}
		if resp, body := ask(t, m, admin.Secret, http.MethodDelete, "/api/v1/keys/"+other.Key.ID, ""); resp.StatusCode != 404 {
			t.Errorf("another tenant's key: %d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, admin.Secret, http.MethodGet, "/api/v1/keys", ""); resp.StatusCode != 200 || bytes.Contains(body, []byte(other.Key.ID)) {
			t.Errorf("the list: %d: %s", resp.StatusCode, body)
		}
		child := makeKey(t, m, admin.Secret, `"name":"child"`)
		if child.Key.Tenant != "acme" {
			t.Errorf("%+v", child)
		}
	})
}

// TestLimits: the limit is the limit, told in the caller's dialect.
func TestLimits(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{"requests_per_minute":5}`)
		passed := 0
		for range 8 {
			resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false))
			switch resp.StatusCode {
			case http.StatusOK:
				passed++
				if resp.Header.Get("x-ratelimit-limit-requests") != "5" {
					t.Errorf("%v", resp.Header)
				}
			case http.StatusTooManyRequests:
				if resp.Header.Get("Retry-After") == "" || resp.Header.Get("x-ratelimit-remaining-requests") != "0" || !bytes.Contains(body, []byte(`"rate_limit_exceeded"`)) {
					t.Errorf("%v %s", resp.Header, body)
				}
			default:
				t.Errorf("%d: %s", resp.StatusCode, body)
			}
		}
		if passed != 5 {
			t.Errorf("%d requests passed a limit of 5 (the minute's refill brings one in 12 s)", passed)
		}
		resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/messages", chatBody("claude-opus-4-6", true))
		if resp.StatusCode != 429 || !bytes.Contains(body, []byte(`"rate_limit_error"`)) || resp.Header.Get("anthropic-ratelimit-requests-limit") != "5" {
			t.Errorf("%d %v: %s", resp.StatusCode, resp.Header, body)
		}
		resp, body = ask(t, m, k.Secret, http.MethodGet, "/api/v1/quota", "")
		if resp.StatusCode != 200 || !bytes.Contains(body, []byte("DIMENSION_REQUESTS")) {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		tokens := makeKey(t, m, mesh.Key, `"name":"small","limits":{"tokens_per_minute":500}`)
		resp, body = ask(t, m, tokens.Secret, http.MethodPost, "/v1/chat/completions", `{"model":"gpt-5","max_tokens":600,"messages":[{"role":"user","content":"Hi"}]}`)
		if resp.StatusCode != 429 || resp.Header.Get("X-Should-Retry") != "false" || resp.Header.Get("x-ratelimit-limit-tokens") != "" {
			t.Errorf("%d %v: %s", resp.StatusCode, resp.Header, body)
		}
		some := func() (*http.Response, []byte) {
			return ask(t, m, tokens.Secret, http.MethodPost, "/v1/chat/completions", `{"model":"gpt-5","max_completion_tokens":400,"user":"sim:chunks=300","messages":[{"role":"user","content":"Hi"}]}`)
		}
		if resp, body := some(); resp.StatusCode != 200 {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		resp, body = some()
		left, err := strconv.Atoi(resp.Header.Get("x-ratelimit-remaining-tokens"))
		reset, _ := time.ParseDuration(resp.Header.Get("x-ratelimit-reset-tokens"))
		if resp.StatusCode != 429 || err != nil || left <= 0 || left >= 400 || reset <= 0 || !bytes.Contains(body, []byte(`"type":"tokens"`)) || !bytes.Contains(body, []byte(" left, and")) {
			t.Errorf("%d %v: %s", resp.StatusCode, resp.Header, body)
		}
	})
}

// TestConcurrency: as many at once as allowed, and a place is free again when its answer has ended.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"two","limits":{"concurrent_requests":2}`)
		var passed, refused atomic.Int64
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				resp, _, err := try(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5#ttft=1s", false))
				switch {
				case err != nil:
					t.Error(err)
				case resp.StatusCode == 200:
					passed.Add(1)
				case resp.StatusCode == 429:
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 2 || refused.Load() != 4 {
			t.Errorf("%d passed, %d were refused", passed.Load(), refused.Load())
		}
		eventually(t, "the places are free again", func() bool {
			resp, _ := ask(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody("gpt-5", false))
			return resp.StatusCode == 200
		})
	})
}

// TestUsageRows: one row an attempt, with the provider's count, whatever the dialect and however it ended.
func TestUsageRows(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"counted","tenant":"acme"`)
		calls := []struct{ path, body string }{
			{"/v1/chat/completions", openAIBody("gpt-5", false)},
			{"/v1/chat/completions", openAIBody("gpt-5", true)},
			{"/v1/messages", chatBody("claude-opus-4-6", false)},
			{"/v1/messages", chatBody("claude-opus-4-6", true)},
			{"/v1/chat/completions", openAIBody("claude-opus-4-6", true)},
			{"/v1/messages", chatBody("gpt-5#cut=5", true)},
		}
		ids := map[string]int{}
		for i, c := range calls {
			resp, _, _ := try(t, m, k.Secret, http.MethodPost, c.path, c.body, "x-headgate-tags", "team=search")
			ids[resp.Header.Get("x-request-id")] = i
		}
		var list []row
		eventually(t, "the rows are there", func() bool {
			list = rows(t, m, k.Secret, "")
			return len(list) == len(calls)
		})
		for _, r := range list {
			i, ok := ids[r.RequestID]
			if !ok || r.KeyID != k.Key.ID || r.Tenant != "acme" || r.Tags["team"] != "search" || r.Tokens.Input == 0 || r.Tokens.Output == 0 {
				t.Errorf("%+v", r)
			}
			cut := i == len(calls)-1
			if want := map[bool]string{false: "OUTCOME_COMPLETE", true: "OUTCOME_BROKEN"}[cut]; r.Outcome != want || r.Estimated != cut || r.Cost == nil {
				t.Errorf("call %d: %+v", i, r)
			}
		}
		resp, body := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/usage?group_by=GROUP_TENANT&group_by=GROUP_MODEL&filter.tenant=acme", "")
		if resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"cost_usd"`)) {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		stranger := makeKey(t, m, mesh.Key, `"name":"stranger","tenant":"umbrella"`)
		if list := rows(t, m, stranger.Secret, ""); len(list) != 0 {
			t.Errorf("another tenant sees %d rows", len(list))
		}
	})
}

// TestCache: the second time comes from the cache, for the same tenant only, until it is withdrawn.
func TestCache(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		a := makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme"`)
		b := makeKey(t, m, mesh.Key, `"name":"b","tenant":"umbrella"`)
		for _, stream := range []bool{false, true} {
			for path, body := range map[string]string{"/v1/chat/completions": openAIBody("gpt-5", stream), "/v1/messages": chatBody("claude-opus-4-6", stream)} {
				cached := func(k madeKey, want string) (string, bool) {
					resp, got := ask(t, m, k.Secret, http.MethodPost, path, body, "x-headgate-cache", "on")
					return string(got), resp.Header.Get("x-headgate-cache") == want && resp.StatusCode == 200
				}
				first, ok := cached(a, "miss")
				if !ok {
					t.Errorf("%s: the first one isn't a miss", path)
				}
				eventually(t, "a hit", func() bool {
					again, hit := cached(a, "hit")
					if hit && again != first {
						t.Errorf("%s: a hit says %s, the first one %s", path, again, first)
					}
					return hit
				})
				if _, ok := cached(b, "miss"); !ok {
					t.Errorf("%s: another tenant got the answer", path)
				}
				if resp, got := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/cache:invalidate", `{"tenant":"acme"}`); resp.StatusCode != 200 {
					t.Errorf("%d: %s", resp.StatusCode, got)
				}
				if _, ok := cached(a, "miss"); !ok {
					t.Errorf("%s: a withdrawn answer was found", path)
				}
			}
		}
	})
}

// TestKilledUnderLoad: kill -9 of whatever keeps the books, under load; then the simulator's book and the ledger agree:
// every answer that a client saw whole has its row, and none has two.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"all", "usage", "router"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			m := mesh.Start(t, mesh.Options{Split: victim != "all"})
			k := makeKey(t, m, mesh.Key, `"name":"load"`)
			var mu sync.Mutex
			whole := map[string]bool{}
			send := func(n int) {
				for i := range n {
					resp, body, err := try(t, m, k.Secret, http.MethodPost, "/v1/chat/completions", openAIBody(fmt.Sprintf("gpt-5#chunks=%d", 1+i%5), true))
					if err == nil && resp.StatusCode == 200 && bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) {
						mu.Lock()
						whole[resp.Header.Get("x-request-id")] = true
						mu.Unlock()
					}
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { send(40) })
			}
			eventually(t, "the load runs", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(whole) > 20
			})
			m.Kill(t, victim)
			if victim == "all" {
				m.StartAll(t)
			} else {
				m.StartService(t, victim)
			}
			wg.Wait()
			send(5)
			missing := 0
			eventually(t, "every whole answer is in the ledger", func() bool {
				seen := map[string]int{}
				for _, r := range rows(t, m, mesh.Key, "filter.key_id="+k.Key.ID) {
					seen[r.RequestID]++
				}
				missing = 0
				for id := range whole {
					if seen[id] == 0 {
						missing++
					}
					if seen[id] > 1 {
						t.Fatalf("%s is there %d times", id, seen[id])
					}
				}
				return missing == 0
			})
			t.Logf("%d whole answers, all in the ledger", len(whole))
		})
	}
}
