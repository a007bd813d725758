package catalog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/anthropic"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

const (
	none   = llmv1.Sensitivity_SENSITIVITY_NONE
	low    = llmv1.Sensitivity_SENSITIVITY_LOW
	medium = llmv1.Sensitivity_SENSITIVITY_MEDIUM
	high   = llmv1.Sensitivity_SENSITIVITY_HIGH
)

func newProvider(t *testing.T, build func(adapter.Config) (*provider.Provider, error), name string, trust llmv1.Sensitivity) catalog.Provider {
	t.Helper()
	a, err := build(adapter.Config{Name: name, Key: "k", Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	return catalog.Provider{Provider: a, Silences: provider.Silences{FirstContent: time.Second, Gap: time.Minute}, Total: time.Hour}
}

func target(p catalog.Provider, model string) catalog.Target {
	return catalog.Target{Provider: p.Provider, Model: model, Silences: p.Silences, Total: p.Total}
}

// names writes targets as provider:model, in order.
func names(targets []catalog.Target) string {
	list := make([]string, 0, len(targets))
	for _, t := range targets {
		list = append(list, t.Provider.Name+":"+t.Model)
	}
	return strings.Join(list, " ")
}

func reason(t *testing.T, err error) (errorsv1.Reason, string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no *fault.Error", err)
	}
	return f.Reason, f.Metadata["field"]
}

func TestResolve(t *testing.T) {
	t.Parallel()
	one := newProvider(t, openai.New, "one", high)
	two := newProvider(t, openai.New, "two", high)
	claude := newProvider(t, anthropic.New, "claude", high)
	c := catalog.New([]catalog.Model{
		{Name: "fast", Targets: []catalog.Target{target(two, "gpt-5-mini"), target(one, "gpt-5-nano")}},
		{Name: "gpt-5", Targets: []catalog.Target{target(two, "gpt-5-eu")}},
		{Name: "one/special", Targets: []catalog.Target{target(claude, "claude-x")}},
	}, []catalog.Provider{one, two, claude})
	cases := []struct{ name, ask, want string }{
		{"a configured model, its targets in order", "fast", "two:gpt-5-mini one:gpt-5-nano"},
		{"a configured model before its vendor", "gpt-5", "two:gpt-5-eu"},
		{"a configured model before provider/model", "one/special", "claude:claude-x"},
		{"provider/model", "two/whatever", "two:whatever"},
		{"provider/model with a vendor's name of another", "two/claude-opus", "two:claude-opus"},
		{"provider/model, the model with slashes", "one/meta/llama-3", "one:meta/llama-3"},
		{"vendor's name at the first of its kind", "gpt-4o", "one:gpt-4o"},
		{"chatgpt-", "chatgpt-4o-latest", "one:chatgpt-4o-latest"},
		{"o and a digit", "o3-mini", "one:o3-mini"},
		{"claude-", "claude-opus-4-6", "claude:claude-opus-4-6"},
		{"vendor's name with a slash of no provider", "gpt-5/nobody", "one:gpt-5/nobody"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.Resolve(tc.ask)
			if err != nil || names(got) != tc.want {
				t.Errorf("Resolve(%q) = %q, %v, want %q", tc.ask, names(got), err, tc.want)
			}
		})
	}
}

// TestResolveTimers: a target that isn't configured as a model has its provider's timers.
func TestResolveTimers(t *testing.T) {
	t.Parallel()
	p := newProvider(t, openai.New, "one", high)
	c := catalog.New(nil, []catalog.Provider{p})
	for _, ask := range []string{"one/x", "gpt-5"} {
		got, err := c.Resolve(ask)
		if err != nil || got[0].Silences != p.Silences || got[0].Total != p.Total {
			t.Errorf("%s: %+v, %v", ask, got, err)
		}
	}
}

func TestResolveUnknown(t *testing.T) {
	t.Parallel()
	c := catalog.New(nil, []catalog.Provider{newProvider(t, openai.New, "one", high)})
	for _, ask := range []string{
		"", "llama-3", "one/", "one", "/gpt-5", "two/gpt-5", "ONE/gpt-5", "GPT-5", "gpt", "o", "ox", "opus", "claude-opus-4-6", " gpt-5",
	} {
		t.Run(ask, func(t *testing.T) {
			t.Parallel()
			got, err := c.Resolve(ask)
			if err == nil {
				t.Fatalf("Resolve(%q) = %s", ask, names(got))
			}
			why, field := reason(t, err)
			if why != errorsv1.Reason_REASON_MODEL_NOT_FOUND || field != "model" {
				t.Errorf("%v about %q", why, field)
			}
			if len(ask) > 3 && strings.Contains(err.Error(), ask) {
				t.Errorf("the message repeats what was sent: %v", err)
			}
		})
	}
}

func TestTrusted(t *testing.T) {
	t.Parallel()
	var all []catalog.Target
	for _, p := range []struct {
		name  string
		trust llmv1.Sensitivity
	}{{"unset", 0}, {"high", high}, {"none", none}, {"medium", medium}, {"low", low}} {
		all = append(all, target(newProvider(t, openai.New, p.name, p.trust), "m"))
	}
	cases := []struct {
		name  string
		label llmv1.Sensitivity
		want  string
	}{
		{"no label", 0, "unset:m high:m none:m medium:m low:m"},
		{"none", none, "high:m none:m medium:m low:m"},
		{"low", low, "high:m medium:m low:m"},
		{"medium", medium, "high:m medium:m"},
		{"high", high, "high:m"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := catalog.Trusted(all, c.label)
			if err != nil || names(got) != c.want {
				t.Errorf("%q, %v, want %q", names(got), err, c.want)
			}
		})
	}
}

// TestTrustedFailsClosed: where no provider may see the request, nobody does, a label of a newer build included.
func TestTrustedFailsClosed(t *testing.T) {
	t.Parallel()
	targets := []catalog.Target{
		target(newProvider(t, openai.New, "a", low), "m"), target(newProvider(t, anthropic.New, "b", medium), "m"),
	}
	for _, label := range []llmv1.Sensitivity{high, high + 1} {
		got, err := catalog.Trusted(targets, label)
		if err == nil {
			t.Fatalf("%v may be seen by %s", label, names(got))
		}
		if why, field := reason(t, err); why != errorsv1.Reason_REASON_SENSITIVITY || field != "x-headgate-sensitivity" {
			t.Errorf("%v about %q", why, field)
		}
		if len(got) != 0 {
			t.Errorf("targets beside the error: %s", names(got))
		}
	}
}

// TestFiltersLeaveTheCatalog: a filter must not move the targets that the next request gets.
func TestFiltersLeaveTheCatalog(t *testing.T) {
	t.Parallel()
	targets := []catalog.Target{
		target(newProvider(t, openai.New, "a", low), "m"), target(newProvider(t, anthropic.New, "b", high), "m"),
		target(newProvider(t, openai.New, "c", high), "m"),
	}
	c := catalog.New([]catalog.Model{{Name: "x", Targets: targets}}, nil)
	for range 2 {
		got, err := c.Resolve("x")
		if err != nil || names(got) != "a:m b:m c:m" {
			t.Fatalf("%q, %v", names(got), err)
		}
		if got, err = catalog.Trusted(got, high); err != nil || names(got) != "b:m c:m" {
			t.Fatalf("%q, %v", names(got), err)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	p := newProvider(t, openai.New, "one", high)
	c := catalog.New([]catalog.Model{{Name: "b"}, {Name: "a"}}, []catalog.Provider{p})
	if m := c.Models(); len(m) != 2 || m[0].Name != "b" || m[1].Name != "a" {
		t.Errorf("%v: not in the file's order", m)
	}
	if got := c.Providers(); len(got) != 1 || got[0].Provider != p.Provider {
		t.Errorf("%v", got)
	}
}
