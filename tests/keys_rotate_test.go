package tests

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// rotateKey gives a key another secret over REST, and waits until the mesh knows it.
func rotateKey(t *testing.T, m *mesh.Mesh, id, body string) (shownKey, string) {
	t.Helper()
	resp, got := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/keys/"+id+":rotate", body)
	var answer struct {
		Key    shownKey
		Secret string
	}
	if err := json.Unmarshal(got, &answer); err != nil || resp.StatusCode != http.StatusOK || answer.Secret == "" {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, got)
	}
	soon(t, "the new secret is known", func() bool { return lists(t, m, answer.Secret) == http.StatusOK })
	return answer.Key, answer.Secret
}

// lists is the status of a list of models.
func lists(t *testing.T, m *mesh.Mesh, key string) int {
	t.Helper()
	resp, _ := ask(t, m, key, http.MethodGet, "/v1/models", "")
	return resp.StatusCode
}

// TestRotateOverREST: the key stays the same in every account of the mesh, and its old secret ends when it should.
func TestRotateOverREST(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		made := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme","limits":{"requests_per_minute":600,"budget_usd":5}`)
		cached := func(secret, want string) bool {
			resp, _ := ask(t, m, secret, http.MethodPost, chatPath, openAIBody("gpt-5", false), "x-headgate-cache", "on")
			return resp.StatusCode == http.StatusOK && resp.Header.Get("x-headgate-cache") == want
		}
		eventually(t, "an answer is cached", func() bool { return cached(made.Secret, "hit") })
		k, second := rotateKey(t, m, made.Key.ID, `{"keep_old_for":"3600s"}`)
		if k.ID != made.Key.ID || k.Name != "c" || k.Limits.BudgetUSD != 5 || k.RotatedAt == "" || k.OldSecretExpiresAt == "" || second == made.Secret {
			t.Errorf("%+v", k)
		}
		for _, secret := range []string{made.Secret, second} {
			if !cached(secret, "hit") || chats(t, m, secret, "gpt-5") != http.StatusOK {
				t.Error("the answer isn't found with both secrets, or a call is refused")
			}
		}
		_, third := rotateKey(t, m, made.Key.ID, "")
		soon(t, "both old secrets are refused", func() bool {
			return chats(t, m, made.Secret, "gpt-5") == http.StatusUnauthorized && chats(t, m, second, "gpt-5") == http.StatusUnauthorized
		})
		if status := chats(t, m, third, "gpt-5"); status != http.StatusOK {
			t.Errorf("the newest secret: %d", status)
		}
		eventually(t, "the rows of all secrets are the key's", func() bool { return len(rows(t, m, mesh.Key, "filter.key_id="+made.Key.ID)) >= 4 })
		if resp, body := ask(t, m, mesh.Key, http.MethodDelete, "/api/v1/keys/"+made.Key.ID, ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		soon(t, "a revocation ends the newest", func() bool { return lists(t, m, third) == http.StatusUnauthorized })
		for _, secret := range []string{made.Secret, second, third} {
			checkNoSecret(t, m, secret)
		}
	})
}

// TestOldSecretEndsWithoutTheFeed: every node knows the time by itself, and refuses the old secret while the keys service is
// gone.
func TestOldSecretEndsWithoutTheFeed(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Split: true})
	nodes := []*mesh.Mesh{m, m.StartNode(t)}
	made := makeKey(t, m, mesh.Key, `"name":"c","tenant":"acme"`)
	const keep = 4 * time.Second
	began := time.Now()
	_, next := rotateKey(t, m, made.Key.ID, `{"keep_old_for":"4s"}`)
	for _, n := range nodes {
		soon(t, "a node knows both secrets", func() bool {
			return lists(t, n, made.Secret) == http.StatusOK && lists(t, n, next) == http.StatusOK
		})
	}
	m.Kill(t, "keys")
	if early := time.Since(began); early > keep-time.Second {
		t.Fatalf("it took %v to get here", early)
	}
	for _, n := range nodes {
		if status := chats(t, n, made.Secret, "gpt-5"); status != http.StatusOK {
			t.Errorf("before its end: %d", status)
		}
	}
	time.Sleep(time.Until(began.Add(keep))) //nolint:forbidigo // the end is a time of the clock
	for _, n := range nodes {
		soon(t, "the old secret is refused", func() bool { return chats(t, n, made.Secret, "gpt-5") == http.StatusUnauthorized })
		if status := chats(t, n, next, "gpt-5"); status != http.StatusOK {
			t.Errorf("the new secret: %d", status)
		}
	}
}
