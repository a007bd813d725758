package sim

import (
	"encoding/json"
	"slices"
)

// object is a JSON object, its members still raw.
type object = map[string]json.RawMessage

// reader takes values out of one object of a request and remembers the first thing that is wrong with them. A null
// counts as absent.
type reader struct {
	v   vendor
	at  string // path of the object, empty for the body
	in  object
	bad *problem
}

// path spells a member's place in the request.
func (r *reader) path(name string) string {
	if r.at == "" {
		return name
	}
	return r.at + "." + name
}

// fail keeps the first problem.
func (r *reader) fail(p problem) {
	if r.bad == nil {
		r.bad = &p
	}
}

// has tells whether the member is there and isn't null.
func (r *reader) has(name string) bool {
	raw, ok := r.in[name]
	return ok && kind(raw) != "null"
}

// need fails when the member is absent.
func (r *reader) need(name string) {
	if !r.has(name) {
		r.fail(r.v.missing(r.path(name)))
	}
}

// take decodes a member if it is there; wanted names the type in the failure.
func (r *reader) take(name, wanted string, into any) bool {
	if !r.has(name) {
		return false
	}
	if json.Unmarshal(r.in[name], into) != nil {
		r.fail(r.v.wrongType(r.path(name), wanted, kind(r.in[name])))
		return false
	}
	return true
}

// text is a string member, empty when absent.
func (r *reader) text(name string) (s string) {
	r.take(name, "a string", &s)
	return s
}

// truth is a boolean member, or the default when absent.
func (r *reader) truth(name string, otherwise bool) bool {
	r.take(name, "a boolean", &otherwise)
	return otherwise
}

// whole is an integer member within bounds, or the default when absent.
func (r *reader) whole(name string, lo, hi, otherwise int) int {
	n := otherwise
	if r.take(name, "an integer", &n) {
		r.bounds(name, "integer", float64(n), float64(lo), float64(hi))
	}
	return n
}

// decimal is a number member within bounds, or the default when absent.
func (r *reader) decimal(name string, lo, hi, otherwise float64) float64 {
	f := otherwise
	if r.take(name, "a decimal", &f) {
		r.bounds(name, "decimal", f, lo, hi)
	}
	return f
}

func (r *reader) bounds(name, sort string, got, lo, hi float64) {
	if got < lo || got > hi {
		r.fail(r.v.outOfRange(r.path(name), sort, got, lo, hi))
	}
}

// list is an array member, its elements raw.
func (r *reader) list(name string) (l []json.RawMessage) {
	r.take(name, "an array", &l)
	return l
}

// inner reads an object member; absent gives an empty one.
func (r *reader) inner(name string) *reader {
	o := object{}
	r.take(name, "an object", &o)
	return &reader{v: r.v, at: r.path(name), in: o}
}

// element reads an array's i-th element, an object.
func (r *reader) element(name string, i int, raw json.RawMessage) *reader {
	e := &reader{v: r.v, at: r.v.path(r.path(name), i)}
	if json.Unmarshal(raw, &e.in) != nil || e.in == nil {
		e.fail(r.v.wrongType(e.at, "an object", kind(raw)))
	}
	return e
}

// merge takes over what an inner reader found wrong.
func (r *reader) merge(inner *reader) {
	if inner.bad != nil {
		r.fail(*inner.bad)
	}
}

// only fails on a member that the vendor doesn't know.
func (r *reader) only(known map[string]bool) {
	var odd []string
	for name := range r.in {
		if !known[name] {
			odd = append(odd, name)
		}
	}
	if len(odd) > 0 {
		r.fail(r.v.unknown(r.path(slices.Min(odd))))
	}
}

// choice is a string member that must be one of a few.
func (r *reader) choice(name string, allowed ...string) string {
	s := r.text(name)
	if r.has(name) && !slices.Contains(allowed, s) {
		r.fail(r.v.notOneOf(r.path(name), s, allowed))
	}
	return s
}
