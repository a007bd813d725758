package sensitive

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dictionary finds whole words in any case.
type dictionary struct {
	// entries are the phrases by the first word in them, longest first.
	entries map[string][]entry
	// anywhere are the phrases of scripts without spaces, which are found within a run of letters.
	anywhere [][]byte
}

// entry is a phrase in small letters; before is how many bytes of it come before its first word.
type entry struct {
	phrase []byte
	before int
}

func newDictionary(words []string) *dictionary {
	d := &dictionary{entries: make(map[string][]entry)}
	for _, w := range words {
		d.put(lowered(nil, plainText([]byte(strings.Join(strings.Fields(w), " ")))))
	}
	return d
}

// plainText is text as the scan sees it.
func plainText(text []byte) []byte {
	var v view
	fold(&v, &view{data: text}, nil, nil)
	return v.data
}

func (d *dictionary) put(phrase []byte) {
	if bytes.ContainsFunc(phrase, spaceless) {
		d.anywhere = append(d.anywhere, phrase)
		return
	}
	from := max(bytes.IndexFunc(phrase, inWord), 0)
	end := from
	for end < len(phrase) {
		r, n := utf8.DecodeRune(phrase[end:])
		if !inWord(r) {
			break
		}
		end += n
	}
	if end == from { // signs only
		d.anywhere = append(d.anywhere, phrase)
		return
	}
	word := string(phrase[from:end])
	d.entries[word] = append(d.entries[word], entry{phrase, from})
	slices.SortStableFunc(d.entries[word], func(a, b entry) int { return len(b.phrase) - len(a.phrase) })
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

func spaceless(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// find notes what the text has of the dictionary.
func (d *dictionary) find(x *text, k kind) {
	for _, phrase := range d.anywhere {
		for at := 0; ; {
			i := bytes.Index(x.t[at:], phrase)
			if i < 0 {
				break
			}
			x.note(hit{at + i, at + i + len(phrase), k})
			at += i + len(phrase)
		}
	}
	if len(d.entries) > 0 {
		d.words(x, k)
	}
}

func (d *dictionary) words(x *text, k kind) {
	for at := 0; at < len(x.t); {
		end := x.wholeWord(at)
		if end == at {
			_, n := utf8.DecodeRune(x.t[at:])
			at += n
			continue
		}
		next := end
		for _, e := range d.entries[string(x.lower)] {
			if stop := e.ends(x.t, at-e.before); stop > 0 {
				x.note(hit{at - e.before, stop, k})
				next = max(next, stop)
				break
			}
		}
		at = next
	}
}

// wholeWord is the end of the letters and digits at a place; x.lower holds them in small letters.
func (x *text) wholeWord(at int) int {
	x.lower = x.lower[:0]
	for at < len(x.t) {
		b := x.t[at]
		if b < utf8.RuneSelf {
			if classes[b]&isAlnum == 0 {
				break
			}
			if classes[b] == isUpper {
				b |= 0x20
			}
			x.lower = append(x.lower, b)
			at++
			continue
		}
		r, n := utf8.DecodeRune(x.t[at:])
		if !inWord(r) {
			break
		}
		x.lower = utf8.AppendRune(x.lower, unicode.ToLower(r))
		at += n
	}
	return at
}

// ends is where the phrase ends that begins at a place of text; 0 where it doesn't.
func (e entry) ends(text []byte, at int) int {
	if at < 0 {
		return 0
	}
	for i := 0; i < len(e.phrase); {
		want, n := utf8.DecodeRune(e.phrase[i:])
		i += n
		got, m := utf8.DecodeRune(text[min(at, len(text)):])
		if want == ' ' {
			if !unicode.IsSpace(got) {
				return 0
			}
			for m = 0; at < len(text) && m < 8 && unicode.IsSpace(rune(text[at])); m++ {
				at++
			}
			continue
		}
		if m == 0 || unicode.ToLower(got) != want {
			return 0
		}
		at += m
	}
	last, _ := utf8.DecodeLastRune(e.phrase)
	if next, _ := utf8.DecodeRune(text[at:]); inWord(last) && at < len(text) && inWord(next) {
		return 0
	}
	return at
}
