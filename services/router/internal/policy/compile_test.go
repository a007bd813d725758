package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
)

func problem(t *testing.T, rules ...policy.Rule) (path, text string) {
	t.Helper()
	p, err := policy.Compile(rules, names)
	var invalid *conf.InvalidError
	if !errors.As(err, &invalid) || p != nil {
		t.Fatalf("got %v, %v", p, err)
	}
	return invalid.Path, invalid.Text
}

func TestConditionsRefused(t *testing.T) {
	t.Parallel()
	const known = "known: HIGH, LOW, MEDIUM, NONE, complexity, detected, dialect, "
	for _, c := range []struct{ name, when, text string }{
		{"empty", ``, `a condition is required; true holds for every request`},
		{"unknown name", `sensitivty >= HIGH`, `unknown name "sensitivty", column 1; did you mean sensitivity? ` + known},
		{"unknown name further on", `model == "auto" && complexty < 0.3`, `unknown name "complexty", column 20; did you mean complexity? ` + known},
		{"unknown name in a loop", `detected.exists(x, yyyyy == "x")`, `unknown name "yyyyy", column 20; ` + known},
		{"second line", "model == 'x' &&\n  modle == 'y'", `unknown name "modle", line 2, column 3; did you mean model?`},
		{"constant in lower case", `sensitivity >= high`, `unknown name "high", column 16; did you mean HIGH?`},
		{"unknown method", `model.startWith("x")`, `unknown function "startWith", column 16; did you mean startsWith?`},
		{"unknown function", `today(model)`, `unknown function "today", column 6`},
		{"method as a function", `startsWith(model, "x")`, `startsWith() doesn't take (string, string), column 11`},
		{"no bool", `model`, `must be true or false, and is of type string; compare it with something`},
		{"a number", `1 + 1`, `must be true or false, and is of type int`},
		{"dynamic", `dyn(true)`, `must be true or false, and is of type dyn`},
		{"types", `model == 3`, `== doesn't take (string, int), column 7`},
		{"types of in", `3 in detected`, `in doesn't take (int, list(string)), column 3`},
		{"types of a choice", `tools ? true : false`, `? : doesn't take (int, bool, bool)`},
		{"label in quotes", `sensitivity >= "high"`, `>= doesn't take (int, string), column 13; sensitivity compares with NONE, LOW, MEDIUM and HIGH, without quotes`},
		{"breaks off", `model == "auto" &&`, `Syntax error: mismatched input '<EOF>', column 19`},
		{"assignment", `model = "x"`, `= isn't an operator, column 7; write ==`},
		{"and", `stream and media`, `and isn't an operator, column 8; write &&`},
		{"field of a text", `tags.team.x == "x"`, `type 'string' does not support field selection, column 10`},
		{"has of no tag", `has(model.x)`, `has() is for tags, such as has(tags.team), column 10`},
		{"has of nothing", `has(model)`, `has() is for tags`},
		{"expression", `model.matches("(")`, `invalid matches argument, column 15`},
		{"mixed list", `model in ["a", 1]`, `expected type 'string' but found 'int', column 16`},
		{"unknown detector", `"crad" in detected`, `detected is never "crad", column 1; did you mean card? known: card, iban, email`},
		{"unknown detector in a set", `sets.intersects(detected, ["card", "ibann"])`, `detected is never "ibann", column 36; did you mean iban?`},
		{"unknown operation", `operation == "chats"`, `operation is never "chats", column 14; did you mean chat? known: chat, embeddings, count_tokens`},
		{"unknown dialect", `dialect in ["openai", "antropic"]`, `dialect is never "antropic", column 23; did you mean anthropic? known: openai, anthropic`},
		{"unknown role", `!("root" != role)`, `role is never "root", column 3; known: client, admin, viewer`},
		{"long range", `lists.range(100000).exists(i, i > 99999)`, `might take too long`},
		{"grows", `model.replace("a", "bbbbbbbbb").replace("b", "ccccccccc").replace("c", "ddddddd") == ""`, `might take too long`},
		{"nested loops", `detected.all(a, detected.all(b, detected.all(c, a == b || b == c)))`, `comprehension exceeds nesting limit`},
		{"too long", `model == "` + strings.Repeat("x", 5000) + `"`, `expression code point size exceeds limit`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, text := problem(t, documented[0], policy.Rule{Name: "mine", When: c.when})
			if path != "rules[1].when" || !strings.HasPrefix(text, `rule "mine": `+c.text) {
				t.Errorf("%s: %s", path, text)
			}
		})
	}
}

func TestFieldsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		rule       policy.Rule
		path, text string
	}{
		{"no name", policy.Rule{When: "true"}, "name", "is required"},
		{"long name", policy.Rule{Name: strings.Repeat("x", 129), When: "true"}, "name", "must be at most 128 bytes"},
		{"name twice", policy.Rule{Name: documented[0].Name, When: "true"}, "name", "another rule has this name"},
		{"unknown model", policy.Rule{Model: "asistant"}, "model", `rule "r": no model "asistant" is configured; did you mean assistant? known: private, assistant`},
		{"trust", policy.Rule{RequireTrust: "hi"}, "require_trust", "must be none, low, medium, high or local"},
		{"cache", policy.Rule{Cache: "yes"}, "cache", "must be on, off or refresh"},
		{"ttl alone", policy.Rule{CacheTTL: time.Minute}, "cache_ttl", "needs cache: on or refresh"},
		{"ttl of nothing", policy.Rule{Cache: "off", CacheTTL: time.Minute}, "cache_ttl", "needs cache: on or refresh"},
		{"ttl too long", policy.Rule{Cache: "on", CacheTTL: 25 * time.Hour}, "cache_ttl", "must be from 1s to 24h"},
		{"priority", policy.Rule{Priority: "high"}, "priority", "must be interactive or batch"},
		{"negative timeout", policy.Rule{Timeouts: policy.Timeouts{Gap: -1}}, "timeouts", "durations must be from 0s to 24h"},
		{"unknown detector", policy.Rule{Redact: []string{"card", "ibann"}}, "redact", `rule "r": no detector is called "ibann"; did you mean iban? known: card, iban, email`},
		{"all and more", policy.Rule{Redact: []string{"all", "card"}}, "redact", "all holds the other detectors already"},
		{"empty message", policy.Rule{Deny: " "}, "deny", "needs a message to the caller"},
		{"long message", policy.Rule{Deny: strings.Repeat("x", 1025)}, "deny", "must be at most 1024 bytes"},
		{"deny and model", policy.Rule{Deny: "no", Model: "private"}, "deny", "refuses the request, so nothing else can be said of it"},
		{"deny and redact", policy.Rule{Deny: "no", Redact: []string{"all"}}, "deny", "refuses the request, so nothing else can be said of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.rule.When == "" {
				c.rule.Name, c.rule.When = "r", "true"
			}
			path, text := problem(t, documented[0], c.rule)
			if path != "rules[1]."+c.path || !strings.HasPrefix(text, c.text) {
				t.Errorf("%s: %s", path, text)
			}
		})
	}
}

func TestEverythingWrongAtOnce(t *testing.T) {
	t.Parallel()
	_, err := policy.Compile([]policy.Rule{{Name: "a", When: "modle == 3", Model: "b"}, {When: "tols > 1 && x", Cache: "yes"}}, names)
	var paths []string
	for _, line := range strings.Split(err.Error(), "\n") {
		path, _, _ := strings.Cut(line, ":")
		paths = append(paths, path)
	}
	want := "rules[0].model rules[0].when rules[1].name rules[1].cache rules[1].when rules[1].when"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("got %s", got)
	}
}

// TestFromFile: rules as an operator writes them, and their errors with the line.
func TestFromFile(t *testing.T) {
	t.Parallel()
	const text = `rules:
  - {name: sensitive stays home, when: "sensitivity >= HIGH", model: private, require_trust: local}
  - {name: easy goes small,      when: 'model == "auto" && complexity < 0.35', model: private}
  - name: slow
    when: tags.team == "research"
    timeouts: {first_content: 5m, gap: 2m, total: 30m}
    cache: on
    cache_ttl: 10m
    redact: [card, email]
    priority: batch
  - {name: the rest, when: 'model == "auto"', model: assistant}
`
	var config struct {
		Rules []policy.Rule `yaml:"rules"`
	}
	doc, err := conf.Read("headgate.yaml", []byte(text), nil)
	if err == nil {
		err = doc.Decode(&config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Compile(config.Rules, names); err != nil {
		t.Error(err)
	}
	config.Rules[2].When = "tgas.team == 'research'"
	_, err = policy.Compile(config.Rules, names)
	if got := doc.Locate(err).Error(); !strings.HasPrefix(got, `headgate.yaml:5: rules[2].when: rule "slow": unknown name "tgas", column 1; did you mean tags?`) {
		t.Errorf("got %s", got)
	}
}

func TestKnownModels(t *testing.T) {
	t.Parallel()
	known := policy.Names{Models: []string{"a"}, Known: func(m string) bool { return m == "a" || strings.HasPrefix(m, "claude-") }}
	rule := policy.Rule{Name: "r", When: `"anything" in detected`, Model: "claude-x", Redact: []string{"anything"}}
	if _, err := policy.Compile([]policy.Rule{rule}, known); err != nil {
		t.Error(err)
	}
}

// FuzzCompile: no condition breaks the compiler, and none that it takes breaks a decision.
func FuzzCompile(f *testing.F) {
	for _, r := range documented {
		f.Add(r.When)
	}
	f.Add(`tags.all(k, tags[k].matches(model)) || has(tags.x)`)
	f.Fuzz(func(t *testing.T, when string) {
		p, err := policy.Compile([]policy.Rule{{Name: "r", When: when}}, names)
		if err == nil {
			_, _ = p.Decide(content(policy.Facts{Model: "m", Tags: map[string]string{"a": "b"}}, 2, 0.5, "card"))
		}
	})
}
