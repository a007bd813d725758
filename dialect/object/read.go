// Package object reads and writes the JSON objects of the vendors' dialects so that no member is ever lost: a [Reader]
// hands out the members that a codec understands and keeps all others for the extensions of headgate.llm.v1, a [Writer]
// writes what is set, [Patch] puts the extensions back. [Diff] finds what a codec's own writing of an object lacks.
//
// Extensions are a map from a member's path to its JSON text. A path is the names from the outside in, joined by dots;
// the elements of arrays are named by their number. A dot or a backslash within a name has a backslash before it, the
// empty name is \0. The empty text says that the member is absent.
package object

import (
	"strconv"
	"strings"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// maxDepth bounds nesting: what is read here was checked before.
const maxDepth = 1000

type member struct {
	name  []byte
	value []byte
	taken bool
}

// Reader hands out the members of one object. A member is taken only where the Writer's function of the same name would
// write it again with the same value; all others are left. A nil Reader is an object without members. It belongs to one
// goroutine, and what it hands out aliases the data it was made from.
type Reader struct {
	members []member
	// places are the members' by name, once there are many.
	places map[string]int
	subs   []*Reader
	prefix string
}

// many is how many members are looked through one by one: beyond, a client's odd object would cost the square of its size.
const many = 24

// Read returns a reader of the object that data holds; ok is false where it holds none. Data is valid JSON.
func Read(data []byte) (r *Reader, ok bool) {
	r = &Reader{}
	return r, r.fill(data)
}

func (r *Reader) fill(data []byte) bool {
	if rawjson.Kind(data) != 'o' {
		return false
	}
	r.members = make([]member, 0, 8)
	return rawjson.Object(data, maxDepth, func(m rawjson.Member) bool {
		if old := r.find(string(m.Name)); old != nil { // as everywhere, the last one counts
			old.value = m.Value
		} else {
			r.add(member{name: m.Name, value: m.Value})
		}
		return true
	}) == nil
}

func (r *Reader) add(m member) {
	r.members = append(r.members, m)
	switch {
	case r.places != nil:
		r.places[string(m.name)] = len(r.members) - 1
	case len(r.members) > many:
		r.places = make(map[string]int, 4*many)
		for i := range r.members {
			r.places[string(r.members[i].name)] = i
		}
	}
}

func (r *Reader) find(name string) *member {
	if r == nil {
		return nil
	}
	if r.places != nil {
		if i, ok := r.places[name]; ok {
			return &r.members[i]
		}
		return nil
	}
	for i := range r.members {
		if string(r.members[i].name) == name {
			return &r.members[i]
		}
	}
	return nil
}

// Has reports whether the object has a member of this name, null included.
func (r *Reader) Has(name string) bool { return r.find(name) != nil }

// Peek returns a member's value without taking it; nil where there is none.
func (r *Reader) Peek(name string) []byte {
	if m := r.find(name); m != nil {
		return m.value
	}
	return nil
}

// Take takes a member where accept says so.
func (r *Reader) Take(name string, accept func(value []byte) bool) bool {
	m := r.find(name)
	if m == nil || m.taken || !accept(m.value) {
		return false
	}
	m.taken = true
	return true
}

// Text takes a string that isn't empty.
func (r *Reader) Text(name string) string {
	var text string
	r.Take(name, func(value []byte) bool {
		t, ok := rawjson.Unquote(value)
		text = string(t)
		return ok && text != ""
	})
	return text
}

// Word takes the string where it is this one.
func (r *Reader) Word(name, word string) bool {
	return r.Take(name, func(value []byte) bool {
		t, ok := rawjson.Unquote(value)
		return ok && string(t) == word
	})
}

// Int takes a whole number.
func (r *Reader) Int(name string) *int64 {
	var n int64
	if !r.Take(name, func(value []byte) (ok bool) { n, ok = rawjson.Int(value); return ok }) {
		return nil
	}
	return &n
}

// Int32 takes a whole number of 32 bits.
func (r *Reader) Int32(name string) *int32 {
	var n int32
	if !r.Take(name, func(value []byte) bool {
		wide, ok := rawjson.Int(value)
		n = int32(wide) //nolint:gosec // compared below
		return ok && int64(n) == wide
	}) {
		return nil
	}
	return &n
}

// Float takes a number that a float64 can hold.
func (r *Reader) Float(name string) *float64 {
	var x float64
	if !r.Take(name, func(value []byte) (ok bool) { x, ok = Float(value); return ok }) {
		return nil
	}
	return &x
}

// Float reads a number; ok is false where a float64 would change it.
func Float(value []byte) (x float64, ok bool) {
	if rawjson.Kind(value) != '0' {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(value), 64)
	return x, err == nil && sameNumber(value, appendFloat(nil, x))
}

// Bool takes true or false.
func (r *Reader) Bool(name string) *bool {
	var b bool
	if !r.Take(name, func(value []byte) bool {
		b = string(value) == "true"
		return rawjson.Kind(value) == 'b'
	}) {
		return nil
	}
	return &b
}

// True takes true; false is left.
func (r *Reader) True(name string) bool {
	return r.Take(name, func(value []byte) bool { return string(value) == "true" })
}

// JSON takes a value of any kind but null, as its text.
func (r *Reader) JSON(name string) string {
	var text string
	r.Take(name, func(value []byte) bool {
		text = string(value)
		return rawjson.Kind(value) != 'n'
	})
	return text
}

// Texts takes an array of strings that isn't empty.
func (r *Reader) Texts(name string) []string {
	var texts []string
	r.Take(name, func(value []byte) bool {
		all := true
		rawjson.Array(value, func(element []byte) bool {
			t, ok := rawjson.Unquote(element)
			texts, all = append(texts, string(t)), all && ok
			return all
		})
		return all && len(texts) > 0
	})
	return texts
}

// Elements takes an array that isn't empty, and returns the texts of its elements.
func (r *Reader) Elements(name string) [][]byte {
	var elements [][]byte
	r.Take(name, func(value []byte) bool {
		elements = Elements(value)
		return len(elements) > 0
	})
	return elements
}

// Elements returns the texts of an array's elements; nil where value is no array.
func Elements(value []byte) [][]byte {
	var elements [][]byte
	rawjson.Array(value, func(element []byte) bool {
		elements = append(elements, element)
		return true
	})
	return elements
}

// Sub takes an object that isn't empty, and returns a reader of it: what is left of it, the outer reader's Left names
// by path. It returns nil where there is no such object.
func (r *Reader) Sub(name string) *Reader {
	sub := &Reader{}
	if !r.Take(name, func(value []byte) bool { return sub.fill(value) && len(sub.members) > 0 }) {
		return nil
	}
	sub.prefix = r.prefix + escape(name) + "."
	r.subs = append(r.subs, sub)
	return sub
}

// Left returns the members that nobody took, as extensions; nil where all were taken.
func (r *Reader) Left() map[string]string {
	var left map[string]string
	r.leave(&left)
	return left
}

func (r *Reader) leave(left *map[string]string) {
	if r == nil {
		return
	}
	for _, m := range r.members {
		if m.taken {
			continue
		}
		if *left == nil {
			*left = make(map[string]string)
		}
		(*left)[r.prefix+escape(string(m.name))] = string(m.value)
	}
	for _, sub := range r.subs {
		sub.leave(left)
	}
}

var escapes = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// escape makes a member's name an element of a path.
func escape(name string) string {
	if name == "" {
		return `\0`
	}
	return escapes.Replace(name)
}
