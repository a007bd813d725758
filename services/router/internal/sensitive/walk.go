package sensitive

import (
	"bytes"
	"sync"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

const (
	// maxNested is how many JSON texts within JSON strings are taken apart; what is deeper is looked into as text.
	maxNested = 6
	// maxKept bounds the room for escapes that is kept for the next request, in bytes.
	maxKept = 1 << 20
)

// Body looks into the body of a chat or an embeddings request of either dialect. Every string and number is looked into,
// and the names of members, but for what no person wrote: pictures and sound in base64, seals of the provider, ids, names
// of models and the numbers that steer a model. The error is a *rawjson.SyntaxError or rawjson.ErrTooDeep; the label is
// high then, since what can't be read may hold anything.
func (s *Scanner) Body(body []byte) (Report, error) {
	if err := rawjson.Check(body, dialect.MaxDepth); err != nil {
		return Report{Label: llmv1.Sensitivity_SENSITIVITY_HIGH, scanner: s, size: len(body)}, err
	}
	w := s.walk()
	defer w.release()
	w.document(&view{data: body}, 0, place{})
	return s.report(w, len(body)), nil
}

// walk goes over a source and collects finds in it.
type walk struct {
	text  text
	finds []find
	rooms [maxNested + 1]room
	// bare says that the source is a text itself, so that JSON in it stands in no JSON string.
	bare bool
	// replace is told of each text instead, where none is looked into: from where to where it stands, and whether it is a
	// number, which takes quotes.
	replace func(at, end int, quotes bool)
	// names is room for what members are called.
	names []byte
}

// room is space for the texts of one level of nesting.
type room struct {
	decoded, folded           view
	decodedBytes, foldedBytes []byte
	decodedSteps, foldedSteps []step
}

var walks = sync.Pool{New: func() any { return new(walk) }}

func (s *Scanner) walk() *walk {
	w, _ := walks.Get().(*walk)
	w.text.s, w.text.spared, w.finds, w.bare, w.replace = s, nil, w.finds[:0], false, nil
	return w
}

func (w *walk) found() []find {
	if len(w.finds) == 0 {
		return nil
	}
	return append([]find(nil), w.finds...)
}

// release gives the walk back, without what it looked into, and without room that only a huge request needs.
func (w *walk) release() {
	w.text.s, w.text.t, w.text.key, w.text.spared, w.replace = nil, nil, nil, nil, nil
	for i := range w.rooms {
		r := &w.rooms[i]
		if cap(r.decodedBytes)+cap(r.foldedBytes)+16*(cap(r.decodedSteps)+cap(r.foldedSteps)) > maxKept {
			*r = room{}
		}
		r.decoded, r.folded = view{}, view{}
	}
	walks.Put(w)
}

// place is where a value stands in a document.
type place struct {
	// key is the member it is the value of, parent the one around that, sibling a short string that came before it in
	// the same object: {"name": "ssn", "value": "..."}.
	key, parent, sibling []byte
	// depth counts objects around it.
	depth int
	// free says that it is the user's own data, where no member has a known meaning.
	free bool
}

// document looks into a text that is a JSON value, nested in depth JSON strings.
func (w *walk) document(v *view, depth int, p place) {
	d := doc{walk: w, v: v, nested: depth}
	d.value(p)
}

// doc walks over one JSON text, which was checked.
type doc struct {
	*walk

	v      *view
	at     int
	nested int
}

func (d *doc) next() byte {
	for d.at < len(d.v.data) {
		switch b := d.v.data[d.at]; b {
		case ' ', '\t', '\n', '\r', ',', ':':
			d.at++
		default:
			return b
		}
	}
	return 0
}

func (d *doc) value(p place) {
	switch b := d.next(); b {
	case '{':
		d.object(p)
	case '[':
		d.at++
		for b := d.next(); b != ']' && b != 0; b = d.next() {
			d.value(p)
		}
		d.at++
	case '"':
		at, end := d.string()
		d.leaf(at, end, p)
	case 't', 'n':
		d.at += len("true")
	case 'f':
		d.at += len("false")
	default:
		d.number(p)
	}
}

func (d *doc) object(p place) {
	d.at++
	within := place{parent: p.key, depth: p.depth + 1, free: p.free || p.depth > 0 && !structural[string(p.key)]}
	for b := d.next(); b == '"'; b = d.next() {
		at, end := d.string()
		within.key = d.v.data[at:end]
		d.name(at, end, within)
		if d.next() == '"' {
			within.sibling = d.member(within)
			continue
		}
		d.value(within)
	}
	d.at++
}

// member looks into a string, and returns it where it may say what the next one is.
func (d *doc) member(p place) []byte {
	at, end := d.string()
	d.leaf(at, end, p)
	if end-at > 32 {
		return nil
	}
	return d.v.data[at:end]
}

// string steps over the string at hand and returns what is between its quotes.
func (d *doc) string() (from, end int) {
	from = d.at + 1
	data := d.v.data
	for end = from; ; {
		n := bytes.IndexByte(data[end:], '"')
		if n < 0 {
			d.at = len(data)
			return from, len(data)
		}
		end += n
		slashes := 0
		for end-slashes > from && data[end-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			d.at = end + 1
			return from, end
		}
		end++
	}
}

// name looks into a member's name, unless it is a plain word.
func (d *doc) name(at, end int, p place) {
	plain := len(d.text.s.names) == int(ownFrom)
	for _, b := range d.v.data[at:end] {
		plain = plain && classes[b]&(isLetter|isUnder) != 0
	}
	switch {
	case plain:
	case d.replace != nil:
		if d.has(at, end, p) {
			d.replace(at, end, false)
		}
	default:
		d.leafText(at, end, place{depth: p.depth, free: true})
	}
}

func (d *doc) number(p place) {
	from, digits := d.at, 0
	for d.at < len(d.v.data) && bytes.IndexByte([]byte(" \t\r\n,]}:"), d.v.data[d.at]) < 0 {
		if number(d.v.data[d.at]) {
			digits++
		}
		d.at++
	}
	if digits < 4 || p.depth == 1 && !p.free && steering[string(p.key)] {
		return
	}
	if d.replace != nil {
		d.replace(from, d.at, true)
		return
	}
	text := d.v.data[from:d.at]
	if hits := d.text.scan(text, d.called(p)); len(hits) > 0 {
		d.find(hits[0].kind, from, d.at, true)
		return
	}
	if k, ok := d.numbered(text, p); ok {
		d.find(k, from, d.at, true)
	}
}

// numbered judges a number that its member's name calls a password.
func (d *doc) numbered(text []byte, p place) (kind, bool) {
	d.names = compact(d.names[:0], p.key)
	if secretName(d.names) == passwordName && len(text) >= 4 && d.text.s.on(password) {
		return password, true
	}
	return 0, false
}

func (d *doc) find(k kind, at, end int, quotes bool) {
	depth := d.nested
	if d.bare {
		depth--
	}
	at, end = d.v.source(at, end)
	d.note(find{at: at, end: end, kind: k, quotes: quotes, depth: uint8(depth)})
}

// leaf looks into a string, unless no person wrote it.
func (d *doc) leaf(at, end int, p place) {
	raw := d.v.data[at:end]
	if len(raw) < 4 {
		return
	}
	if !p.free && opaque(raw, p) {
		return
	}
	if d.replace != nil {
		d.replace(at, end, false)
		return
	}
	if payload := media(raw, p); payload >= 0 {
		d.sealed(at, at+payload, end, p)
		return
	}
	d.leafText(at, end, p)
}

// leafText looks into a string: as JSON where it is JSON itself, such as the arguments of a tool, or else as text.
func (d *doc) leafText(at, end int, p place) {
	r := &d.rooms[d.nested]
	r.decodedBytes, r.decodedSteps = decode(&r.decoded, d.v, at, d.v.data[at:end], r.decodedBytes, r.decodedSteps)
	d.plain(&r.decoded, d.nested, p)
}

// plain looks into a text; nested is how many JSON strings the text's own level stands in.
func (w *walk) plain(v *view, nested int, p place) {
	if nested < maxNested && composed(v.data) {
		w.document(v, nested+1, place{key: p.key, sibling: p.sibling, free: true, depth: p.depth + 1})
		return
	}
	r := &w.rooms[nested]
	r.foldedBytes, r.foldedSteps = fold(&r.folded, v, r.foldedBytes, r.foldedSteps)
	for _, h := range w.text.scan(r.folded.data, w.called(p)) {
		at, end := r.folded.source(h.at, h.end)
		w.note(find{at: at, end: end, kind: h.kind})
	}
	w.named(&r.folded, p)
}

// composed reports whether text is a JSON object, array or string itself.
func composed(text []byte) bool {
	for _, b := range text {
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		case '{', '[', '"':
			return rawjson.Check(text, dialect.MaxAnswerDepth) == nil
		}
		return false
	}
	return false
}

// called is what a value is called, as words.
func (w *walk) called(p place) []byte {
	if !p.free && structural[string(p.key)] {
		return nil
	}
	w.names = named(w.names[:0], p.sibling)
	w.names = named(w.names, p.key)
	return w.names
}

// named judges a text as a whole by its member's name: {"password": "..."}, {"name": "DB_PASSWORD", "value": "..."}.
func (w *walk) named(v *view, p place) {
	if !p.free || len(w.text.hits) > 0 || len(v.data) > maxSecret {
		return
	}
	name := p.key
	if string(name) == "value" || string(name) == "default" {
		name = p.sibling
	}
	w.names = compact(w.names[:0], name)
	k, ok := secretValue(secretName(w.names), v.data, true)
	if !ok && keyMaterial[string(name)] && len(v.data) >= 40 && sealedText(v.data) && strong(v.data) {
		k, ok = privateKey, true
	}
	if ok && w.text.s.on(k) {
		at, end := v.source(0, len(v.data))
		w.note(find{at: at, end: end, kind: k})
	}
}

// keyMaterial are the private members of a JSON web key (RFC 7518, section 6).
var keyMaterial = map[string]bool{"d": true, "p": true, "q": true, "dp": true, "dq": true, "qi": true, "k": true}
