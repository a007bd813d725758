package sim

import (
	"unicode"
	"unicode/utf8"
)

// A token is a word or one other printing character, together with the white space before it. That is close to what
// real tokenizers make of plain English, and simple enough to predict in a test.

// cutToken splits the first token off. White space at the end of the text belongs to the last token.
func cutToken(s string) (tok, rest string) {
	i := skip(s, 0, unicode.IsSpace)
	if i == len(s) {
		return s, ""
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	i += n
	if wordy(r) {
		i = skip(s, i, wordy)
	}
	if skip(s, i, unicode.IsSpace) == len(s) {
		i = len(s)
	}
	return s[:i], s[i:]
}

// skip is the first index from i on whose rune isn't wanted.
func skip(s string, i int, wanted func(rune) bool) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !wanted(r) {
			return i
		}
		i += n
	}
	return i
}

// wordy tells whether a rune continues a word. Ideographs stand alone.
func wordy(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return r < 0x2E80 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// tokens counts the tokens of a text; blank text has none.
func tokens(s string) int {
	n, word := 0, false
	for _, r := range s {
		switch {
		case wordy(r):
			if !word {
				n++
			}
			word = true
			continue
		case !unicode.IsSpace(r):
			n++
		}
		word = false
	}
	return n
}

// firstTokens is the text cut after n tokens, and whether anything was cut off.
func firstTokens(s string, n int) (head string, cut bool) {
	rest := s
	for ; n > 0 && rest != ""; n-- {
		_, rest = cutToken(rest)
	}
	return s[:len(s)-len(rest)], rest != ""
}
