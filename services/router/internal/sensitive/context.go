package sensitive

import (
	"unicode"
	"unicode/utf8"
)

// topics are what the words around a number speak of.
type topics uint32

const (
	ofCard topics = 1 << iota
	ofSSN
	ofID
	ofPassport
	ofLicence
	ofBirth
	ofPhone
	ofBank
	ofRouting
	ofIP
	// ofHost is weaker than ofIP: it is enough for what looks like an address and little else.
	ofHost
	ofHealth
	// ofBriefID are names of ids so short that they only count close by.
	ofBriefID
	ofExample
	// ofCedula, ofSteuer and ofCompany are names of numbers without a check, or with a weak one.
	ofCedula
	ofSteuer
	ofCompany
	ofCCCD
	// ofPay is of paying.
	ofPay
	// ofOther is what is numbered and concerns nobody: orders, parts, versions.
	ofOther
)

const (
	lookBack  = 72
	lookAhead = 40
	lookClose = 26
)

// memo keeps what was read around places: candidates share where they begin, and where they end.
type memo struct {
	// at is where the candidate begins that before and closely belong to, one more than its place.
	at              int
	before, closely topics
	// after is what follows ends, by the end's last bits; ends are one more, too.
	after [16]struct {
		end   int
		found topics
	}
}

// before tells what the text speaks of shortly before a place, and right before it.
func (x *text) before(at int) (found, closely topics) {
	if m := &x.near; m.at != at+1 {
		m.at, m.before, m.closely = at+1, x.read(max(at-lookBack, 0), at), x.read(max(at-lookClose, 0), at)
	}
	return x.near.before, x.near.closely
}

// after tells what the text speaks of shortly after a place, in the same line.
func (x *text) after(end int) topics {
	m := &x.near.after[end&15]
	if m.end != end+1 {
		m.end, m.found = end+1, x.read(end, x.lineEnd(end))
	}
	return m.found
}

// around tells what the text speaks of shortly before at and after end, and what the text as a whole is called.
func (x *text) around(at, end int) topics {
	before, closely := x.before(at)
	after := x.after(end)
	found := before | after | x.said
	if (closely|after|x.said)&ofBriefID != 0 {
		found |= ofID
	}
	return found
}

// unlike reports that a number is called the number of something else, and none of the words around it says that it is
// what it looks like.
func (x *text) unlike(at, end int, wanted topics) bool {
	return x.other(at, end) && x.around(at, end)&wanted == 0
}

// rather reports that the words right before a number speak of something else than what is wanted.
func (x *text) rather(at, end int, wanted topics) bool {
	_, closely := x.before(at)
	if closely&ofBriefID != 0 {
		closely |= ofID
	}
	return closely&wanted == 0 && (closely&(ofPhone|ofCard|ofBank) != 0 || x.other(at, end))
}

func (x *text) lineEnd(from int) int {
	limit := min(from+lookAhead, len(x.t))
	for i := from; i < limit; i++ {
		if x.t[i] == '\n' {
			return i
		}
	}
	return limit
}

// read collects the topics of the words in t[from:to].
func (x *text) read(from, to int) topics {
	if from > 0 && from < to && classes[x.t[from-1]]&isLetter != 0 { // begin with a whole word
		for from < to && classes[x.t[from]]&isLetter != 0 {
			from++
		}
	}
	if x.wordless(from, to) {
		return 0
	}
	x.lower = lowered(x.lower[:0], x.t[from:to])
	return topicsOf(x.lower)
}

// wordless reports that nothing in t[from:to] begins a word. What is known of the last place is kept, so that rows of
// numbers are read once.
func (x *text) wordless(from, to int) bool {
	if from < x.blank[0] || from > x.blank[1] {
		x.blank = [2]int{from, from}
	}
	for i := x.blank[1]; i < to; i++ {
		if b := x.t[i]; classes[b]&(isLetter|isHigh) != 0 || b == '#' {
			return false
		}
		x.blank[1] = i + 1
	}
	return true
}

// lowered appends text in small letters.
func lowered(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if classes[c] == isUpper {
				c |= 0x20
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
		i += n
	}
	return dst
}

// phrase is a word, or several, that mean a topic. A whole one isn't the beginning of a longer word.
type phrase struct {
	words string
	means topics
	whole bool
}

// topicsOf collects what text in small letters speaks of.
func topicsOf(text []byte) (found topics) {
	inside := false // within a word, which no phrase begins in; scripts without spaces have no such place
	for i, c := range text {
		class := classes[c]
		starts := c >= 0xe0 || !inside && (class == isLower || class == isHigh || c == '#')
		inside = class&isAlnum != 0 || class == isHigh && (c >= 0xc0 && c < 0xe0 || c < 0xc0 && inside)
		if !starts {
			continue
		}
		for _, p := range phrases[c] {
			if p.at(text[i:]) {
				found |= p.means
			}
		}
	}
	return found
}

// at reports whether text begins with the phrase; a space in it stands for up to two bytes that aren't letters, or none.
func (p *phrase) at(text []byte) bool {
	i := 0
	for j := range len(p.words) {
		if p.words[j] == ' ' {
			for n := 0; n < 2 && i < len(text) && text[i] < utf8.RuneSelf && classes[text[i]]&isAlnum == 0; n++ {
				i++
			}
			continue
		}
		if i >= len(text) || text[i] != p.words[j] {
			return false
		}
		i++
	}
	return !p.whole || i == len(text) || classes[text[i]]&(isLetter|isHigh) == 0
}

// named appends the name of a JSON member as words in small letters: dateOfBirth is date of birth.
func named(dst, name []byte) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		if c < utf8.RuneSelf {
			if classes[c] == isUpper && i > 0 && classes[name[i-1]] == isLower {
				dst = append(dst, ' ')
			}
			if classes[c]&isAlnum == 0 {
				c = ' '
			}
			dst = lowered(dst, []byte{c})
			i++
			continue
		}
		_, n := utf8.DecodeRune(name[i:])
		dst = lowered(dst, name[i:i+n])
		i += n
	}
	return append(dst, ' ')
}
