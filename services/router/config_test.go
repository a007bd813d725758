package router_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router"
)

// read reads a file's text, which validates it.
func read(text string) (router.Config, error) {
	var cfg router.Config
	err := conf.Parse("headgate.yaml", []byte(text), &cfg, func(string) (string, bool) { return "", false })
	return cfg, err
}

func parse(t *testing.T, text string) router.Config {
	t.Helper()
	cfg, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const goodConfig = `
providers:
  claude: {kind: anthropic, api_key: k}
  gpt: {kind: openai, api_key: k, base_url: "https://llm.example.com/v1", trust: high, timeouts: {connect: 1s}}
models:
  fast:
    strategy: failover
    targets: [{provider: gpt, model: gpt-5-mini}, {provider: claude, model: claude-haiku}]
    timeouts: {total: 30s}
timeouts: {gap: 10s}
`

func TestConfigGood(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "{}", "full": goodConfig} {
		cfg := parse(t, text)
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	provider := func(fields string) string { return "providers: {p: {kind: openai, api_key: k, " + fields + "}}" }
	model := func(fields string) string {
		return "providers: {p: {kind: openai, api_key: k}}\nmodels: {m: {" + fields + "}}"
	}
	const target = "targets: [{provider: p, model: x}]"
	cases := []struct{ name, text, path string }{
		{"no kind", "providers: {p: {api_key: k}}", "providers.p.kind"},
		{"a kind nobody knows", "providers: {p: {kind: gemini, api_key: k}}", "providers.p.kind"},
		{"no key", "providers: {p: {kind: openai}}", "providers.p.api_key"},
		{"a batch API nobody knows", provider("batch: always"), "providers.p.batch"},
		{"a batch API of a server", "providers: {p: {kind: vllm, endpoints: [\"http://a\"], batch: auto}}", "providers.p.batch"},
		{"a trust nobody knows", provider("trust: total"), "providers.p.trust"},
		{"trust in capitals", provider("trust: High"), "providers.p.trust"},
		{"address without scheme", provider("base_url: llm.example.com"), "providers.p.base_url"},
		{"address of another scheme", provider("base_url: \"ftp://llm.example.com\""), "providers.p.base_url"},
		{"address without host", provider("base_url: \"https:///v1\""), "providers.p.base_url"},
		{"address with a query", provider("base_url: \"https://llm.example.com?x=1\""), "providers.p.base_url"},
		{"address with an empty query", provider("base_url: \"https://llm.example.com/v1?\""), "providers.p.base_url"},
		{"address with a fragment", provider("base_url: \"https://llm.example.com/#x\""), "providers.p.base_url"},
		{"address with a password", provider("base_url: \"https://me:secret@llm.example.com\""), "providers.p.base_url"},
		{"no address at all", provider("base_url: \"http://[::1\""), "providers.p.base_url"},
		{"a slash in a provider's name", "providers: {a/b: {kind: openai, api_key: k}}", "providers.a/b"},
		{"a space in a provider's name", "providers: {a b: {kind: openai, api_key: k}}", "providers.a b"},
		{"a strategy nobody knows", model("strategy: random, " + target), "models.m.strategy"},
		{"no targets", model("strategy: failover"), "models.m.targets"},
		{"a target without provider", model("targets: [{model: x}]"), "models.m.targets"},
		{"a target at nobody's", model("targets: [{provider: q, model: x}]"), "models.m.targets"},
		{"a target without model", model("targets: [{provider: p}]"), "models.m.targets"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(c.text)
			if err == nil {
				t.Fatal("it passed")
			}
			if !strings.Contains(err.Error(), c.path) {
				t.Errorf("%v doesn't name %s", err, c.path)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v tells a password", err)
			}
		})
	}
}

// TestConfigValidateReportsAll: an operator mends everything in one go.
func TestConfigValidateReportsAll(t *testing.T) {
	t.Parallel()
	_, err := read("providers: {p: {kind: x, trust: y}}\nmodels: {m: {strategy: z}}")
	if err == nil {
		t.Fatal("it passed")
	}
	for _, path := range []string{"providers.p.kind", "providers.p.api_key", "providers.p.trust", "models.m.strategy", "models.m.targets"} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%v doesn't name %s", err, path)
		}
	}
}

// TestNegativeTimeouts: the file's reader refuses them already; a Config built otherwise meets Validate.
func TestNegativeTimeouts(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]router.Timeouts{
		"connect": {Connect: -1}, "first content": {FirstContent: -1}, "gap": {Gap: -1}, "total": {Total: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parse(t, "providers: {p: {kind: openai, api_key: k}}")
			p, _ := cfg.Providers.Get("p")
			p.Timeouts = bad
			cfg.Providers.Set("p", p)
			cfg.Models.Set("m", router.Model{Targets: []router.Target{{Provider: "p", Model: "x"}}, Timeouts: bad})
			cfg.Timeouts = bad
			err := cfg.Validate()
			for _, path := range []string{"timeouts:", "providers.p.timeouts:", "models.m.timeouts:"} {
				if err == nil || !strings.Contains(err.Error(), path) {
					t.Errorf("%v doesn't name %s", err, path)
				}
			}
		})
	}
}

func TestTimeoutsOver(t *testing.T) {
	t.Parallel()
	all := router.Timeouts{Connect: 1, FirstContent: 2, Gap: 3, Total: 4}
	cases := []struct {
		name          string
		t, base, want router.Timeouts
	}{
		{"nothing set", router.Timeouts{}, all, all},
		{"nothing below", all, router.Timeouts{}, all},
		{"everything set", all, router.DefaultTimeouts(), all},
		{"connect", router.Timeouts{Connect: 9}, all, router.Timeouts{Connect: 9, FirstContent: 2, Gap: 3, Total: 4}},
		{"first content", router.Timeouts{FirstContent: 9}, all, router.Timeouts{Connect: 1, FirstContent: 9, Gap: 3, Total: 4}},
		{"gap", router.Timeouts{Gap: 9}, all, router.Timeouts{Connect: 1, FirstContent: 2, Gap: 9, Total: 4}},
		{"total", router.Timeouts{Total: 9}, all, router.Timeouts{Connect: 1, FirstContent: 2, Gap: 3, Total: 9}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.t.Over(c.base); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestDefaultTimeouts are promise S3's.
func TestDefaultTimeouts(t *testing.T) {
	t.Parallel()
	want := router.Timeouts{Connect: 5 * time.Second, FirstContent: 2 * time.Minute, Gap: time.Minute, Total: 10 * time.Minute}
	if got := router.DefaultTimeouts(); got != want {
		t.Errorf("%+v", got)
	}
}
