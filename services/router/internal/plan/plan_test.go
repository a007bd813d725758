package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/dialect/openai"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/plan"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

const card = "4539578763621486"

const (
	medium = llmv1.Sensitivity_SENSITIVITY_MEDIUM
	high   = llmv1.Sensitivity_SENSITIVITY_HIGH
)

// setup has the models mixed (hosted and in the house), hosted, and home.
func setup(t *testing.T, always bool, rules ...policy.Rule) *plan.Setup {
	t.Helper()
	target := func(name string, trust llmv1.Sensitivity) catalog.Target {
		return catalog.Target{
			Provider: provider.New(provider.Identity{Name: name, Trust: trust}, nil, provider.Options{}), Model: "m",
			Silences: provider.Silences{FirstContent: time.Minute, Gap: 30 * time.Second}, Total: 10 * time.Minute,
		}
	}
	hosted, home := target("hosted", medium), target("home", high)
	p, err := policy.Compile(rules, policy.Names{Models: []string{"mixed", "hosted", "home"}})
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := sensitive.New(sensitive.Config{Always: always})
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Setup{Policy: p, Scanner: scanner, Catalog: catalog.New([]catalog.Model{
		{Name: "mixed", Targets: []catalog.Target{hosted, home}},
		{Name: "hosted", Targets: []catalog.Target{hosted}},
		{Name: "home", Targets: []catalog.Target{home}, Cache: true},
	}, nil)}
}

// asked is a call of a model with a text; its body is what is sent in the end.
func asked(model, text string) (plan.Ask, *plan.Body) {
	body := &plan.Body{
		JSON:   fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, text),
		Reread: func(b []byte) error { _, err := openai.ReadFacts(b); return err },
	}
	return plan.Ask{Operation: "chat", Dialect: llmv1.Dialect_DIALECT_OPENAI, Model: model, Content: body}, body
}

func steered(ctx context.Context, headers ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs(headers...))
}

func TestLabel(t *testing.T) {
	t.Parallel()
	scrub := policy.Rule{Name: "scrub", When: "true", Redact: []string{"all"}}
	scrubMail := policy.Rule{Name: "scrub mail", When: "true", Redact: []string{"email"}}
	late := policy.Rule{Name: "late", When: "sensitivity >= HIGH", Model: "home"}
	cases := map[string]struct {
		always  bool
		rules   []policy.Rule
		model   string
		text    string
		headers []string
		label   llmv1.Sensitivity
		targets string
		reason  errorsv1.Reason
		sent    string
	}{
		"nobody looks":                         {model: "hosted", text: card, targets: "hosted"},
		"nobody looks, the caller says":        {model: "mixed", text: "Hi", headers: []string{"x-headgate-sensitivity", "high"}, label: high, targets: "home"},
		"always":                               {always: true, model: "mixed", text: card, label: high, targets: "home"},
		"always, nothing there":                {always: true, model: "mixed", text: "Hi", label: llmv1.Sensitivity_SENSITIVITY_NONE, targets: "hosted home"},
		"always, nobody may":                   {always: true, model: "hosted", text: card, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"never lowered":                        {always: true, model: "mixed", text: card, headers: []string{"x-headgate-sensitivity", "low"}, label: high, targets: "home"},
		"raised":                               {always: true, model: "mixed", text: "a@example.org", headers: []string{"x-headgate-sensitivity", "high"}, label: high, targets: "home"},
		"a rule asks":                          {rules: []policy.Rule{late}, model: "hosted", text: card, label: high, targets: "home"},
		"a rule before it matches":             {rules: []policy.Rule{{Name: "first", When: "true"}, late}, model: "hosted", text: card, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"redacted":                             {rules: []policy.Rule{scrub}, model: "hosted", text: card, label: llmv1.Sensitivity_SENSITIVITY_NONE, targets: "hosted", sent: "[REDACTED:card]"},
		"redacted, the caller's label stays":   {rules: []policy.Rule{scrub}, model: "hosted", text: card, headers: []string{"x-headgate-sensitivity", "high"}, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"redacted in part":                     {rules: []policy.Rule{scrubMail}, model: "hosted", text: card + " a@example.org", reason: errorsv1.Reason_REASON_SENSITIVITY},
		"redacted in part, in the house":       {rules: []policy.Rule{scrubMail}, model: "mixed", text: card + " a@example.org", label: high, targets: "home", sent: card + " [REDACTED:email]"},
		"another rule redacts":                 {rules: []policy.Rule{{Name: "no", When: "false", Redact: []string{"all"}}}, model: "hosted", text: card, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"a rule demands trust":                 {rules: []policy.Rule{{Name: "r", When: "true", RequireTrust: "local"}}, model: "mixed", text: "Hi", targets: "home"},
		"a rule demands trust that nobody has": {rules: []policy.Rule{{Name: "r", When: "true", RequireTrust: "local"}}, model: "hosted", text: "Hi", reason: errorsv1.Reason_REASON_SENSITIVITY},
		"a rule demands less than the label":   {always: true, rules: []policy.Rule{{Name: "r", When: "true", RequireTrust: "low"}}, model: "mixed", text: card, label: high, targets: "home"},
		"a route leads nowhere else":           {always: true, model: "mixed", text: card, headers: []string{"x-headgate-route", "hosted"}, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"a rule leads nowhere else":            {always: true, rules: []policy.Rule{{Name: "r", When: "true", Model: "hosted"}}, model: "home", text: card, reason: errorsv1.Reason_REASON_SENSITIVITY},
		"denied before it is looked into":      {rules: []policy.Rule{{Name: "r", When: "true", Deny: "no"}, late}, model: "home", text: card, reason: errorsv1.Reason_REASON_REFUSED_BY_RULE},
		"a rule that fails":                    {rules: []policy.Rule{{Name: "r", When: "int(model) > 1"}}, model: "home", text: "Hi", reason: errorsv1.Reason_REASON_RULE_FAILED},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask, body := asked(c.model, c.text)
			p, err := plan.New(setup(t, c.always, c.rules...), plan.Options{}).Make(steered(t.Context(), c.headers...), ask)
			if got := reasonOf(err); got != c.reason {
				t.Fatalf("%v, want %v", err, c.reason)
			}
			if err != nil {
				if strings.Contains(err.Error(), card) {
					t.Errorf("the error quotes what was found: %v", err)
				}
				return
			}
			if got := names(p.Targets); got != c.targets || p.Wishes.Sensitivity != c.label {
				t.Errorf("%v at %s, want %v at %s", p.Wishes.Sensitivity, got, c.label, c.targets)
			}
			if c.sent == "" {
				c.sent = c.text
			}
			if !strings.Contains(string(body.JSON), c.sent) {
				t.Errorf("%s is sent, want %s", body.JSON, c.sent)
			}
		})
	}
}

func reasonOf(err error) errorsv1.Reason {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Reason
	}
	return errorsv1.Reason_REASON_UNSPECIFIED
}

func names(targets []catalog.Target) string {
	var list []string
	for _, t := range targets {
		list = append(list, t.Provider.Name)
	}
	return strings.Join(list, " ")
}

// TestScanFails: content that can't be read may hold anything.
func TestScanFails(t *testing.T) {
	t.Parallel()
	ask, body := asked("home", "Hi")
	body.JSON = []byte(`{"model":"home"`)
	if _, err := plan.New(setup(t, true), plan.Options{}).Make(t.Context(), ask); err == nil {
		t.Error("it is planned")
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	rule := policy.Rule{Name: "r", When: "true", Timeouts: policy.Timeouts{FirstContent: 2 * time.Minute, Gap: time.Second, Total: time.Hour}}
	cases := map[string]struct {
		rules             []policy.Rule
		headers           []string
		first, gap, total time.Duration
		shortened         bool
	}{
		"the model's":                    {nil, nil, time.Minute, 30 * time.Second, 10 * time.Minute, false},
		"a rule's":                       {[]policy.Rule{rule}, nil, 2 * time.Minute, time.Second, time.Hour, false},
		"the caller's shorter ones":      {nil, []string{"x-headgate-first-content-ms", "1000"}, time.Second, 30 * time.Second, 10 * time.Minute, true},
		"the caller's longer ones":       {nil, []string{"x-headgate-gap-ms", "40000"}, time.Minute, 30 * time.Second, 10 * time.Minute, false},
		"the caller's beside the rule's": {[]policy.Rule{rule}, []string{"x-headgate-first-content-ms", "90000", "x-headgate-gap-ms", "2000"}, 90 * time.Second, time.Second, time.Hour, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, false, c.rules...)
			ask, _ := asked("mixed", "Hi")
			p, err := plan.New(s, plan.Options{}).Make(steered(t.Context(), c.headers...), ask)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range p.Targets {
				if got.Silences.FirstContent != c.first || got.Silences.Gap != c.gap || got.Total != c.total || got.Shortened.Any() != c.shortened {
					t.Errorf("%v %v %v", got.Silences, got.Total, got.Shortened)
				}
			}
			if own := s.Catalog.Models()[0].Targets[0]; own.Total != 10*time.Minute || own.Silences.Gap != 30*time.Second {
				t.Error("the catalog's own timers were changed")
			}
		})
	}
}

// TestWishes: who is silent gets what the rule says; and what can wait is refused where there is no room, whoever says so.
func TestWishes(t *testing.T) {
	t.Parallel()
	rule := policy.Rule{Name: "r", When: "true", Cache: "on", CacheTTL: time.Minute, Priority: "batch"}
	cases := map[string]struct {
		rules   []policy.Rule
		headers []string
		busy    bool
		cache   string
		ttl     time.Duration
		reason  errorsv1.Reason
	}{
		"nothing":                {busy: true},
		"a rule's":               {rules: []policy.Rule{rule}, cache: "on", ttl: time.Minute},
		"the caller's go first":  {rules: []policy.Rule{rule}, headers: []string{"x-headgate-cache", "off", "x-headgate-cache-ttl", "5"}, cache: "off", ttl: 5 * time.Second},
		"it can wait, by a rule": {rules: []policy.Rule{rule}, busy: true, reason: errorsv1.Reason_REASON_OVERLOADED},
		"it can wait, says who":  {headers: []string{"x-headgate-priority", "batch"}, busy: true, reason: errorsv1.Reason_REASON_OVERLOADED},
		"it can't wait":          {headers: []string{"x-headgate-priority", "interactive"}, busy: true},
		"a word that is none":    {headers: []string{"x-headgate-priority", "later"}, reason: errorsv1.Reason_REASON_INVALID_FIELD},
		"a label that is none":   {headers: []string{"x-headgate-sensitivity", "hihg"}, reason: errorsv1.Reason_REASON_INVALID_FIELD},
		"two labels that differ": {headers: []string{"x-headgate-sensitivity", "low", "x-headgate-sensitivity", "high"}, reason: errorsv1.Reason_REASON_INVALID_FIELD},
		"a model nobody has":     {headers: []string{"x-headgate-route", "nobody's"}, reason: errorsv1.Reason_REASON_MODEL_NOT_FOUND},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask, _ := asked("mixed", "Hi")
			p, err := plan.New(setup(t, false, c.rules...), plan.Options{Spare: func() bool { return !c.busy }}).Make(steered(t.Context(), c.headers...), ask)
			if got := reasonOf(err); got != c.reason {
				t.Fatalf("%v, want %v", err, c.reason)
			}
			if err == nil && (string(p.Wishes.Cache) != c.cache || p.Wishes.CacheTTL != c.ttl) {
				t.Errorf("%+v", p.Wishes)
			}
		})
	}
}

// TestKeysModels: a key's models bound what its caller asks for and the route, not where a rule sends them.
func TestKeysModels(t *testing.T) {
	t.Parallel()
	ctx := auth.NewContext(t.Context(), auth.Principal{KeyID: "key_1", Models: []string{"hosted"}})
	for name, c := range map[string]struct {
		model, route string
		rules        []policy.Rule
		reason       errorsv1.Reason
	}{
		"its own":           {model: "hosted"},
		"another":           {model: "home", reason: errorsv1.Reason_REASON_MODEL_NOT_ALLOWED},
		"another route":     {model: "hosted", route: "home", reason: errorsv1.Reason_REASON_MODEL_NOT_ALLOWED},
		"its own route":     {model: "home", route: "hosted"},
		"a rule's":          {model: "hosted", rules: []policy.Rule{{Name: "r", When: "true", Model: "home"}}},
		"a rule can't mend": {model: "home", rules: []policy.Rule{{Name: "r", When: "true", Model: "hosted"}}, reason: errorsv1.Reason_REASON_MODEL_NOT_ALLOWED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask, _ := asked(c.model, "Hi")
			p := plan.New(setup(t, false, c.rules...), plan.Options{})
			_, err := p.Make(steered(ctx, "x-headgate-route", c.route), ask)
			if reasonOf(err) != c.reason {
				t.Errorf("%v, want %v", err, c.reason)
			}
			explained, explainErr := p.Explain(steered(ctx, "x-headgate-route", c.route), ask)
			if explainErr != nil || reasonOf(explained.Refusal) != c.reason {
				t.Errorf("explained: %v, %v", explained.Refusal, explainErr)
			}
		})
	}
}

// TestExplain: what rules see, and every target with its reason.
func TestExplain(t *testing.T) {
	t.Parallel()
	rules := []policy.Rule{{Name: "no", When: "model == 'x'"}, {Name: "yes", When: "sensitivity >= HIGH && model == 'hosted'", Model: "mixed"}, {Name: "after", When: "true"}}
	ask, _ := asked("home", card+" and a@example.org")
	got, err := plan.New(setup(t, false, rules...), plan.Options{}).Explain(steered(t.Context(), "x-headgate-route", "hosted"), ask)
	if err != nil || got.Refusal != nil {
		t.Fatal(err, got.Refusal)
	}
	if got.Model != "hosted" || got.Plan.Model != "mixed" || got.Plan.Rule != "yes" || len(got.Tried) != 2 || got.Tried[0].Matched || !got.Tried[1].Matched {
		t.Errorf("%+v", got)
	}
	if got.Label != high || got.Detected["card"] != 1 || got.Detected["email"] != 1 || !got.Scanned {
		t.Errorf("%v %v", got.Label, got.Detected)
	}
	if len(got.Candidates) != 2 || got.Candidates[0].Target.Provider.Name != "home" || !got.Candidates[0].Chosen || got.Candidates[1].Chosen ||
		got.Candidates[1].Reason != "trust medium is below sensitivity high" {
		t.Errorf("%+v", got.Candidates)
	}
}
