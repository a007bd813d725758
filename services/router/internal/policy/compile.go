package policy

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/headgate-mesh/headgate/kit/conf"
)

const (
	// maxCondition bounds a condition in characters, maxNesting loops within loops.
	maxCondition = 4096
	maxNesting   = 2
	// maxCost bounds what a condition may cost at worst, in CEL's units: one for each operation, and one for each ten bytes
	// of text. A unit takes about 100 ns. It is checked when the rules are loaded, by the bounds of the variables, so that
	// no request pays for counting.
	maxCost = 20_000
)

// compiler turns conditions into programs.
type compiler struct {
	env   *cel.Env
	names Names
}

func newCompiler(names Names) (*compiler, error) {
	options := []cel.EnvOption{
		cel.ClearMacros(), cel.Macros(macros()...), // before the libraries, which bring their own
		ext.Strings(), ext.Sets(), ext.Lists(), ext.Math(),
		cel.CrossTypeNumericComparisons(true), // complexity >= 1 is what people write
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxCondition),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateComprehensionNestingLimit(maxNesting),
		),
	}
	for _, v := range variables {
		options = append(options, cel.Variable(v.name, v.kind))
	}
	for name, label := range labels {
		options = append(options, cel.Constant(name, cel.IntType, types.Int(label)))
	}
	env, err := cel.NewEnv(options...)
	return &compiler{env: env, names: names}, err
}

// macros are the standard ones, with a has that tells what tags are really there: reading one that isn't gives a value.
func macros() []cel.Macro {
	list := make([]cel.Macro, 0, len(cel.StandardMacros))
	for _, m := range cel.StandardMacros {
		if m.Function() != operators.Has {
			list = append(list, m)
		}
	}
	return append(list, cel.GlobalMacro(operators.Has, 1, expandHas))
}

func expandHas(h cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if arg := args[0]; arg.Kind() == ast.SelectKind {
		if s := arg.AsSelect(); s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == "tags" {
			return h.NewCall(operators.In, h.NewLiteral(types.String(s.FieldName())), s.Operand()), nil
		}
	}
	return nil, h.NewError(args[0].ID(), "has() is for tags, such as has(tags.team)")
}

// compile returns nil for a condition that can't be used, and says why.
func (c *compiler) compile(p *conf.Findings, index int, r *Rule) (cel.Program, Needs) {
	path := pathOf(index, "when")
	if r.When == "" {
		p.Add(path, "rule %q: a condition is required; true holds for every request", r.Name)
		return nil, Needs{}
	}
	tree, issues := c.env.Compile(r.When)
	if issues.Err() != nil {
		for _, text := range c.explain(r.When, issues) {
			p.Add(path, "rule %q: %s", r.Name, text)
		}
		return nil, Needs{}
	}
	if tree.OutputType() != cel.BoolType {
		p.Add(path, "rule %q: must be true or false, and is of type %s; compare it with something", r.Name, tree.OutputType())
		return nil, Needs{}
	}
	for _, text := range c.misspelt(tree.NativeRep()) {
		p.Add(path, "rule %q: %s", r.Name, text)
	}
	program, err := c.program(tree)
	if err != nil {
		p.Add(path, "rule %q: %s", r.Name, err)
	}
	return program, needsOf(tree.NativeRep())
}

func (c *compiler) program(tree *cel.Ast) (cel.Program, error) {
	worst, err := c.env.EstimateCost(tree, sizes{})
	switch {
	case err != nil:
		return nil, err
	case worst.Max > maxCost:
		return nil, errCostly
	}
	return c.env.Program(tree, cel.EvalOptions(cel.OptOptimize))
}

// sizes tells how large the variables are.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	i, ok := places[path[0]]
	if !ok {
		return nil
	}
	v := variables[i]
	each := cost.RangedSizeEstimate(0, v.each)
	if len(path) > 1 {
		return &each
	}
	size := cost.RangedSizeEstimate(0, v.size)
	if v.each > 0 {
		size.Key, size.Elem = &each, &each
	}
	return &size
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
