package policy

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// needsOf tells what a checked condition looks at.
func needsOf(tree *ast.AST) Needs {
	var n Needs
	for _, r := range tree.ReferenceMap() {
		switch r.Name {
		case "sensitivity", "detected":
			n.Sensitivity = true
		case "complexity":
			n.Complexity = true
		case "tools", "messages", "media":
			n.Shape = true
		}
	}
	return n
}

// misspelt finds words that a variable never has: `"crad" in detected` would let every card number pass.
func (c *compiler) misspelt(tree *ast.AST) (problems []string) {
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		if args := call.Args(); len(args) == 2 && slices.Contains(comparisons, call.FunctionName()) {
			problems = append(problems, c.compared(tree, args[0], args[1])...)
			problems = append(problems, c.compared(tree, args[1], args[0])...)
		}
	}))
	return problems
}

// comparisons are the functions of two sides of which one may be a variable and the other some of its words.
var comparisons = []string{
	operators.Equals, operators.NotEquals, operators.In, "sets.contains", "sets.intersects", "sets.equivalent",
}

func (c *compiler) compared(tree *ast.AST, side, other ast.Expr) (problems []string) {
	if side.Kind() != ast.IdentKind {
		return nil
	}
	name, words := side.AsIdent(), c.words(side.AsIdent())
	if words == nil {
		return nil
	}
	for _, literal := range literals(other) {
		word, ok := literal.AsLiteral().(types.String)
		if ok && !slices.Contains(words, string(word)) {
			problems = append(problems, fmt.Sprintf("%s is never %q, %s%s",
				name, string(word), position(tree.SourceInfo().GetStartLocation(literal.ID())), advice(string(word), shown(words))))
		}
	}
	return problems
}

// words are all values that a variable, or an element of it, can have; nil where it can have any.
func (c *compiler) words(name string) []string {
	if name == "detected" {
		return c.names.Detectors
	}
	if i, ok := places[name]; ok {
		return variables[i].words
	}
	return nil
}

func literals(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.LiteralKind:
		return []ast.Expr{e}
	case ast.ListKind:
		return slices.DeleteFunc(slices.Clone(e.AsList().Elements()), func(e ast.Expr) bool { return e.Kind() != ast.LiteralKind })
	}
	return nil
}

func shown(words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
}
