package plan

import (
	"context"
	"strings"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/complexity"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
)

// Trace is how a plan came about.
type Trace struct {
	Plan Plan
	// Model is what rules see: the name that was asked for, or the route that the caller wished.
	Model string
	// Shape and Complexity are of the content; Scanned tells whether it was looked at, Detected who found how much.
	Shape      complexity.Shape
	Complexity float64
	Scanned    bool
	Detected   map[string]int
	// Label is what rules see: the caller's, raised by what was found. What a rule redacts no longer counts in the plan's.
	Label llmv1.Sensitivity
	// Redacted counts what a rule takes out, by detector.
	Redacted map[string]int
	// Tried are the rules up to the one that matched.
	Tried []policy.Outcome
	// Strategy is the model's; Candidates are its targets, those that wouldn't be asked last.
	Strategy   string
	Candidates []catalog.Candidate
	// Refusal is why the call would be refused; nil where it would be sent.
	Refusal error
}

// Explain plans a call that isn't made. The errors are those of a request that can't be understood; what would refuse the
// call is part of the answer.
func (p *Planner) Explain(ctx context.Context, ask Ask) (Trace, error) {
	d := &draft{setup: p.setup.Load(), ask: ask}
	plan, err := d.make(ctx, d.setup.Policy.Explain)
	asked := ask.Model
	if d.wishes.Route != "" {
		asked = d.wishes.Route
	}
	if f := fault.From(err); err != nil && f.Reason == errorsv1.Reason_REASON_INVALID_FIELD {
		return Trace{}, err
	}
	if plan.Model == "" {
		plan.Model = d.model
	}
	t := Trace{
		Plan: plan, Model: asked, Shape: ask.Content.Shape(), Complexity: ask.Content.Complexity(), Scanned: d.scanned,
		Detected: d.report.Detected, Label: max(d.wishes.Sensitivity, d.report.Label), Redacted: d.redacted, Tried: d.decision.Tried, Refusal: err,
	}
	if t.Plan.Rule == "" {
		t.Plan.Rule = d.decision.Rule
	}
	t.Strategy, t.Candidates = d.candidates(plan)
	return t, nil
}

// candidates are all targets of the model, those that may not see the call included.
func (d *draft) candidates(p Plan) (strategy string, list []catalog.Candidate) {
	all, err := d.setup.Catalog.Resolve(p.Model)
	if err != nil {
		return "", nil
	}
	now := time.Now()
	needed := max(p.Wishes.Sensitivity, d.decision.RequireTrust)
	var may, mayNot []catalog.Target
	for _, t := range all {
		if t.Provider.Trust >= needed {
			may = append(may, t)
		} else {
			mayNot = append(mayNot, t)
		}
	}
	if len(may) > 0 {
		list = catalog.Explain(may, now)
	}
	for i := range mayNot {
		t := mayNot[i]
		list = append(list, catalog.Candidate{
			Target: t, State: t.State(now),
			Reason: "trust " + word(t.Provider.Trust) + " is below " + d.because(p) + " " + word(needed),
		})
	}
	return all[0].Strategy.String(), list
}

// because is what asks for trust.
func (d *draft) because(p Plan) string {
	if d.decision.RequireTrust > p.Wishes.Sensitivity {
		return "the rule's require_trust"
	}
	return "sensitivity"
}

// word is the label's; what was never labelled counts as none.
func word(s llmv1.Sensitivity) string {
	s = max(s, llmv1.Sensitivity_SENSITIVITY_NONE)
	return strings.ToLower(strings.TrimPrefix(s.String(), "SENSITIVITY_"))
}
