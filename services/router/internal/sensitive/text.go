package sensitive

import (
	"bytes"
	"cmp"
	"slices"
)

// hit is a find in folded text.
type hit struct {
	at, end int
	kind    kind
}

// text looks into one folded text. All it does is linear: every look ahead or back is bounded.
type text struct {
	s *Scanner
	t []byte
	// key is what the text is called where it was found: the names of the JSON members it stands in, in small letters.
	key []byte
	// said is what key means for what stands in the text.
	said topics
	hits []hit
	// spared counts, by kind, what was found beyond what is kept; nil where all is.
	spared []int
	// done is the end of what was found last: nothing that begins before is looked at again.
	done int
	// undotted is the end of a run without a dot, in which no JSON web token begins; scheme is where the last :// was seen.
	undotted, scheme int
	// alone is the end of a run of digits that stand one by one, or are spelt out, which was looked at.
	alone int
	// blank is a range that is known to have no word in it.
	blank [2]int
	// near is what was found around a place last.
	near memo
	// c and lower are room to work in.
	c     candidate
	lower []byte
}

const (
	isDigit = 1 << iota
	isUpper
	isLower
	isUnder
	isSign
	isHigh

	isLetter = isUpper | isLower
	isAlnum  = isDigit | isLetter
	isWord   = isAlnum | isUnder
)

// classes tells of each byte whether it is part of a word or calls for a look.
var classes = func() (c [256]uint8) {
	for b := range 256 {
		switch {
		case b >= '0' && b <= '9':
			c[b] = isDigit
		case b >= 'A' && b <= 'Z':
			c[b] = isUpper
		case b >= 'a' && b <= 'z':
			c[b] = isLower
		case b == '_':
			c[b] = isUnder
		case b >= 0x80:
			c[b] = isHigh
		}
	}
	for _, b := range []byte("@:=-+([") {
		c[b] = isSign
	}
	return c
}()

func alnum(b byte) bool  { return classes[b]&isAlnum != 0 }
func number(b byte) bool { return classes[b] == isDigit }

// at returns a byte of the text, 0 beyond its ends.
func (x *text) at(i int) byte {
	if i < 0 || i >= len(x.t) {
		return 0
	}
	return x.t[i]
}

// scan looks into t, which is called key, and returns what the built-in detectors and the operator's own find. The hits
// are valid until the next call.
func (x *text) scan(t, key []byte) []hit {
	x.t, x.key, x.said, x.hits, x.near = t, key, topicsOf(key), x.hits[:0], memo{}
	x.done, x.undotted, x.alone, x.scheme, x.blank = 0, 0, 0, -maxUserinfo, [2]int{}
	x.pass()
	x.hits = settle(x.hits)
	x.own()
	x.hits = x.s.marks(t, x.hits)
	return x.hits
}

// pass goes over the text once and looks closer where a detector's find may begin.
func (x *text) pass() {
	t := x.t
	for i := 0; i < len(t); {
		c := classes[t[i]]
		switch {
		case c == 0:
			i++
		case c&isWord != 0:
			flags, j := c, i+1
			for j < len(t) {
				c := classes[t[j]]
				if c&isWord == 0 {
					break
				}
				flags |= c
				j++
			}
			x.word(i, j, flags)
			i = j
		case c == isHigh:
			i = x.high(i)
		default:
			i = x.sign(i)
		}
	}
}

// add notes a hit of a detector that is on.
func (x *text) add(k kind, at, end int) {
	if x.s.on(k) {
		x.note(hit{at, end, k})
	}
	x.done = max(x.done, end)
}

// word looks at a run of letters, digits and underscores.
func (x *text) word(at, end int, flags uint8) {
	if x.vendor(at, end) || at < x.done {
		return
	}
	if flags&isDigit != 0 {
		x.numbers(at, end)
	} else if end-at == 2 || end-at <= 6 && flags&isLower == 0 {
		x.capitals(at, end)
	}
	if flags&isLetter != 0 {
		if n := end - at; n >= 3 && n <= 5 && digitPairs[x.t[at]|0x20].has(x.t[at+1]|0x20) && flags&(isDigit|isUnder) == 0 {
			x.saidPAN(at, end)
		}
		x.spoken(at, end)
	}
}

// high looks at text that isn't ASCII: words of other scripts that announce a secret.
func (x *text) high(i int) int {
	end := i + 1
	for end < len(x.t) && classes[x.t[end]] == isHigh {
		end++
	}
	x.spokenHigh(i, end)
	return end
}

// sign looks at what isn't part of a word, and returns where to go on.
func (x *text) sign(i int) int {
	switch x.t[i] {
	case '@':
		x.atSign(i)
	case ':':
		x.colon(i)
	case '=':
		x.assigned(i)
	case '+':
		x.plus(i)
	case '(':
		x.bracket(i)
		x.spelledAt(i)
	case '[':
		x.spelledAt(i)
	case '-':
		if end := x.block(i); end > 0 {
			return end
		}
	}
	return i + 1
}

// settle puts hits in order; of those that overlap the one of the first kind stays, and takes in the bytes of the others.
func settle(hits []hit) []hit {
	if len(hits) < 2 {
		return hits
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(a.at-b.at, b.end-a.end, int(a.kind)-int(b.kind)) })
	kept := hits[:1]
	for _, h := range hits[1:] {
		last := &kept[len(kept)-1]
		if h.at >= last.end {
			kept = append(kept, h)
			continue
		}
		last.end = max(last.end, h.end)
		last.kind = min(last.kind, h.kind)
	}
	return kept
}

// own runs the operator's patterns and dictionaries.
func (x *text) own() {
	k := ownFrom
	for _, re := range x.s.patterns {
		for _, m := range re.FindAllIndex(x.t, maxFinds+1) {
			if m[1] > m[0] {
				x.note(hit{m[0], m[1], k})
			}
		}
		k++
	}
	for _, d := range x.s.dictionaries {
		d.find(x, k)
		k++
	}
}

// endsAny reports whether text ends with one of the words, and beginsAny whether it begins with one.
func endsAny(text []byte, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return bytes.HasSuffix(text, []byte(w)) })
}

func beginsAny(text []byte, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return bytes.HasPrefix(text, []byte(w)) })
}

// hasFold reports whether text begins with a word in small letters, its ASCII letters in any case.
func hasFold(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		b := text[i]
		if classes[b] == isUpper {
			b |= 0x20
		}
		if b != word[i] {
			return false
		}
	}
	return true
}
