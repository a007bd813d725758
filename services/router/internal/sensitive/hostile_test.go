package sensitive_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// TestHostileTextIsLinear: four times the text takes about four times as long; where a detector looks over all of it
// again for each of its parts it takes sixteen times as long, or hours.
func TestHostileTextIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at 50 MB")
	}
	s := newScanner(t, sensitive.Config{
		Patterns:     []sensitive.Pattern{{Name: "badge", Pattern: `EMP-[0-9]{6}`}},
		Dictionaries: []sensitive.Dictionary{{Name: "projects", Words: []string{"night fall now", "night owl"}}},
	})
	for name, unit := range map[string]string{
		"digits": "4", "at signs": "@", "a@": "a@", "letters": "a", "digits in groups": "1 ", "digits one by one": "1 2 3 4 5 6 7 8 9 0 ", "orders": "order 4539148803436467 ", "glued": "a4539148803436467b", "fours in lines": "4539 1488\\n", "digits in lines": "45391488\\n", "spelt": "four one ", "notes": "4539-", "pairs": "::", "groups of four": "4111 ",
		"colons": ":", "equals": "a=", "passwords": "password ", "password is": "password is ", "dashes": "-", "begins": "-----BEGIN RSA PRIVATE KEY-----",
		"begins with text": "-----BEGIN RSA PRIVATE KEY----- MIIEowIBAAKCAQEAabc ", "brackets": "(", "numbers in brackets": "(415) ",
		"plus": "+", "plus digits": "+49 30 ", "dots": "1.", "hex": "ab:", "quotes": `\"`, "tokens": "ghp_", "JWTs": "eyJ.", "JWT-": "eyJ-", "slack": "xoxb-", "sk": "sk-ant-", "JWT": "eyJa", "SG": "SG.",
		"ssns": "123-45-6789 ", "bsns": "bsn 111222333 ", "marks": "[REDACTED:card] ", "open marks": "[REDACTED:", "night": "night fall ",
		"escapes": `\\u0034`, "zero width": "1\u200b", "spaces": " ", "high": "密码", "emails": "a@b.co ", "schemes": "a://b:c@", "braces": `{\"a\":`, "slashes": `\\\\`,
	} {
		small, large := took(t, s, unit, 256<<10), took(t, s, unit, 1<<20)
		if large > 10*small+200*time.Millisecond {
			t.Errorf("%s: %v for 256 KB, %v for 1 MB", name, small, large)
		}
		t.Logf("%-20s %8.2f us/KB", name, float64(large.Microseconds())/1024)
	}
}

func took(t *testing.T, s *sensitive.Scanner, unit string, size int) time.Duration {
	t.Helper()
	body := []byte(`{"t":"` + strings.Repeat(unit, size/len(unit)) + `"}`)
	start := time.Now()
	if _, err := s.Body(body); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

// TestTenMegabytes of one thing are looked into in moments.
func TestTenMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at 20 MB")
	}
	s := newScanner(t, sensitive.Config{})
	for _, unit := range []string{"4", "@"} {
		if d := took(t, s, unit, 10<<20); d > 10*time.Second {
			t.Errorf("10 MB of %q took %v", unit, d)
		}
	}
}

// FuzzRedactBody: JSON stays JSON, nothing is found again, and what stands around the marks stays as it was.
func FuzzRedactBody(f *testing.F) {
	for _, l := range labelledSet(f)[:120] {
		f.Add(bodyOf(f, l.Text))
	}
	f.Add([]byte(`{"a":"\u0034111111111111111\ud800","4111111111111111":4111111111111111}`))
	f.Add([]byte(`{"a":` + deep(3, `{"b":4111111111111111,"c":"a\u0040b.com"}`) + `}`))
	f.Add([]byte(`{"password":"x[REDACTED:card]1","t":"password = [REDACTED:email]9!"}`))
	s := newScanner(f, sensitive.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := s.Body(body)
		got, left := r.RedactBody(body, nil)
		if err != nil {
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q became %q", body, got)
		}
		if left.Found() {
			t.Fatalf("%q became %q, which has %v", body, got, left.Detected)
		}
		if r.Found() == bytes.Equal(got, body) {
			t.Fatalf("%q has %v and became %q", body, r.Detected, got)
		}
		if !around(got, body) {
			t.Fatalf("%q became %q", body, got)
		}
	})
}

// around reports whether what stands between the marks of got stands in body, in that order.
func around(got, body []byte) bool {
	for {
		at := bytes.Index(got, []byte("[REDACTED:"))
		if at < 0 {
			return bytes.HasSuffix(body, bytes.TrimLeft(got, `\"`))
		}
		kept := bytes.TrimRight(bytes.TrimLeft(got[:at], `\"`), `\"`)
		i := bytes.Index(body, kept)
		if i < 0 {
			return false
		}
		body = body[i+len(kept):]
		end := bytes.IndexByte(got[at:], ']')
		if end < 0 {
			return true
		}
		got = got[at+end+1:]
	}
}

// FuzzPrompt: text of any kind is looked into and redacted without a fault, and nothing is found in it again.
func FuzzPrompt(f *testing.F) {
	for _, l := range labelledSet(f) {
		f.Add(l.Text)
	}
	s := newScanner(f, sensitive.Config{Patterns: []sensitive.Pattern{{Name: "x", Pattern: "x+[0-9]"}}})
	f.Fuzz(func(t *testing.T, text string) {
		p := userSays(text)
		r := s.Prompt(p)
		if _, left := r.RedactPrompt(p, nil); left.Found() {
			t.Fatalf("%q: left %v", text, left.Detected)
		}
	})
}
