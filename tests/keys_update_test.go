package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// shownKey is a key as REST shows it.
type shownKey struct {
	ID, Name, Tenant string
	Models           []string
	Limits           struct {
		RequestsPerMinute  int64   `json:"requests_per_minute,string"`
		TokensPerMinute    int64   `json:"tokens_per_minute,string"`
		ConcurrentRequests int64   `json:"concurrent_requests,string"`
		BudgetUSD          float64 `json:"budget_usd"`
		BudgetPeriod       string  `json:"budget_period"`
	}
	ExpiresAt          string `json:"expires_at"`
	RotatedAt          string `json:"rotated_at"`
	OldSecretExpiresAt string `json:"old_secret_expires_at"`
}

// patchKey changes a key over REST, which must go well.
func patchKey(t *testing.T, m *mesh.Mesh, by, path, body string) shownKey {
	t.Helper()
	resp, got := ask(t, m, by, http.MethodPatch, "/api/v1/keys/"+path, body)
	var answer struct{ Key shownKey }
	if err := json.Unmarshal(got, &answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("PATCH %s: %d %v: %s", body, resp.StatusCode, err, got)
	}
	return answer.Key
}

// soon waits until a condition holds, a second at most.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	began := time.Now()
	eventually(t, what, f)
	if d := time.Since(began); d > time.Second {
		t.Errorf("%s: only after %v", what, d)
	}
}

// chats is the status of a chat.
func chats(t *testing.T, m *mesh.Mesh, key, model string) int {
	t.Helper()
	resp, _ := ask(t, m, key, http.MethodPost, chatPath, openAIBody(model, false))
	return resp.StatusCode
}

// TestPatchKey: the body says what is changed, in either spelling, null and zero included, and nothing else is.
func TestPatchKey(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		made := makeKey(t, m, mesh.Key, `"name":"before","tenant":"acme","models":["gpt-*"],"expires_at":"2099-01-01T00:00:00Z",
			"limits":{"requests_per_minute":600,"tokens_per_minute":1000000,"budget_usd":5,"budget_period":"BUDGET_PERIOD_DAY"}`)
		want := patchKey(t, m, mesh.Key, made.Key.ID, `{"name":"after"}`)
		if want.Name != "after" || want.Tenant != "acme" || want.Limits.RequestsPerMinute != 600 || want.ExpiresAt == "" || len(want.Models) != 1 {
			t.Fatalf("%+v", want)
		}
		for _, c := range []struct {
			query, body string
			change      func(k *shownKey)
		}{
			{"", `{"limits":{"requests_per_minute":700}}`, func(k *shownKey) { k.Limits.RequestsPerMinute = 700 }},
			{"", `{"limits":{"requests_per_minute":"800","concurrent_requests":9}}`, func(k *shownKey) { k.Limits.RequestsPerMinute, k.Limits.ConcurrentRequests = 800, 9 }},
			{"", `{"limits":{"tokensPerMinute":2000000}}`, func(k *shownKey) { k.Limits.TokensPerMinute = 2_000_000 }},
			{"", `{"limits":{"concurrent_requests":0}}`, func(k *shownKey) { k.Limits.ConcurrentRequests = 0 }},
			{"", `{"limits":{"budget_period":"BUDGET_PERIOD_TOTAL"}}`, func(k *shownKey) { k.Limits.BudgetPeriod = "BUDGET_PERIOD_TOTAL" }},
			{"", `{"limits":{"budget_usd":null}}`, func(k *shownKey) { k.Limits.BudgetUSD, k.Limits.BudgetPeriod = 0, "" }},
			{"", `{"models":["gpt-5","claude-*"],"name":"both"}`, func(k *shownKey) { k.Name, k.Models = "both", []string{"gpt-5", "claude-*"} }},
			{"", `{"expires_at":"2098-01-01T00:00:00Z"}`, func(k *shownKey) { k.ExpiresAt = "2098-01-01T00:00:00Z" }},
			{"", `{"expires_at":null}`, func(k *shownKey) { k.ExpiresAt = "" }},
			{"?update_mask=name,limits.requests_per_minute", `{"name":"named","limits":{"requests_per_minute":5,"tokens_per_minute":5}}`, func(k *shownKey) { k.Name, k.Limits.RequestsPerMinute = "named", 5 }},
			{"", `{"models":[]}`, func(k *shownKey) { k.Models = nil }},
			{"", `{"limits":null}`, func(k *shownKey) { k.Limits = shownKey{}.Limits }},
		} {
			c.change(&want)
			got := patchKey(t, m, mesh.Key, made.Key.ID+c.query, c.body)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("%s %s: %+v\nwant %+v", c.query, c.body, got, want)
			}
		}
		resp, body := ask(t, m, mesh.Key, http.MethodPatch, "/api/v1/keys/"+made.Key.ID, `{"environment":"test"}`)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "environment") {
			t.Errorf("another environment: %d: %s", resp.StatusCode, body)
		}
	})
}

// TestChangedModels: models that were taken away are refused within a second, those that were given are answered.
func TestChangedModels(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme","models":["gpt-5"]`)
		if status := chats(t, m, k.Secret, "gpt-5"); status != http.StatusOK {
			t.Fatalf("before: %d", status)
		}
		patchKey(t, m, mesh.Key, k.Key.ID, `{"models":["claude-*"]}`)
		soon(t, "the model is refused", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusForbidden })
		if resp, body := ask(t, m, k.Secret, http.MethodPost, "/v1/messages", chatBody("claude-opus-4-6", false)); resp.StatusCode != http.StatusOK {
			t.Errorf("the other model: %d: %s", resp.StatusCode, tail(body))
		}
		if resp, body := ask(t, m, k.Secret, http.MethodGet, "/v1/models", ""); resp.StatusCode != http.StatusOK || strings.Contains(string(body), `"gpt-5"`) {
			t.Errorf("the list: %d: %s", resp.StatusCode, tail(body))
		}
	})
}

// TestShrunkLimit: a key at 600 requests a minute that calls without a pause, so that routers hold a stock for it, is held to
// 2 from the moment that the router knows, within a second of the change, and goes on when it is raised again.
func TestShrunkLimit(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme","limits":{"requests_per_minute":600}`)
		for i := range 60 {
			if status := chats(t, m, k.Secret, "gpt-5"); status != http.StatusOK {
				t.Fatalf("call %d of 600 a minute: %d", i, status)
			}
		}
		patchKey(t, m, mesh.Key, k.Key.ID, `{"limits":{"requests_per_minute":2},"models":["gpt-5"]}`)
		soon(t, "the router knows", func() bool {
			_, list := ask(t, m, k.Secret, http.MethodGet, "/v1/models", "")
			return !strings.Contains(string(list), "claude")
		})
		passed := 0
		for began := time.Now(); time.Since(began) < 3*time.Second; {
			if chats(t, m, k.Secret, "gpt-5") != http.StatusTooManyRequests {
				passed++
			}
		}
		if passed > 0 {
			t.Errorf("%d calls passed in three seconds at 2 a minute", passed)
		}
		if _, body := ask(t, m, k.Secret, http.MethodGet, "/api/v1/quota", ""); !strings.Contains(string(body), `"limit":"2"`) {
			t.Errorf("the quota: %s", body)
		}
		patchKey(t, m, mesh.Key, k.Key.ID, `{"limits":{"requests_per_minute":600}}`)
		soon(t, "the key goes on", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusOK })
		for i := range 30 {
			if status := chats(t, m, k.Secret, "gpt-5"); status != http.StatusOK {
				t.Errorf("call %d after the limit was raised: %d", i, status)
			}
		}
	})
}

// TestShrunkBudget: what was spent stays spent under a smaller budget, and the rows in the ledger stay the key's.
func TestShrunkBudget(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme","limits":{"budget_usd":5}`)
		eventually(t, "the budget is open", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusOK })
		patchKey(t, m, mesh.Key, k.Key.ID, `{"limits":{"budget_usd":0.000001},"name":"poorer"}`)
		soon(t, "the smaller budget is spent", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusTooManyRequests })
		patchKey(t, m, mesh.Key, k.Key.ID, `{"limits":{"budget_usd":5}}`)
		soon(t, "the larger one isn't", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusOK })
		patchKey(t, m, mesh.Key, k.Key.ID, `{"limits":{"budget_usd":0.000001,"budget_period":"BUDGET_PERIOD_TOTAL"}}`)
		soon(t, "for another period what was spent counts, too", func() bool { return chats(t, m, k.Secret, "gpt-5") == http.StatusTooManyRequests })
		eventually(t, "all rows are the key's", func() bool { return len(rows(t, m, mesh.Key, "filter.key_id="+k.Key.ID)) >= 2 })
	})
}

// TestTenantsAdministratorChanges keys within its own rights and its tenant.
func TestTenantsAdministratorChanges(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		admin := makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme","role":"ROLE_ADMIN","models":["gpt-*"],"limits":{"requests_per_minute":6000}`)
		own := makeKey(t, m, admin.Secret, `"name":"own","limits":{"requests_per_minute":60}`)
		wide := makeKey(t, m, mesh.Key, `"name":"wide","tenant":"acme"`)
		foreign := makeKey(t, m, mesh.Key, `"name":"f","tenant":"umbrella","models":["gpt-5"]`)
		if k := patchKey(t, m, admin.Secret, own.Key.ID, `{"limits":{"requests_per_minute":120}}`); k.Limits.RequestsPerMinute != 120 {
			t.Errorf("%+v", k)
		}
		for _, c := range []struct {
			what, id, body, reason, field string
			status                        int
		}{
			{"another tenant's", foreign.Key.ID, `{"name":"mine"}`, "NOT_FOUND", "id", 404},
			{"a wider key", wide.Key.ID, `{"name":"mine"}`, "EXCEEDS_OWN_RIGHTS", "id", 403},
			{"more models", own.Key.ID, `{"models":["claude-*"]}`, "EXCEEDS_OWN_RIGHTS", "models", 403},
			{"more requests", own.Key.ID, `{"limits":{"requests_per_minute":6001}}`, "EXCEEDS_OWN_RIGHTS", "limits.requests_per_minute", 403},
			{"more for oneself", admin.Key.ID, `{"limits":{"requests_per_minute":6001}}`, "EXCEEDS_OWN_RIGHTS", "limits.requests_per_minute", 403},
			{"all models for oneself", admin.Key.ID, `{"models":["*"]}`, "EXCEEDS_OWN_RIGHTS", "models", 403},
		} {
			resp, body := ask(t, m, admin.Secret, http.MethodPatch, "/api/v1/keys/"+c.id, c.body)
			if f := readFailure(t, "native", body); resp.StatusCode != c.status || f.code != c.reason || f.field != c.field {
				t.Errorf("%s: %d: %s", c.what, resp.StatusCode, body)
			}
		}
		for id, reason := range map[string]string{foreign.Key.ID: "NOT_FOUND", wide.Key.ID: "EXCEEDS_OWN_RIGHTS"} {
			_, body := ask(t, m, admin.Secret, http.MethodPost, "/api/v1/keys/"+id+":rotate", `{}`)
			if f := readFailure(t, "native", body); f.code != reason {
				t.Errorf("rotating: %s", body)
			}
		}
		if resp, body := ask(t, m, mesh.Key, http.MethodDelete, "/api/v1/keys/"+own.Key.ID, ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		for _, change := range [][2]string{{http.MethodPatch, ""}, {http.MethodPost, ":rotate"}} {
			resp, body := ask(t, m, admin.Secret, change[0], "/api/v1/keys/"+own.Key.ID+change[1], `{}`)
			if change[0] == http.MethodPatch {
				resp, body = ask(t, m, admin.Secret, change[0], "/api/v1/keys/"+own.Key.ID, `{"name":"back"}`)
			}
			if f := readFailure(t, "native", body); resp.StatusCode != http.StatusBadRequest || f.code != "UNSUPPORTED" || f.field != "id" {
				t.Errorf("a revoked key: %d: %s", resp.StatusCode, body)
			}
		}
	})
}
