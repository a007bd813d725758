package conf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong in a document.
type Problem struct {
	// File is the name the document was read under, or that of the variable that holds the value.
	File string
	// Line counts from 1; 0 where it isn't known.
	Line int
	// Path is the field, such as "providers.claude.api_key"; "" for the document as a whole.
	Path string
	// Text says what is wrong, without the value.
	Text string
}

// Error gives "headgate.yaml:7: providers.claude.api_kye: unknown field; did you mean api_key?".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	return b.String() + ": " + p.Text
}

// Problems is everything that is wrong in a document, in the order of its lines.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return p
}

// InvalidError is a value that has the right type and can't be used all the same.
type InvalidError struct {
	// Path is the field, relative to the struct that was validated.
	Path string
	// Text says what is wrong with it.
	Text string
}

// Error gives the path and the text.
func (e *InvalidError) Error() string {
	if e.Path == "" {
		return e.Text
	}
	return e.Path + ": " + e.Text
}

// Invalid returns an *InvalidError. A Validate method joins as many as it finds with errors.Join.
func Invalid(path, format string, args ...any) error {
	return &InvalidError{Path: path, Text: fmt.Sprintf(format, args...)}
}

// Under puts a prefix before the path of every error that a nested Validate method returned; nil stays nil.
func Under(prefix string, err error) error {
	var all []error
	for e := range leaves(err) {
		all = append(all, &InvalidError{Path: Join(prefix, e.Path), Text: e.Text})
	}
	return errors.Join(all...)
}

// Join puts two paths together; either may be empty, and an index needs no dot: Join("targets", "[0]").
func Join(parent, child string) string {
	if parent == "" || child == "" || child[0] == '[' {
		return parent + child
	}
	return parent + "." + child
}

// Locate turns the error of a Validate method into [Problems] with file and line, or with what [Document.From] says; nil
// stays nil.
func (d *Document) Locate(err error) error {
	var all Problems
	for e := range leaves(err) {
		problem := Problem{File: d.name, Line: d.Line(e.Path), Path: e.Path, Text: e.Text}
		if source := d.source(e.Path); source != "" {
			problem = Problem{File: source, Text: e.Text}
		}
		if !slices.Contains(all, problem) { // one variable may fill several fields
			all = append(all, problem)
		}
	}
	return all.orNil()
}

// leaves yields every single error within joined ones; one that has no path gets an empty one.
func leaves(err error) func(yield func(*InvalidError) bool) {
	return func(yield func(*InvalidError) bool) { _ = walk(err, yield) }
}

// walk reports whether to go on.
func walk(err error, yield func(*InvalidError) bool) bool {
	if err == nil {
		return true
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only a join itself is taken apart
		for _, e := range joined.Unwrap() {
			if !walk(e, yield) {
				return false
			}
		}
		return true
	}
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return yield(invalid)
	}
	return yield(&InvalidError{Text: err.Error()})
}

// parent cuts the last step off a path.
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}
