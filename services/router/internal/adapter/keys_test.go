package adapter_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// TestEmptyAccounts: a 429 whose code says that the account is empty rests the whole key, for long; on both ways to ask.
func TestEmptyAccounts(t *testing.T) {
	t.Parallel()
	const body = `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`
	ask := map[string]func(*testing.T, *provider.Provider){
		"typed": func(t *testing.T, p *provider.Provider) {
			_, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: hello()})
			if !provider.OfKey(err) || provider.Again(err) || !provider.Elsewhere(err) || provider.Failing(err) {
				t.Errorf("%v", err)
			}
		},
		"raw": func(t *testing.T, p *provider.Provider) {
			a, err := p.Relay(t.Context(), provider.Call{
				Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(`{"model":"m","messages":[]}`), Model: "m",
			})
			if err != nil || a.Code != "insufficient_quota" {
				t.Errorf("%v, %v", a, err)
			}
		},
	}
	for name, ask := range ask {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, keys := keyedProvider(t, http.StatusTooManyRequests, body)
			ask(t, p)
			now := time.Now()
			if got := keys.Pick("other", now.Add(9*time.Minute)).Value(); got != "second" {
				t.Errorf("key %s", got)
			}
			if got := keys.Pick("other", now.Add(11*time.Minute)).Value(); got != "first" {
				t.Errorf("key %s", got)
			}
		})
	}
}

// TestFinal: a provider that wants no repetition gets none, on both ways to ask.
func TestFinal(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]bool{"": true, "true": true, "false": false} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Should-Retry", said)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		t.Cleanup(web.Close)
		p, err := openai.New(adapter.Config{Name: "p", BaseURLs: []string{web.URL}, Key: "k", Connect: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		if _, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: hello()}); provider.Again(err) != want || !provider.Elsewhere(err) {
			t.Errorf("%q, typed: %v", said, err)
		}
		a, err := p.Relay(t.Context(), provider.Call{
			Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_CHAT, Body: []byte(`{"model":"m","messages":[]}`), Model: "m",
		})
		if err != nil || a.Final == want {
			t.Errorf("%q, raw: %v, %v", said, a, err)
		}
	}
}

// TestRefusedKeysAreNamed by their position.
func TestRefusedKeysAreNamed(t *testing.T) {
	t.Parallel()
	p, _ := keyedProvider(t, http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: first"}}`)
	_, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: hello()})
	f := fault.From(err)
	if f.Reason != errorsv1.Reason_REASON_PROVIDER_CREDENTIALS || !strings.Contains(f.Message, "(key 1 of 2)") || strings.Contains(f.Error(), "first") {
		t.Errorf("%v", err)
	}
}

func keyedProvider(t *testing.T, status int, body string) (*provider.Provider, *credential.Pool) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(web.Close)
	keys := credential.New([]string{"first", "second"}, nil)
	p, err := openai.New(adapter.Config{Name: "p", BaseURLs: []string{web.URL}, Keys: keys, Connect: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, keys
}

func hello() *llmv1.Prompt {
	text := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}
	return &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{text}}}}
}
