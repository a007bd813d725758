// Package plan decides where a call goes: by the operator's rules, by what its content is labelled as, and by what its
// caller wishes.
package plan

import (
	"context"
	"slices"
	"time"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/complexity"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Plan is where a call may go, and how.
type Plan struct {
	// Model is the name that was resolved: the request's, the route that its caller wished, or a rule's.
	Model string
	// Targets may see the request; in the order of the configuration.
	Targets []catalog.Target
	// Wishes are the caller's, with the label raised by what was found, and with what a rule says where the caller is
	// silent.
	Wishes steer.Wishes
	// Cache says that the model's answers are kept unless the wishes say otherwise.
	Cache bool
	// Rule is the rule that matched; empty where none did.
	Rule string
	// Input is the estimate of the prompt's tokens.
	Input int64
}

// Cached reports whether the answer may come from the cache, and may be kept there.
func (p Plan) Cached() bool {
	return p.Wishes.Cache != steer.CacheOff && (p.Wishes.Cache != "" || p.Cache)
}

// Content is what a call carries, in whichever form.
type Content interface {
	// Scan looks for sensitive data.
	Scan(s *sensitive.Scanner) (sensitive.Report, error)
	// Redact takes what a report found out of the content, by detectors, all where that is nil. It returns what is left.
	Redact(r sensitive.Report, detectors []string) (sensitive.Report, error)
	// Complexity scores it.
	Complexity() float64
	// Shape counts what is in it.
	Shape() complexity.Shape
}

// Ask is a call before it is planned.
type Ask struct {
	// Operation is chat, embeddings or count_tokens; Dialect the client's, unspecified for a typed call.
	Operation string
	Dialect   llmv1.Dialect
	// Model is the name that was asked for.
	Model string
	// Stream says that a stream is wanted; Input is the estimate of the prompt's tokens, Output the declared bound or 0.
	Stream        bool
	Input, Output int64
	// Content is what is asked.
	Content Content
}

// draft is a plan on its way.
type draft struct {
	setup  *Setup
	ask    Ask
	wishes steer.Wishes
	model  string

	scanned   bool
	report    sensitive.Report
	reportErr error
	shape     complexity.Shape
	score     float64
	redacted  map[string]int
	decision  policy.Decision
}

// Make plans an incoming call. The errors are PERMISSION_DENIED for a key that only reads, INVALID_FIELD for a steering
// header, MODEL_NOT_ALLOWED, MODEL_NOT_FOUND, SENSITIVITY, REFUSED_BY_RULE, RULE_FAILED, and OVERLOADED for a call that can
// wait. Where a rule says so, the content is redacted.
func (p *Planner) Make(ctx context.Context, ask Ask) (Plan, error) {
	if err := mayCall(ctx); err != nil {
		return Plan{}, err
	}
	d := &draft{setup: p.setup.Load(), ask: ask}
	plan, err := d.make(ctx, d.setup.Policy.Decide)
	if err != nil {
		p.refused(ctx, err)
		return plan, err
	}
	p.note(ctx, d, plan)
	return plan, p.room(&plan)
}

func (d *draft) make(ctx context.Context, decide func(policy.Facts) (policy.Decision, error)) (Plan, error) {
	if err := d.begin(ctx); err != nil {
		return Plan{}, err
	}
	if !d.setup.Policy.None() {
		var err error
		if d.decision, err = decide(d.facts(ctx)); err != nil {
			return Plan{}, err
		}
	}
	if d.decision.Model != "" {
		d.model = d.decision.Model
	}
	label, err := d.label()
	if err != nil {
		return Plan{}, err
	}
	return d.finish(label)
}

// mayCall refuses keys that only read. The contract does so for the typed methods; a relayed call comes by an internal one,
// whoever asks.
func mayCall(ctx context.Context) error {
	if p, ok := auth.FromContext(ctx); ok && p.Role == accessv1.Role_ROLE_VIEWER {
		return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED,
			"a key with %s reads usage and state and sends nothing to models; ask with a client's key", p.Role)
	}
	return nil
}

// begin reads what the caller wishes, and whether they may ask for the model at all.
func (d *draft) begin(ctx context.Context) (err error) {
	d.model = d.ask.Model
	if d.wishes, err = steer.Read(ctx); err != nil {
		return err
	}
	if d.wishes.Route != "" {
		d.model = d.wishes.Route
	}
	if p, ok := auth.FromContext(ctx); ok && !p.MayAsk(d.model) {
		return fault.New(errorsv1.Reason_REASON_MODEL_NOT_ALLOWED,
			"this key may not ask for this model; GET /v1/models lists those it may").With("field", "model")
	}
	return nil
}

// facts are what rules see.
func (d *draft) facts(ctx context.Context) policy.Facts {
	f := policy.Facts{
		Model: d.model, Operation: d.ask.Operation, Dialect: dialects[d.ask.Dialect], Stream: d.ask.Stream,
		InputTokens: d.ask.Input, MaxOutputTokens: d.ask.Output, Tags: d.wishes.Tags,
		Time:        time.Now(),
		Sensitivity: d.sensitivity,
		Complexity:  d.complexity,
	}
	if d.setup.Policy.Needs().Shape {
		d.shape = d.ask.Content.Shape()
		f.Tools, f.Messages, f.Media = d.shape.Tools, d.shape.Messages, d.shape.Media
	}
	if p, ok := auth.FromContext(ctx); ok {
		f.By(p)
	}
	return f
}

var dialects = map[llmv1.Dialect]string{
	llmv1.Dialect_DIALECT_OPENAI:    "openai",
	llmv1.Dialect_DIALECT_ANTHROPIC: "anthropic",
}

// scan looks at the content, once.
func (d *draft) scan() error {
	if !d.scanned {
		d.scanned = true
		d.report, d.reportErr = d.ask.Content.Scan(d.setup.Scanner)
	}
	return d.reportErr
}

// sensitivity is the label: the caller's, raised by what was found; and which detectors found something.
func (d *draft) sensitivity() (llmv1.Sensitivity, []string, error) {
	if err := d.scan(); err != nil {
		return llmv1.Sensitivity_SENSITIVITY_HIGH, nil, err
	}
	detected := make([]string, 0, len(d.report.Detected))
	for name := range d.report.Detected {
		detected = append(detected, name)
	}
	slices.Sort(detected)
	return max(d.wishes.Sensitivity, d.report.Label), detected, nil
}

func (d *draft) complexity() float64 {
	d.score = d.ask.Content.Complexity()
	return d.score
}

// label is what the request has to be treated as: where anybody looks at content at all, every request is looked at, and
// what a rule redacts no longer counts. The caller's own label is never lowered.
func (d *draft) label() (llmv1.Sensitivity, error) {
	if !d.setup.scans() {
		return d.wishes.Sensitivity, nil
	}
	if err := d.scan(); err != nil {
		return 0, err
	}
	found := d.report
	if len(d.decision.Redact) > 0 && found.Found() {
		var err error
		if found, err = d.redact(); err != nil {
			return 0, err
		}
	}
	return max(d.wishes.Sensitivity, found.Label), nil
}

func (d *draft) redact() (sensitive.Report, error) {
	detectors := d.decision.Redact
	if slices.Equal(detectors, []string{"all"}) {
		detectors = nil
	}
	left, err := d.ask.Content.Redact(d.report, detectors)
	d.redacted = make(map[string]int)
	for name, n := range d.report.Detected {
		if gone := n - left.Detected[name]; gone > 0 {
			d.redacted[name] = gone
		}
	}
	return left, err
}

// finish finds the targets.
func (d *draft) finish(label llmv1.Sensitivity) (Plan, error) {
	w := d.wishes
	w.Sensitivity = label
	if w.Cache == "" {
		w.Cache = d.decision.Cache
	}
	if w.CacheTTL == 0 {
		w.CacheTTL = d.decision.CacheTTL
	}
	w.Batch = w.Batch || d.decision.Priority == "batch"
	plan := Plan{Model: d.model, Wishes: w, Cache: d.setup.Catalog.Cached(d.model), Rule: d.decision.Rule, Input: d.ask.Input}
	targets, err := d.setup.Catalog.Resolve(d.model)
	if err != nil {
		return plan, err
	}
	plan.Targets, err = catalog.Trusted(targets, max(label, d.decision.RequireTrust))
	if err == nil {
		plan.Targets = timed(plan.Targets, d.decision.Timeouts, w)
	}
	return plan, err
}
