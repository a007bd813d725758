package complexity

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is what was counted in a text, or in several.
type text struct {
	words, wide           int
	items, questions      int
	figures, commas       int
	fences                int
	codeSigns, mathsSigns int
	found                 [classes]set
}

// set holds which words of a class were found, one bit for each line of the lexicon.
type set uint64

func (s set) count() float64 { return float64(bits.OnesCount64(uint64(s))) }

// length is in words; characters of scripts without spaces are about two to a word.
func (t *text) length() int { return t.words + (t.wide+1)/2 }

const (
	// maxWord is how much of a word is looked at, in bytes.
	maxWord = 24
	// maxEscape is how long a JSON escape may be: that of a surrogate pair.
	maxEscape = 12
)

// scanner goes over one text, which may come in pieces. It allocates nothing.
type scanner struct {
	text *text
	word [maxWord]byte
	// size is the word's, in bytes so far; it may exceed maxWord.
	size int
	// last is the character before, where it is of a script without spaces.
	last rune
	// line is how far the line has come; ticks counts backquotes in a row.
	line  line
	ticks int
	// figure says that the byte before was of a number, cited that a quotation has begun in the line.
	figure, cited bool
}

type line uint8

const (
	// fresh lines have begun with nothing but space.
	fresh line = iota
	// numbered ones with digits, marked ones with what marks an item.
	numbered
	marked
	// plainLine is any other, and an item that was counted.
	plainLine
)

// kind is what a byte means to the scanner.
type kind uint8

const (
	other kind = iota
	letter
	space
	newline
	digit
	codeSign
	mathsSign
	backquote
	question
	bullet
	hyphen
	closing
	comma
	quote
	backslash
)

var kinds = func() (k [utf8.RuneSelf]kind) {
	for c := 'a'; c <= 'z'; c++ {
		k[c], k[c-'a'+'A'] = letter, letter
	}
	for chars, as := range map[string]kind{
		" \t\r": space, "\n": newline, "0123456789": digit, "{};=<>[]_|": codeSign, "^": mathsSign, "`": backquote,
		"?": question, "*": bullet, "-": hyphen, ".)": closing, ",": comma, `"`: quote, "\\": backslash,
	} {
		for _, c := range chars {
			k[c] = as
		}
	}
	return k
}()

// plain scans a whole text.
func (s *scanner) plain(t string) {
	scan(s, t, false)
	s.flushAny()
}

// quoted scans the inside of a JSON string, which was checked.
func (s *scanner) quoted(b []byte) {
	scan(s, b, true)
	s.flushAny()
}

// scan goes over a text; json is whether it has escapes.
func scan[T string | []byte](s *scanner, t T, json bool) {
	for i := 0; i < len(t); {
		switch c := t[i]; {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(string(t[i:min(i+utf8.UTFMax, len(t))]))
			s.wide(r)
			i += n
		case kinds[c] == letter:
			i = letters(s, t, i)
		case c == '\\' && json:
			i += s.escape([]byte(t[i:min(i+maxEscape, len(t))]))
		default:
			s.ascii(c)
			i++
		}
	}
}

// letters takes a run of ASCII letters from i on, and returns where it ends.
func letters[T string | []byte](s *scanner, t T, i int) int {
	n := s.size
	for i < len(t) && t[i] < utf8.RuneSelf && kinds[t[i]] == letter {
		if n < maxWord {
			s.word[n] = t[i] | 0x20
		}
		n++
		i++
	}
	s.size, s.line, s.figure = n, plainLine, false
	return i
}

// ascii takes one character.
func (s *scanner) ascii(c byte) {
	k := kinds[c]
	switch {
	case k == letter:
		letters(s, string(rune(c)), 0)
		return
	case k == hyphen && s.size > 0: // trade-off is one word
		return
	case s.size > 0:
		s.flush()
	}
	if k == space && s.line == plainLine { // by far the most frequent
		s.last, s.ticks, s.figure = 0, 0, false
		return
	}
	s.sign(k)
}

// sign takes what is no letter.
func (s *scanner) sign(k kind) {
	if k != backquote {
		s.ticks = 0
	}
	s.last = 0
	if k == digit && !s.figure {
		s.text.figures++
	}
	s.figure = k == digit || s.figure && (k == closing || k == comma) // 1,000.5 is one
	switch k {
	case space:
		if s.line == marked {
			s.text.items++
			s.line = plainLine
		}
		return
	case newline:
		s.line, s.cited = fresh, false
		return
	case digit:
		if s.line == fresh || s.line == numbered {
			s.line = numbered
			return
		}
	case bullet, hyphen:
		if s.line == fresh {
			s.line = marked
			return
		}
	case closing:
		if s.line == numbered {
			s.line = marked
			return
		}
	case comma:
		s.text.commas++
	case quote:
		s.cited = !s.cited
	case codeSign:
		s.text.codeSigns++
	case mathsSign:
		s.text.mathsSigns++
	case backslash: // begins a command of TeX
		s.text.mathsSigns++
	case question:
		s.text.questions++
	case backquote:
		if s.ticks++; s.ticks == 3 {
			s.text.fences++
		}
	case other, letter:
	}
	s.line = plainLine
}

// wide takes a character beyond ASCII.
func (s *scanner) wide(r rune) {
	switch {
	case ideographic(r):
		s.flushAny()
		s.text.wide++
		if s.last != 0 {
			s.pair(s.last, r)
		}
		s.last, s.line = r, plainLine
		return
	case cyrillic(r) || unicode.IsLetter(r):
		s.append(r)
		s.line = plainLine
	case r == '？' || r == '؟':
		s.flushAny()
		s.text.questions++
	case r == '，' || r == '、' || r == '；':
		s.flushAny()
		s.sign(comma)
	case strings.ContainsRune("“”„«»「」", r):
		s.flushAny()
		s.sign(quote)
	case r == '•':
		s.flushAny()
		s.sign(bullet)
	case r == '\u2010' || r == '\u2011' || r >= 0x300 && r <= 0x36f: // hyphens and combining accents don't part words
	default:
		s.flushAny()
		if mathematical(r) {
			s.text.mathsSigns++
		}
		if !unicode.IsSpace(r) {
			s.line = plainLine
		}
	}
	s.last, s.ticks, s.figure = 0, 0, false
}

// ideographic reports scripts in which words aren't told by spaces, and Hangul, whose words are short with long endings.
func ideographic(r rune) bool {
	return r >= 0x3041 && r <= 0x30ff || r >= 0x3400 && r <= 0x9fff || r >= 0xac00 && r <= 0xd7a3 || r >= 0x20000 && r <= 0x3ffff
}

func mathematical(r rune) bool {
	return r >= 0x2200 && r <= 0x22ff || strings.ContainsRune("±×÷¹²³‖⇒⇔", r) || r >= 0x2070 && r <= 0x209f || r >= 0x2100 && r <= 0x214f && r != '™' && r != '℃'
}

func cyrillic(r rune) bool { return r >= 'А' && r <= 'я' }

// append adds a letter to the word, in lower case and, in Latin, without its accent.
func (s *scanner) append(r rune) {
	switch {
	case r >= 'А' && r <= 'Я':
		r += 'а' - 'А'
	case !cyrillic(r):
		r = unicode.ToLower(r)
	}
	if r < foldable && fold[r] != "" {
		for _, c := range []byte(fold[r]) {
			if s.size < maxWord {
				s.word[s.size] = c
			}
			s.size++
		}
		return
	}
	if r == 'ё' {
		r = 'е'
	}
	if n := utf8.RuneLen(r); s.size+n <= maxWord {
		utf8.EncodeRune(s.word[s.size:], r)
		s.size += n
	} else {
		s.size = maxWord
	}
}

// foldable is where Latin letters with accents end.
const foldable = 0x220

// fold are letters that are written as others in the lexicon.
var fold = func() (m [foldable]string) {
	m['ß'], m['æ'], m['œ'] = "ss", "ae", "oe"
	for to, from := range map[string]string{
		"a": "àáâãäåąă", "c": "çćč", "e": "èéêëęě", "i": "ìíîïı", "l": "ł", "n": "ñńň", "o": "òóôõöøő", "r": "ř", "s": "śšş",
		"t": "ťț", "u": "ùúûüůű", "y": "ýÿ", "z": "źżž", "g": "ğ", "d": "ďđ",
	} {
		for _, r := range from {
			m[r] = to
		}
	}
	return m
}()

func (s *scanner) flushAny() {
	if s.size > 0 {
		s.flush()
	}
}

// flush ends a word.
func (s *scanner) flush() {
	word := s.word[:min(s.size, maxWord)]
	s.size = 0
	s.text.words++
	if len(word) == 2 && (word[0] == 0xce || word[0] == 0xcf) { // one Greek letter
		s.text.mathsSigns++
		return
	}
	if s.cited { // what is to be translated isn't to be done
		return
	}
	all := lexicon[bucket(word)]
	for i := range all {
		if e := &all[i]; e.matches(word) {
			s.text.found[e.class] |= 1 << e.bit
		}
	}
}

func (s *scanner) pair(a, b rune) {
	if s.cited || !likely[pairBucket(a, b)] {
		return
	}
	if e, ok := pairs[[2]rune{a, b}]; ok {
		s.text.found[e.class] |= 1 << e.bit
	}
}

// escape takes a JSON escape and returns its length.
func (s *scanner) escape(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	switch c := b[1]; c {
	case 'n':
		s.ascii('\n')
	case 't', 'r', 'b', 'f':
		s.ascii('\t')
	case 'u':
		return s.unicode(b)
	default:
		s.ascii(c)
	}
	return 2
}

// unicode takes \uXXXX, or two that are a surrogate pair.
func (s *scanner) unicode(b []byte) int {
	n := 6
	if len(b) < n {
		return len(b)
	}
	r := hex(b[2:6])
	if r >= 0xd800 && r < 0xdc00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low := hex(b[8:12]); low >= 0xdc00 && low < 0xe000 {
			r, n = 0x10000+(r-0xd800)<<10+(low-0xdc00), 12
		}
	}
	if r < utf8.RuneSelf {
		s.ascii(byte(r))
	} else {
		s.wide(r)
	}
	return n
}

func hex(b []byte) (r rune) {
	for _, c := range b {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		default:
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r
}
