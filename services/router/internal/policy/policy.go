// Package policy decides by the operator's rules where a request goes and how: ordered conditions in CEL (the Common
// Expression Language) over what is known of the request, its caller and its content. Conditions are compiled, checked
// for types and bounded in cost when they are loaded. The first rule whose condition holds decides; one that can't be
// evaluated refuses the request, for what it would have said mustn't be guessed.
package policy

import (
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Policy is a list of compiled rules. It doesn't change after Compile and is safe for concurrent use; a nil Policy has no
// rules, and costs nothing.
type Policy struct {
	rules []compiled
	needs Needs
	pool  sync.Pool
}

// compiled is a rule that can be asked.
type compiled struct {
	name    string
	program cel.Program
	then    Decision
	// deny is the message of a rule that refuses; empty for any other.
	deny string
}

// Needs is what the rules look at beyond the cheap facts. It spares the calls that would be made in vain.
type Needs struct {
	// Sensitivity is whether a condition mentions sensitivity or detected, Complexity whether one mentions complexity.
	Sensitivity, Complexity bool
	// Shape is whether a condition mentions tools, messages or media.
	Shape bool
	// Redact is whether a rule replaces what detectors find.
	Redact bool
}

// Decision is what the first matching rule says. Where it is silent the fields are zero.
type Decision struct {
	// Rule is its name, empty where no rule matched; Index is its place in the configuration, -1 where none did.
	Rule  string
	Index int
	// Model replaces the request's.
	Model string
	// RequireTrust is the least trust of a target that may answer.
	RequireTrust llmv1.Sensitivity
	// Timeouts go before those of the model.
	Timeouts Timeouts
	// Cache and CacheTTL go before the model's setting.
	Cache    steer.Cache
	CacheTTL time.Duration
	// Redact names the detectors whose findings are replaced before the text leaves; "all" alone stands for every one.
	// Nobody changes it.
	Redact []string
	// Priority is interactive or batch.
	Priority string
	// Tried is what each rule said that was asked, in order; only Explain fills it in.
	Tried []Outcome
}

// Outcome is what one rule said.
type Outcome struct {
	Name    string
	Matched bool
}

// Compile checks the rules and compiles them. The error is what [conf.Findings] collects, with paths such as
// rules[0].when, and has everything that is wrong: rule, column and known names.
func Compile(rules []Rule, names Names) (*Policy, error) {
	var problems conf.Findings
	p := &Policy{rules: make([]compiled, 0, len(rules))}
	p.pool.New = func() any { return new(activation) }
	if len(rules) == 0 {
		return p, nil
	}
	c, err := newCompiler(names)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(rules))
	for i := range rules {
		rule := &rules[i]
		rule.check(&problems, i, names, seen)
		program, needs := c.compile(&problems, i, rule)
		p.rules = append(p.rules, compiled{name: rule.Name, program: program, then: rule.decision(i), deny: rule.Deny})
		needs.Redact = len(rule.Redact) > 0
		p.needs = p.needs.or(needs)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

func (n Needs) or(m Needs) Needs {
	return Needs{
		Sensitivity: n.Sensitivity || m.Sensitivity, Complexity: n.Complexity || m.Complexity,
		Shape: n.Shape || m.Shape, Redact: n.Redact || m.Redact,
	}
}

// Needs tells what the rules look at.
func (p *Policy) Needs() Needs {
	if p == nil {
		return Needs{}
	}
	return p.needs
}

// None reports whether there are no rules: then no fact is worth getting.
func (p *Policy) None() bool { return p == nil || len(p.rules) == 0 }

// Decide asks the rules in order; the first that matches decides. Where none does, the Decision's Index is -1 and it says
// nothing. Errors are REFUSED_BY_RULE with the operator's message, and RULE_FAILED where a condition can't be evaluated,
// both with metadata rule; or what the facts' own functions returned, as it is.
func (p *Policy) Decide(f Facts) (Decision, error) {
	if p.None() {
		return Decision{Index: -1}, nil
	}
	return p.ask(f, nil)
}

// Explain is Decide that also tells what each rule said. The Decision is filled in as far as it goes beside an error, too.
func (p *Policy) Explain(f Facts) (Decision, error) {
	if p.None() {
		return Decision{Index: -1}, nil
	}
	var tried []Outcome
	d, err := p.ask(f, &tried)
	d.Tried = tried
	return d, err
}

func (p *Policy) ask(f Facts, tried *[]Outcome) (Decision, error) {
	a := p.pool.Get().(*activation) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	a.facts = f
	defer func() {
		*a = activation{}
		p.pool.Put(a)
	}()
	for i := range p.rules {
		r := &p.rules[i]
		matched, err := r.matches(a)
		if tried != nil {
			*tried = append(*tried, Outcome{Name: r.name, Matched: matched})
		}
		if err != nil {
			return Decision{Index: -1}, err
		}
		if matched {
			return r.then, r.refusal()
		}
	}
	return Decision{Index: -1}, nil
}

// matches evaluates the condition. CEL lets `x || true` be true whatever is wrong with x; a fact that couldn't be got is
// an error all the same.
func (r *compiled) matches(a *activation) (bool, error) {
	value, _, err := r.program.Eval(a)
	switch {
	case a.err != nil:
		return false, a.err
	case err != nil:
		return false, r.failed(err)
	}
	return value == types.True, nil
}

func (r *compiled) failed(err error) error {
	return fault.New(errorsv1.Reason_REASON_RULE_FAILED,
		"a rule of this gateway couldn't be evaluated, so the request was sent nowhere; its operator has to mend the rule").
		With("rule", r.name).Because(masked(err))
}

func (r *compiled) refusal() error {
	if r.deny == "" {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_REFUSED_BY_RULE, "%s", strings.TrimSpace(r.deny)).With("rule", r.name)
}
