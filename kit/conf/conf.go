// Package conf reads a YAML file into structs, strictly: an unknown or misspelt field, a duplicate key or a value of
// the wrong type is an error with its line, and all of them are reported together. Values may refer to the environment
// as ${NAME} or ${NAME:-default}; what a variable holds is never read as YAML, and never quoted in an error.
//
// A field is named by its `yaml` tag, or else by its own name in snake case; `yaml:",inline"` takes in the fields of an
// embedded struct, `yaml:"-"` leaves one out. What the document doesn't mention keeps the value it had before, so
// defaults are set first; elements of maps and lists get theirs from a SetDefaults method. A scalar is read by
// encoding.TextUnmarshaler where the type has it.
package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Lookup returns the value of an environment variable; false where it isn't set.
type Lookup func(name string) (string, bool)

// Document is a parsed file, not yet decoded. It isn't safe for concurrent use.
type Document struct {
	name   string
	root   *yaml.Node
	lookup Lookup
	lines  map[string]int
	// from names where values come from that don't stand in the document.
	from map[string]string
}

// Read parses YAML; name is the file's, for errors. A nil lookup knows no variables.
func Read(name string, data []byte, lookup func(string) (string, bool)) (*Document, error) {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	d := &Document{name: name, lookup: lookup, lines: make(map[string]int)}
	root, err := single(data)
	if err != nil {
		return d, d.syntax(data, err)
	}
	d.root = root
	return d, nil
}

// errSeveral is what a file with "---" between documents gets.
var errSeveral = errors.New("holds more than one document")

// single parses the one document of a file; nil where there is none.
func single(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var root, more yaml.Node
	if err := loader.Load(&root); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	switch err := loader.Load(&more); {
	case err == nil:
		return nil, errSeveral
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return content(&root), nil
}

// content is the value inside a document node, nil where the document is empty.
func content(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.DocumentNode {
		if len(n.Content) == 0 {
			return nil
		}
		n = n.Content[0]
	}
	if n == nil || n.Kind == 0 {
		return nil
	}
	return n
}

// Decode fills the struct that into points to and returns [Problems] or nil. What is right in the document is filled in
// even where something else is wrong.
func (d *Document) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("decoding %s: into a %T, want a pointer", d.name, into)
	}
	if d.root == nil {
		return nil
	}
	dec := &decoder{doc: d, budget: maxNodes}
	dec.value(d.root, v.Elem(), "", 0)
	return dec.problems.orNil()
}

// Line returns the line on which a path such as "models.assistant.targets[0]" stands, or that of its nearest parent
// that stands anywhere; 0 where none does. It knows the paths that Decode has seen.
func (d *Document) Line(path string) int {
	for {
		if line, ok := d.lines[path]; ok {
			return line
		}
		if path == "" {
			return 0
		}
		path = parent(path)
	}
}

// From says that the value at path, and what is below it, comes from somewhere else, such as an environment variable:
// [Document.Locate] names that instead of the file.
func (d *Document) From(path, source string) {
	if d.from == nil {
		d.from = make(map[string]string)
	}
	d.from[path] = source
}

// source is where the value at a path comes from; empty for the document.
func (d *Document) source(path string) string {
	for ; path != ""; path = parent(path) {
		if source := d.from[path]; source != "" {
			return source
		}
	}
	return ""
}

// Parse reads data into a struct: [Read], [Document.Decode], and, where the struct has a Validate method, its errors
// with their lines.
func Parse(name string, data []byte, into any, lookup func(string) (string, bool)) error {
	d, err := Read(name, data, lookup)
	if err != nil {
		return err
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if v, ok := into.(interface{ Validate() error }); ok {
		return d.Locate(v.Validate())
	}
	return nil
}

// Load is [Parse] of a file, with the environment of the process. Where the file doesn't exist the error is
// fs.ErrNotExist.
func Load(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, data, into, os.LookupEnv)
}

// syntax is the error for text that isn't YAML.
func (d *Document) syntax(data []byte, err error) error {
	p := Problem{File: d.name, Text: "isn't valid YAML"}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		p.Line = min(le.Mark.Line, lineCount(data))
		p.Text = "isn't valid YAML: " + le.Message
	}
	if errors.Is(err, errSeveral) {
		p.Text = err.Error()
	}
	return Problems{p}
}

func lineCount(data []byte) int {
	n := 1
	for _, b := range data {
		if b == '\n' {
			n++
		}
	}
	return n
}
