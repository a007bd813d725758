package policy_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

var names = policy.Names{
	Models:    []string{"private", "assistant"},
	Detectors: []string{"card", "iban", "email"},
}

// documented are the rules of the documentation.
var documented = []policy.Rule{
	{Name: "sensitive stays home", When: "sensitivity >= HIGH", Model: "private", RequireTrust: "local"},
	{Name: "easy goes small", When: `model == "auto" && complexity < 0.35`, Model: "private"},
	{Name: "the rest", When: `model == "auto"`, Model: "assistant"},
}

func compile(t testing.TB, rules ...policy.Rule) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(rules, names)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// content returns the functions of a request with this label and score.
func content(f policy.Facts, label llmv1.Sensitivity, score float64, found ...string) policy.Facts {
	f.Sensitivity = func() (llmv1.Sensitivity, []string, error) { return label, found, nil }
	f.Complexity = func() float64 { return score }
	return f
}

func TestDocumentedRules(t *testing.T) {
	t.Parallel()
	p := compile(t, documented...)
	high, low := llmv1.Sensitivity_SENSITIVITY_HIGH, llmv1.Sensitivity_SENSITIVITY_LOW
	cases := map[string]struct {
		facts policy.Facts
		want  policy.Decision
	}{
		"sensitive":            {content(policy.Facts{Model: "gpt-5"}, high, 0.9), policy.Decision{Rule: "sensitive stays home", Model: "private", RequireTrust: high}},
		"sensitive and auto":   {content(policy.Facts{Model: "auto"}, high, 0.9), policy.Decision{Rule: "sensitive stays home", Model: "private", RequireTrust: high}},
		"easy":                 {content(policy.Facts{Model: "auto"}, low, 0.34), policy.Decision{Rule: "easy goes small", Index: 1, Model: "private"}},
		"as hard as the bound": {content(policy.Facts{Model: "auto"}, low, 0.35), policy.Decision{Rule: "the rest", Index: 2, Model: "assistant"}},
		"another model":        {content(policy.Facts{Model: "gpt-5"}, low, 0.1), policy.Decision{Index: -1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := p.Decide(c.facts)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestConditions: what each variable reads as. The condition has to hold for these facts.
func TestConditions(t *testing.T) {
	t.Parallel()
	facts := content(policy.Facts{
		Model: "auto", Operation: "chat", Dialect: "openai", Stream: true, InputTokens: 1200, MaxOutputTokens: 400,
		Tools: 2, Messages: 3, Media: true, Tags: map[string]string{"team": "search", "empty": ""},
		Time: time.Date(2026, 11, 24, 1, 30, 0, 0, time.FixedZone("", 2*3600)), // a Monday, 23:30, in UTC
	}, llmv1.Sensitivity_SENSITIVITY_MEDIUM, 0.5, "card")
	facts.By(auth.Principal{Name: "ci", KeyID: "k1", Tenant: "acme", Role: accessv1.Role_ROLE_VIEWER})
	for _, condition := range []string{
		`true`,
		`model == "auto" && operation == "chat" && dialect == "openai" && stream`,
		`input_tokens == 1200 && max_output_tokens == 400 && input_tokens + max_output_tokens <= 1600`,
		`tools == 2 && messages == 3 && media`,
		`tenant == "acme" && key_id == "k1" && key_name == "ci" && role == "viewer"`,
		`sensitivity == MEDIUM && sensitivity > LOW && sensitivity > NONE && sensitivity < HIGH`,
		`detected == ["card"] && "card" in detected && !("iban" in detected) && detected.exists(d, d.startsWith("ca"))`,
		`sets.intersects(detected, ["iban", "card"])`,
		`complexity == 0.5 && complexity < 1 && complexity > 0`,
		`hour == 23 && weekday == 1 && weekday in [1, 2, 3, 4, 5]`,
		`tags.team == "search" && tags["team"] == "search" && tags.team.startsWith("se")`,
		`tags.nobody == "" && tags[model] == "" && tags["a b"] != "x" && !(tags.nobody == "x")`,
		`"team" in tags && "empty" in tags && !("nobody" in tags) && has(tags.team) && has(tags.empty) && !has(tags.nobody)`,
		`size(tags) == 2 && tags.exists(k, k == "empty") && !tags.exists(k, tags[k] == "nobody")`,
		`tags == {"team": "search", "empty": ""} && tags != {"team": "search"} && tags != {"team": "search", "nobody": ""}`,
		`model.upperAscii() == "AUTO" && model.matches("^a.to$") && model in ["auto", "automatic"]`,
		`math.greatest(tools, 1) == 2 && [1, 2].slice(0, 1) == [1]`,
		`stream || 1 / 0 > 1`,
	} {
		t.Run(condition, func(t *testing.T) {
			t.Parallel()
			d, err := compile(t, policy.Rule{Name: "r", When: condition}).Decide(facts)
			if err != nil || d.Rule != "r" {
				t.Errorf("got %+v, %v", d, err)
			}
		})
	}
}

func TestTagsOfNobody(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Rule{Name: "r", When: `tags.team == "" && tags["a" + model] == "" && size(tags) == 0 && !has(tags.team)`})
	if d, err := p.Decide(policy.Facts{}); err != nil || d.Rule != "r" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestDecisionSaysAllOfTheRule(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Rule{
		Name: "r", When: "true", Model: "private", RequireTrust: "low",
		Timeouts: policy.Timeouts{FirstContent: time.Second, Gap: 2 * time.Second, Total: 3 * time.Second},
		Cache:    "refresh", CacheTTL: time.Minute, Redact: []string{"card", "iban"}, Priority: "batch",
	})
	want := policy.Decision{
		Rule: "r", Model: "private", RequireTrust: llmv1.Sensitivity_SENSITIVITY_LOW,
		Timeouts: policy.Timeouts{FirstContent: time.Second, Gap: 2 * time.Second, Total: 3 * time.Second},
		Cache:    steer.CacheRefresh, CacheTTL: time.Minute, Redact: []string{"card", "iban"}, Priority: "batch",
	}
	if got, err := p.Decide(policy.Facts{}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestNoRules(t *testing.T) {
	t.Parallel()
	var none *policy.Policy
	for name, p := range map[string]*policy.Policy{"nil": none, "empty": compile(t)} {
		for how, ask := range map[string]func(policy.Facts) (policy.Decision, error){"decide": p.Decide, "explain": p.Explain} {
			if d, err := ask(policy.Facts{Model: "m"}); err != nil || d.Index != -1 || d.Rule != "" {
				t.Errorf("%s, %s: got %+v, %v", name, how, d, err)
			}
		}
		if p.Needs() != (policy.Needs{}) {
			t.Errorf("%s: needs %+v", name, p.Needs())
		}
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Rule{Name: "no cards", When: `"card" in detected`, Deny: "100% of card numbers stay out\n"}, documented[2])
	d, err := p.Decide(content(policy.Facts{Model: "auto"}, llmv1.Sensitivity_SENSITIVITY_HIGH, 0, "card"))
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_REFUSED_BY_RULE ||
		f.Message != "100% of card numbers stay out" || f.Metadata["rule"] != "no cards" || d.Rule != "no cards" {
		t.Errorf("got %+v, %v", d, err)
	}
	if d, err := p.Decide(content(policy.Facts{Model: "auto"}, 0, 0)); err != nil || d.Model != "assistant" {
		t.Errorf("without a card: got %+v, %v", d, err)
	}
}

// TestFailsClosed: a rule that can't be evaluated is never passed over for the next one.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	last := policy.Rule{Name: "last", When: "true", Model: "assistant"}
	for name, condition := range map[string]string{
		"division by zero": `100 / tools > 1`,
		"no number":        `int(model) > 3`,
		"no such element":  `detected[3] == "card"`,
		"overflow":         `9223372036854775807 + messages + 1 > 0`,
		"wrong type":       `dyn(model) > 3`,
		"bad expression":   `"x".matches(tags.pattern)`,
		"no time":          `timestamp(model) > timestamp("2026-01-01T00:00:00Z")`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, policy.Rule{Name: "broken", When: condition, Model: "private"}, last)
			d, err := p.Decide(content(policy.Facts{Model: secret, Tags: map[string]string{"pattern": "(" + secret}}, 0, 0))
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_RULE_FAILED || f.Metadata["rule"] != "broken" {
				t.Fatalf("got %+v, %v", d, err)
			}
			if d.Rule != "" || d.Index != -1 || f.Cause == nil {
				t.Errorf("got %+v, cause %v", d, f.Cause)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the log would hold the client's value: %v", err)
			}
		})
	}
}

// TestErrorsOfFacts: they come back as they are, even where the rest of the condition would make them irrelevant to CEL.
func TestErrorsOfFacts(t *testing.T) {
	t.Parallel()
	broken := errors.New("the detector broke")
	for _, condition := range []string{
		`sensitivity >= HIGH`, `"card" in detected`, `sensitivity >= HIGH || true`, `!(sensitivity < HIGH && false)`,
		`detected.exists(d, d == "card") || model == "auto"`,
	} {
		p := compile(t, policy.Rule{Name: "r", When: condition}, policy.Rule{Name: "last", When: "true"})
		d, err := p.Decide(policy.Facts{Model: "auto", Sensitivity: func() (llmv1.Sensitivity, []string, error) { return 0, nil, broken }})
		if !errors.Is(err, broken) || err.Error() != broken.Error() || d.Index != -1 {
			t.Errorf("%s: got %+v, %v", condition, d, err)
		}
	}
	if _, err := compile(t, policy.Rule{Name: "r", When: `sensitivity >= HIGH`}).Decide(policy.Facts{}); err == nil {
		t.Error("nobody looked at the content, and the rule passed")
	}
}

// TestLazyAndOnce: content is looked at once, and not before a condition comes to it.
func TestLazyAndOnce(t *testing.T) {
	t.Parallel()
	p := compile(t,
		policy.Rule{Name: "first", When: `model == "private"`},
		policy.Rule{Name: "second", When: `stream && sensitivity >= HIGH && complexity > 2`},
		policy.Rule{Name: "third", When: `"card" in detected && sensitivity >= HIGH && complexity > 2`},
		policy.Rule{Name: "fourth", When: `complexity > 2`},
	)
	var scans, scores int
	f := policy.Facts{
		Sensitivity: func() (llmv1.Sensitivity, []string, error) {
			scans++
			return llmv1.Sensitivity_SENSITIVITY_HIGH, []string{"card"}, nil
		},
		Complexity: func() float64 { scores++; return 0.5 },
	}
	for _, c := range []struct {
		model         string
		scans, scores int
	}{{"private", 0, 0}, {"other", 1, 1}} {
		scans, scores = 0, 0
		f.Model = c.model
		if _, err := p.Decide(f); err != nil || scans != c.scans || scores != c.scores {
			t.Errorf("%s: %d scans, %d scores, %v", c.model, scans, scores, err)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		rule policy.Rule
		want policy.Needs
	}{
		"cheap facts":  {policy.Rule{When: `model == "auto" && tags.sensitivity == "complexity"`}, policy.Needs{}},
		"label":        {policy.Rule{When: `stream && !(sensitivity < HIGH)`}, policy.Needs{Sensitivity: true}},
		"findings":     {policy.Rule{When: `detected.exists(d, d == "card")`}, policy.Needs{Sensitivity: true}},
		"score":        {policy.Rule{When: `false && complexity > 0.5`}, policy.Needs{Complexity: true}},
		"shape":        {policy.Rule{When: `tools + messages > 10`}, policy.Needs{Shape: true}},
		"media":        {policy.Rule{When: `media`}, policy.Needs{Shape: true}},
		"replacements": {policy.Rule{When: `true`, Redact: []string{"all"}}, policy.Needs{Redact: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.rule.Name = "r"
			if got := compile(t, c.rule).Needs(); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
	if got, want := compile(t, documented...).Needs(), (policy.Needs{Sensitivity: true, Complexity: true}); got != want {
		t.Errorf("together: got %+v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	p := compile(t, append(documented[:2:2], policy.Rule{Name: "broken", When: "1 / tools > 0"}, documented[2])...)
	d, err := p.Explain(content(policy.Facts{Model: "auto"}, 0, 0.1))
	want := []policy.Outcome{{Name: "sensitive stays home"}, {Name: "easy goes small", Matched: true}}
	if err != nil || d.Rule != "easy goes small" || !reflect.DeepEqual(d.Tried, want) {
		t.Errorf("got %+v, %v", d, err)
	}
	d, err = p.Explain(content(policy.Facts{Model: "auto"}, 0, 0.9))
	want = []policy.Outcome{{Name: "sensitive stays home"}, {Name: "easy goes small"}, {Name: "broken"}}
	if err == nil || d.Index != -1 || !reflect.DeepEqual(d.Tried, want) {
		t.Errorf("got %+v, %v", d, err)
	}
	if d, err = p.Decide(content(policy.Facts{Model: "auto"}, 0, 0.1)); err != nil || d.Tried != nil {
		t.Errorf("not asked to explain: got %+v, %v", d, err)
	}
}

// TestTogether: calls don't see each other's facts.
func TestTogether(t *testing.T) {
	t.Parallel()
	p := compile(t, documented...)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			score := float64(worker%2) * 0.9
			for range 500 {
				d, err := p.Decide(content(policy.Facts{Model: "auto"}, 0, score))
				if want := []string{"private", "assistant"}[worker%2]; err != nil || d.Model != want {
					t.Errorf("got %+v, %v", d, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
