package sensitive_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, yaml, want string }{
		{"nothing", "", ""},
		{"all of it", "always: true\ndetectors: {card: medium, ip: none}\npatterns: [{name: badge, pattern: 'EMP-[0-9]{6}', sensitivity: low}]\ndictionaries: [{name: projects, words: [Nightfall]}]", ""},
		{"a misspelt detector", "detectors: {cards: high}", "f.yaml:1: detectors.cards: no such detector; did you mean card?"},
		{"no detector at all", "detectors: {weather: high}", "f.yaml:1: detectors.weather: no such detector; known are private_key, token"},
		{"a label", "detectors: {card: secret}", "f.yaml:1: detectors.card: must be none, low, medium or high"},
		{"a pattern's syntax", "patterns: [{name: x, pattern: 'a(b'}]", "f.yaml:1: patterns[0].pattern: isn't a regular expression in RE2 syntax (missing closing ))"},
		{"a pattern that matches nothing", "patterns: [{name: x, pattern: 'a*'}]", "f.yaml:1: patterns[0].pattern: matches the empty text"},
		{"no pattern", "patterns: [{name: x}]", "f.yaml:1: patterns[0].pattern: is required"},
		{"a name", "patterns: [{name: 'My Name', pattern: a}]", "f.yaml:1: patterns[0].name: must be 1 to 40 characters of a-z, 0-9, _ and -"},
		{"a name of ours", "dictionaries: [{name: card, words: [a]}]", "f.yaml:1: dictionaries[0].name: is the name of a built-in detector"},
		{"a name twice", "patterns: [{name: x, pattern: a}]\ndictionaries:\n  - {name: x, words: [a]}", "f.yaml:3: dictionaries[0].name: is taken by patterns[0]"},
		{"no words", "dictionaries: [{name: x}]", "f.yaml:1: dictionaries[0].words: needs words, or a file with words"},
		{"an empty word", "dictionaries: [{name: x, words: [a, '  ']}]", "f.yaml:1: dictionaries[0].words[1]: is empty"},
		{"none for what is named", "dictionaries: [{name: x, words: [a], sensitivity: none}]", "f.yaml:1: dictionaries[0].sensitivity: must be low, medium or high"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var config sensitive.Config
			err := conf.Parse("f.yaml", []byte(c.yaml), &config, nil)
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if _, newErr := sensitive.New(config); (newErr == nil) != (err == nil) {
				t.Errorf("New: %v", newErr)
			}
		})
	}
}

// TestPatternsAreNotQuoted: an expression may be what it looks for.
func TestPatternsAreNotQuoted(t *testing.T) {
	t.Parallel()
	c := sensitive.Config{Patterns: []sensitive.Pattern{{Name: "x", Pattern: `hunter2(`}, {Name: "y", Pattern: `[hunter2`}, {Name: "z", Pattern: `hunter2\8`}}}
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{Detectors: map[string]string{"card": "none", "email": "high", "phone": "low"}, Always: true})
	if !s.Always() {
		t.Error("not always")
	}
	for text, want := range map[string]llmv1.Sensitivity{
		"nothing here":                     llmv1.Sensitivity_SENSITIVITY_NONE,
		"card 4111 1111 1111 1111":         llmv1.Sensitivity_SENSITIVITY_NONE,
		"ann@example.com":                  llmv1.Sensitivity_SENSITIVITY_HIGH,
		"call 415-555-2671":                llmv1.Sensitivity_SENSITIVITY_LOW,
		"host 10.0.0.7 down":               llmv1.Sensitivity_SENSITIVITY_LOW,
		"born 12/03/1985, call 4155552671": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
		"pesel 44051401359":                llmv1.Sensitivity_SENSITIVITY_HIGH,
	} {
		if r := s.Prompt(userSays(text)); r.Label != want {
			t.Errorf("%q: %v %v, want %v", text, r.Label, r.Detected, want)
		}
	}
}

func TestOwnDetectors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(file, []byte("# projects\nBluebird\n\n  Operation  Äther \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScanner(t, sensitive.Config{
		Patterns: []sensitive.Pattern{{Name: "badge", Pattern: `EMP-[0-9]{6}`, Sensitivity: "low"}},
		Dictionaries: []sensitive.Dictionary{
			{Name: "projects", Words: []string{"Nightfall", "C++ team", "机密"}, File: file, Sensitivity: "medium"},
		},
	})
	cases := []struct {
		text string
		want map[string]int
	}{
		{"badge EMP-123456 and ＥＭＰ－６５４３２１", map[string]int{"badge": 2}},
		{"NIGHTFALL, nightfall; (Nightfall)", map[string]int{"projects": 3}},
		{"nightfalls midnightfall night fall", nil},
		{"operation äther and OPERATION\n ÄTHER", map[string]int{"projects": 2}},
		{"the C++ team, the c team", map[string]int{"projects": 1}},
		{"这是机密文件", map[string]int{"projects": 1}},
		{"blue\u200bbird", map[string]int{"projects": 1}},
	}
	for _, c := range cases {
		r := s.Prompt(userSays(c.text))
		if !maps.Equal(r.Detected, c.want) {
			t.Errorf("%q: %v, want %v", c.text, r.Detected, c.want)
		}
		if _, left := r.RedactPrompt(userSays(c.text), nil); left.Found() {
			t.Errorf("%q: left %v", c.text, left.Detected)
		}
	}
}

func TestFilesOfWords(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".absent", filepath.Dir(empty)} {
		_, err := sensitive.New(sensitive.Config{Dictionaries: []sensitive.Dictionary{{Name: "x", File: file}}})
		if err == nil || !strings.HasPrefix(err.Error(), "dictionaries[0].file: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestMarksOfOwnDetectors: a word that marks are made of isn't found in them.
func TestMarksOfOwnDetectors(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{
		Patterns:     []sensitive.Pattern{{Name: "shout", Pattern: `[A-Z]{6,}`}, {Name: "all", Pattern: `x.*y`}},
		Dictionaries: []sensitive.Dictionary{{Name: "words", Words: []string{"card", "redacted"}}},
	})
	body := []byte(`{"t":"redacted card 4111111111111111 x 4111111111111111 y HELLOWORLD"}`)
	r, _ := s.Body(body)
	got, left := r.RedactBody(body, nil)
	if want := `{"t":"[REDACTED:words] [REDACTED:words] [REDACTED:card] [REDACTED:card] [REDACTED:shout]"}`; string(got) != want || left.Found() {
		t.Errorf("%s, left %v", got, left.Detected)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				body := bodyOf(t, "card 4111 1111 1111 1111, {\"a\":\"b@c.de\"}")
				if r, err := s.Body(body); err != nil || !maps.Equal(r.Detected, map[string]int{"card": 1, "email": 1}) {
					t.Errorf("%v, %v", r.Detected, err)
				}
			}
		})
	}
	all.Wait()
}
