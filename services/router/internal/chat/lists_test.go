package chat_test

import (
	"net/http"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
)

func listing(ids ...string) http.HandlerFunc {
	return write(200, "application/json", `{"data":[{"type":"model","id":"`+strings.Join(ids, `"},{"type":"model","id":"`)+`"}]}`)
}

func TestListModels(t *testing.T) {
	t.Parallel()
	down := write(503, "text/plain", "no")
	cases := []struct {
		name     string
		handlers []http.HandlerFunc
		dialect  llmv1.Dialect
		want     string
	}{
		{"configured first, then the providers' in order", []http.HandlerFunc{listing("g2", "g1"), listing("c1")}, 0, "x g2 g1 c1"},
		{"every one in every dialect", []http.HandlerFunc{listing("g1"), listing("c1")}, llmv1.Dialect_DIALECT_ANTHROPIC, "x g1 c1"},
		{"no name twice", []http.HandlerFunc{listing("x", "g1"), listing("g1", "c1")}, 0, "x g1 c1"},
		{"a provider that is down is left out", []http.HandlerFunc{down, listing("c1")}, 0, "x c1"},
		{"all down: the configured ones", []http.HandlerFunc{down, down}, 0, "x"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := mixedMesh(t, []newAdapter{openai.New, anthropic.New}, c.handlers)
			got, err := m.server.ListModels(t.Context(), &routerv1.ListModelsRequest{Dialect: c.dialect})
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, model := range got.GetModels() {
				ids = append(ids, model.GetId())
			}
			if strings.Join(ids, " ") != c.want {
				t.Errorf("%v, want %s", ids, c.want)
			}
		})
	}
}

// TestListModelsSameNameInBothDialects: a name that a client of a dialect can ask for is listed, whoever else
// offers the same name.
func TestListModelsSameNameInBothDialects(t *testing.T) {
	t.Parallel()
	m := mixedMesh(t, []newAdapter{openai.New, anthropic.New}, []http.HandlerFunc{listing("claude-opus"), listing("claude-opus")})
	got, err := m.server.ListModels(t.Context(), &routerv1.ListModelsRequest{Dialect: llmv1.Dialect_DIALECT_ANTHROPIC})
	if err != nil || len(got.GetModels()) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestListTargets(t *testing.T) {
	t.Parallel()
	m := mixedMesh(t, []newAdapter{openai.New, anthropic.New}, []http.HandlerFunc{
		write(503, "text/plain", "no"), write(200, "application/json", claudeAnswer),
	})
	if _, err := m.chat(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := m.server.ListTargets(t.Context(), &routerv1.ListTargetsRequest{})
	if err != nil || len(got.GetTargets()) != 4 {
		t.Fatalf("%v, %v", got, err)
	}
	first, last := got.GetTargets()[0], got.GetTargets()[3]
	if first.GetModel() != "x" || first.GetUpstreamModel() != "m" || first.GetProvider() != "a" || first.GetKind() != "openai" ||
		first.GetAttempts() != 1 || first.GetFailures() != 1 || first.GetInFlight() != 0 {
		t.Errorf("%v", first)
	}
	if last.GetModel() != "" || last.GetProvider() != "b" || last.GetAttempts() != 1 || last.GetFailures() != 0 ||
		last.GetTrust() != llmv1.Sensitivity_SENSITIVITY_MEDIUM || last.GetDialect() != llmv1.Dialect_DIALECT_ANTHROPIC {
		t.Errorf("%v", last)
	}
}
