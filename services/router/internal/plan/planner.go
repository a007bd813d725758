package plan

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// Setup is a configuration in force. It doesn't change.
type Setup struct {
	Catalog *catalog.Catalog
	Policy  *policy.Policy
	Scanner *sensitive.Scanner
}

// scans reports whether anybody looks at content.
func (s *Setup) scans() bool {
	needs := s.Policy.Needs()
	return s.Scanner != nil && (needs.Sensitivity || needs.Redact || s.Scanner.Always())
}

// Options are what a Planner may be given.
type Options struct {
	// Spare reports whether there is room for a call that can wait; nil always has room.
	Spare func() bool
	// Logger gets a line for each plan, at debug; nil gets none.
	Logger *slog.Logger
}

// Planner plans calls by the configuration in force. Safe for concurrent use.
type Planner struct {
	setup atomic.Pointer[Setup]
	o     Options
}

// New returns a Planner.
func New(s *Setup, o Options) *Planner {
	if o.Spare == nil {
		o.Spare = func() bool { return true }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Planner{o: o}
	p.Use(s)
	return p
}

// Use brings another configuration in force: the next call is planned by it, those under way go on by theirs.
func (p *Planner) Use(s *Setup) { p.setup.Store(s) }

// Catalog is the one in force.
func (p *Planner) Catalog() *catalog.Catalog { return p.setup.Load().Catalog }

// room refuses a call that can wait where there is no room to spare. The front has refused those that say so themselves; a
// rule's word comes later.
func (p *Planner) room(plan *Plan) error {
	if !plan.Wishes.Batch {
		return nil
	}
	if p.o.Spare() {
		if plan.Targets = spare(plan.Targets); len(plan.Targets) > 0 {
			return nil
		}
		return fault.New(errorsv1.Reason_REASON_OVERLOADED,
			"the model has no room to spare for calls that can wait; try again shortly").After(time.Second)
	}
	return fault.New(errorsv1.Reason_REASON_OVERLOADED,
		"Headgate has no room to spare for calls that can wait; try again shortly").After(time.Second)
}

// spare keeps the targets that have room for a call that can wait. Where they are in an order of preference the first one
// decides: a call that can wait waits for it, and doesn't fill the others.
func spare(targets []catalog.Target) []catalog.Target {
	if targets[0].Strategy == catalog.Failover {
		if targets[0].Provider.Spare() {
			return targets
		}
		return nil
	}
	return catalog.Keep(targets, func(t catalog.Target) bool { return t.Provider.Spare() })
}

// note writes the label and the rule on the call's span, and in the log at debug: names and numbers, never what was found.
func (p *Planner) note(ctx context.Context, d *draft, plan Plan) {
	span, logged := trace.SpanFromContext(ctx), p.o.Logger.Enabled(ctx, slog.LevelDebug)
	if !logged && !span.IsRecording() {
		return
	}
	label := word(plan.Wishes.Sensitivity)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("headgate.sensitivity", label), attribute.String("headgate.rule", plan.Rule))
	}
	if logged {
		p.o.Logger.LogAttrs(ctx, slog.LevelDebug, "planned", slog.String("request_id", meta.RequestID(ctx)), slog.String("model", plan.Model),
			slog.String("rule", plan.Rule), slog.String("sensitivity", label), slog.Any("detected", d.report.Detected), slog.Any("redacted", d.redacted))
	}
}

// refused writes which rule stopped a call: the message to the caller leaves that out, and whoever has to mend a rule has to
// know which.
func (p *Planner) refused(ctx context.Context, err error) {
	f := fault.From(err)
	rule := f.Metadata["rule"]
	if rule == "" {
		return
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("headgate.rule", rule))
	level := slog.LevelDebug
	if f.Reason == errorsv1.Reason_REASON_RULE_FAILED {
		level = slog.LevelWarn
	}
	p.o.Logger.LogAttrs(ctx, level, "a rule stopped a call", slog.String("request_id", meta.RequestID(ctx)),
		slog.String("rule", rule), slog.String("reason", fault.Code(f.Reason)))
}
