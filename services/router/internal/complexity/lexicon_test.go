package complexity

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLexicon: every word can be found by the scanner, and stands for what its line is.
func TestLexicon(t *testing.T) {
	t.Parallel()
	for c, lines := range words {
		if len(lines) > 64 {
			t.Errorf("class %d has %d lines, a set holds 64", c, len(lines))
		}
		for bit, line := range lines {
			for w := range strings.FieldsSeq(line) {
				bare := strings.TrimSuffix(w, "*")
				var found text
				s := scanner{text: &found}
				s.plain(bare)
				if found.found[c]&(1<<bit) == 0 && (w != bare || utf8.RuneCountInString(bare) != 2 || found.wide == 0) {
					t.Errorf("%s isn't found", w)
				}
				if w != bare && (len(bare) < 4 || bare[0] >= utf8.RuneSelf && len(bare) < 6) {
					t.Errorf("%s is too short for any ending", w)
				}
				if r := []rune(bare); ideographic(r[0]) && len(r) != 2 && w == bare {
					t.Errorf("%s isn't of two characters", w)
				}
			}
		}
	}
}
