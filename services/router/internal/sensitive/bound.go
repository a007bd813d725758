package sensitive

// maxFinds bounds the finds that are kept of a request, and so the memory that a hostile one takes: beyond it they are
// only counted, and redaction takes out whole texts.
const maxFinds = 100_000

// note keeps a hit, or counts it where there are too many.
func (x *text) note(h hit) {
	if len(x.hits) < maxFinds {
		x.hits = append(x.hits, h)
		return
	}
	x.spare(h.kind)
}

// spare counts what isn't kept.
func (x *text) spare(k kind) {
	if x.spared == nil {
		x.spared = make([]int, len(x.s.names))
	}
	x.spared[k]++
}

// note keeps a find, or counts it where there are too many.
func (w *walk) note(f find) {
	if len(w.finds) < maxFinds {
		w.finds = append(w.finds, f)
		return
	}
	w.text.spare(f.kind)
}

// adopt takes over what a walk over a text within this one has counted only.
func (w *walk) adopt(within *walk) {
	for k, n := range within.text.spared {
		if n > 0 {
			w.text.spare(kind(k))
		}
	}
}

// whole puts a mark in place of every text and number of a body that would be looked into, whatever it holds. It keeps
// no list of them.
func (s *Scanner) whole(body []byte, k kind) []byte {
	w := s.walk()
	defer w.release()
	mark := s.mark(find{kind: k})
	var out []byte
	last := 0
	w.replace = func(at, end int, quotes bool) {
		out = append(out, body[last:at]...)
		if last = end; quotes {
			out = append(append(append(out, '"'), mark...), '"')
			return
		}
		out = append(out, mark...)
	}
	w.document(&view{data: body}, 0, place{})
	return append(out, body[last:]...)
}

// has looks into a member's name after all: most are the request's own, which has to stay one.
func (d *doc) has(at, end int, p place) bool {
	replace := d.replace
	d.replace = nil
	d.leafText(at, end, place{depth: p.depth, free: true})
	found := len(d.finds) > 0
	d.finds, d.replace = d.finds[:0], replace
	return found
}

// first is the wanted detector that comes first of those that found something.
func (r *Report) first(wanted []bool) (kind, bool) {
	for k, name := range r.scanner.names {
		if wanted[k] && r.Detected[name] > 0 {
			return kind(k), true
		}
	}
	return 0, false
}
