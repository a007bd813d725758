package sensitive_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// spelled is text as a JSON string, with some of its characters as escapes.
func spelled(random *rand.Rand, text string) string {
	out := []byte{'"'}
	for _, r := range text {
		plain, _ := json.Marshal(string(r))
		switch units := utf16.Encode([]rune{r}); random.IntN(4) {
		case 0:
			for _, u := range units {
				out = fmt.Appendf(out, "\\u%04x", u)
			}
		default:
			out = append(out, plain[1:len(plain)-1]...)
		}
	}
	return string(append(out, '"'))
}

// TestEverySpelling: however a text is escaped, and in however many JSON strings it stands, the same is found in it, and
// what is redacted of it is what is redacted of the text as it is.
func TestEverySpelling(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	for _, l := range labelledSet(t) {
		p := userSays(l.Text)
		plain := s.Prompt(p)
		clean, _ := plain.RedactPrompt(p, nil)
		want := clean.GetMessages()[0].GetParts()[0].GetText().GetText()
		for depth := range 3 {
			text := spelled(random, l.Text)
			for range depth {
				text = spelled(random, `{"x":`+text+`}`)
			}
			body := []byte(`{"messages":[{"content":` + text + `}]}`)
			r, err := s.Body(body)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(r.Detected, plain.Detected) && !json.Valid([]byte(l.Text)) {
				t.Errorf("depth %d: %q: %v, want %v", depth, l.Text, r.Detected, plain.Detected)
			}
			got, left := r.RedactBody(body, nil)
			if left.Found() || !json.Valid(got) {
				t.Errorf("depth %d: %q: left %v", depth, l.Text, left.Detected)
			}
			if inner := unwrapped(t, got, depth); inner != want && utf8.ValidString(want) && !json.Valid([]byte(l.Text)) {
				t.Errorf("depth %d:\ngot  %q\nwant %q", depth, inner, want)
			}
		}
	}
}

func unwrapped(t *testing.T, body []byte, depth int) string {
	t.Helper()
	var outer struct{ Messages []struct{ Content string } }
	if err := json.Unmarshal(body, &outer); err != nil {
		t.Fatal(err)
	}
	text := outer.Messages[0].Content
	for range depth {
		var inner struct{ X string }
		if err := json.Unmarshal([]byte(text), &inner); err != nil {
			t.Fatal(err)
		}
		text = inner.X
	}
	return text
}
