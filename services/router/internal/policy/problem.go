package policy

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// errCostly refuses a condition that might hold up requests.
var errCostly = errors.New("might take too long: it loops over too much, or joins texts in loops; make it simpler")

// maxProblems bounds what is said of one condition: the first mistake is often the cause of the others.
const maxProblems = 3

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	overload   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	expecting  = regexp.MustCompile(`(?s) expecting (?:\{.*\}|<EOF>)`)
	foreign    = regexp.MustCompile(`(?:at:|input) '(=|and|or|not|&|\|)\s*'`)
)

// inCEL is how other languages' operators are written.
var inCEL = map[string]string{"=": "==", "and": "&&", "or": "||", "not": "!", "&": "&&", "|": "||"}

// explain puts what CEL found wrong with a condition into words for whoever wrote it.
func (c *compiler) explain(text string, issues *cel.Issues) (problems []string) {
	for _, e := range issues.Errors() {
		if len(problems) < maxProblems {
			problems = append(problems, c.inWords(text, e))
		}
	}
	return problems
}

func (c *compiler) inWords(text string, e *cel.Error) string {
	at := position(e.Location)
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		if called(text, m[1], e.Location) {
			return "unknown function " + strconv.Quote(m[1]) + ", " + at + guess(m[1], c.functions())
		}
		return "unknown name " + strconv.Quote(m[1]) + ", " + at + advice(m[1], knownNames())
	}
	if m := overload.FindStringSubmatch(e.Message); m != nil {
		return mismatch(m[1], m[2]) + ", " + at + compareLabels(text, m[2])
	}
	if m := foreign.FindStringSubmatch(e.Message); m != nil {
		return m[1] + " isn't an operator, " + at + "; write " + inCEL[m[1]]
	}
	return expecting.ReplaceAllString(e.Message, "") + ", " + at
}

// position is where something stands: "column 1", and the line where there are several.
func position(l common.Location) string {
	column := "column " + strconv.Itoa(l.Column()+1)
	if l.Line() > 1 {
		return "line " + strconv.Itoa(l.Line()) + ", " + column
	}
	return column
}

// called reports whether a name is that of a function: CEL reports those at their opening parenthesis.
func called(text, name string, l common.Location) bool {
	lines := strings.Split(text, "\n")
	if l.Line() < 1 || l.Line() > len(lines) {
		return false
	}
	line := []rune(lines[l.Line()-1])
	at := min(l.Column(), len(line))
	return strings.HasPrefix(string(line[at:]), "(") && strings.HasSuffix(string(line[:at]), name)
}

// mismatch says that a function or an operator, which CEL calls _==_ or @in, doesn't take its arguments.
func mismatch(function, arguments string) string {
	if operator := strings.TrimSpace(strings.NewReplacer("_", " ", "@", "").Replace(function)); strings.ContainsAny(function, "_@") {
		return operator + " doesn't take " + arguments
	}
	return function + "() doesn't take " + arguments
}

func compareLabels(text, arguments string) string {
	if strings.Contains(text, "sensitivity") && strings.Contains(arguments, "int, string") {
		return "; sensitivity compares with NONE, LOW, MEDIUM and HIGH, without quotes"
	}
	return ""
}

// knownNames are the names of variables and constants, in order.
func knownNames() []string {
	names := slices.Collect(maps.Keys(places))
	names = append(names, slices.Collect(maps.Keys(labels))...)
	slices.Sort(names)
	return names
}

// functions are the names of all functions that can be written.
func (c *compiler) functions() []string {
	var names []string
	for name := range c.env.Functions() {
		if !strings.ContainsAny(name, "_@!-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// guess is advice without the list.
func guess(name string, known []string) string {
	if best := conf.Nearest(name, known); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// causes are the beginnings of CEL's own errors that say what happened.
var causes = []string{
	"division by zero", "modulus by zero", "integer overflow", "unsigned integer overflow", "timestamp overflow", "duration overflow",
	"no such overload", "no such key", "no such attribute", "index out of bounds", "type conversion error", "strconv.", "error parsing regexp",
}

// masked is an error of an evaluation without what comes after those, which may be a client's value.
func masked(err error) error {
	for _, cause := range causes {
		if strings.Contains(err.Error(), cause) {
			return errors.New("evaluation: " + strings.TrimSuffix(cause, "."))
		}
	}
	return errors.New("evaluation failed")
}
