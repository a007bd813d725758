package adapter_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// lister is a provider with a model list that can fail.
type lister struct {
	asked atomic.Int64
	down  atomic.Bool
}

// ServeHTTP ends every connection: in a bubble of synctest time stands still while one is open.
func (l *lister) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.asked.Add(1)
	w.Header().Set("Connection", "close")
	if l.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte(`{"object":"list","data":[{"id":"b","object":"model","owned_by":"acme"},{"id":"a","object":"model"}]}`))
}

func TestModels(t *testing.T) {
	t.Parallel()
	l := &lister{}
	models, err := openAI(t, serve(t, l.ServeHTTP).url).Models(t.Context())
	if err != nil || len(models) != 2 || models[0].GetId() != "b" || models[1].GetId() != "a" {
		t.Fatalf("%v, %v", models, err)
	}
	for _, m := range models {
		if m.GetProvider() != "acme" || len(m.GetDialects()) != 2 {
			t.Errorf("%v", m)
		}
	}
}

// TestModelsFreshness plays a provider's history against the clock.
func TestModelsFreshness(t *testing.T) {
	t.Parallel()
	type step struct {
		wait   time.Duration
		down   bool
		asked  int64 // so far
		failed bool
	}
	cases := []struct {
		name  string
		steps []step
	}{
		{"kept for five minutes", []step{{0, false, 1, false}, {5 * time.Minute, false, 1, false}, {time.Second, false, 2, false}}},
		{"a failure is kept for ten seconds", []step{{0, true, 1, true}, {10 * time.Second, false, 1, true}, {time.Second, false, 2, false}}},
		{"the last list outlives its provider", []step{
			{0, false, 1, false}, {6 * time.Minute, true, 2, false}, {9 * time.Second, true, 2, false}, {2 * time.Second, true, 3, false},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := &lister{}
			url := serve(t, l.ServeHTTP).url
			synctest.Test(t, func(t *testing.T) {
				a := openAI(t, url)
				for i, s := range c.steps {
					l.down.Store(s.down)
					<-time.After(s.wait)
					models, err := a.Models(t.Context())
					if (err != nil) != s.failed || !s.failed && len(models) != 2 {
						t.Errorf("step %d: %v, %v", i, models, err)
					}
					if got := l.asked.Load(); got != s.asked {
						t.Errorf("step %d: asked %d times, want %d", i, got, s.asked)
					}
				}
			})
		})
	}
}

// TestModelsAskedOnce: however many want the list, the provider is asked once.
func TestModelsAskedOnce(t *testing.T) {
	t.Parallel()
	l := &lister{}
	a := openAI(t, serve(t, l.ServeHTTP).url)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if models, err := a.Models(t.Context()); err != nil || len(models) != 2 {
				t.Errorf("%v, %v", models, err)
			}
		})
	}
	wg.Wait()
	if got := l.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

// TestModelsSurvivesItsCaller: a caller that has left doesn't spoil the list for the others.
func TestModelsSurvivesItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := canceller(t)
	cancel()
	l := &lister{}
	if models, err := openAI(t, serve(t, l.ServeHTTP).url).Models(ctx); err != nil || len(models) != 2 {
		t.Errorf("%v, %v", models, err)
	}
}

func TestModelsErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		handler http.HandlerFunc
		want    errorsv1.Reason
	}{
		{"garbage", answering(200, "application/json", "}{"), malformed},
		{"a page", answering(200, "text/html", "<html></html>"), malformed},
		{"401", answering(401, "application/json", "{}"), credentials},
		{"404", answering(404, "text/plain", "no such path"), errorsv1.Reason_REASON_PROVIDER_ERROR},
		{"redirect", answering(301, "text/plain", ""), malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for kind, newAdapter := range map[string]func(*testing.T, string) *provider.Provider{"openai": openAI, "anthropic": claude} {
				models, err := newAdapter(t, serve(t, c.handler).url).Models(t.Context())
				if got := reason(t, err); got != c.want || models != nil {
					t.Errorf("%s: %v, %v, want %v", kind, models, err, c.want)
				}
			}
		})
	}
}
