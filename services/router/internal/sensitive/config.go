package sensitive

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/conf"
)

// Config says what counts as sensitive, and how much. The zero value is every built-in detector at its own label.
type Config struct {
	// Always looks into every request. Default false: a request is looked into where a rule names its sensitivity, what
	// was detected in it, or redact; where none does, nothing looks, and nothing is known of it.
	Always bool `yaml:"always"`
	// Detectors sets the label of a built-in detector: none switches it off; low, medium or high. Defaults: card, iban,
	// national_id, private_key, token and password are high; bank_account, date_of_birth, email and phone medium; ip low.
	Detectors map[string]string `yaml:"detectors"`
	// Patterns are detectors of the operator's own, by regular expression.
	Patterns []Pattern `yaml:"patterns"`
	// Dictionaries are detectors of the operator's own, by lists of words.
	Dictionaries []Dictionary `yaml:"dictionaries"`
}

// Pattern finds what a regular expression matches. Digits of every script, full-width letters, unusual spaces and dashes
// are read as their ASCII counterparts before it is tried, and characters without width are left out.
type Pattern struct {
	// Name is what it is called in reports and in place of what was redacted: 1 to 40 characters of a-z, 0-9, _ and -.
	// Required.
	Name string `yaml:"name"`
	// Pattern is the expression in the syntax of RE2, which can't run away. It mustn't match the empty text. Required.
	Pattern string `yaml:"pattern"`
	// Sensitivity is the label of what it finds: low, medium or high (the default).
	Sensitivity string `yaml:"sensitivity"`
}

// Dictionary finds words, whole and in any case. Words of scripts that put no space between words are found anywhere.
type Dictionary struct {
	// Name is as in Pattern. Required.
	Name string `yaml:"name"`
	// Words are the words or phrases.
	Words []string `yaml:"words"`
	// File holds more of them, one a line; empty lines and those that begin with # don't count.
	File string `yaml:"file"`
	// Sensitivity is the label of what it finds: low, medium or high (the default).
	Sensitivity string `yaml:"sensitivity"`
}

const maxName = 40

// labels are the words for a sensitivity; the empty one is an operator's own detector that says nothing.
var labels = map[string]llmv1.Sensitivity{
	"":       llmv1.Sensitivity_SENSITIVITY_HIGH,
	"none":   llmv1.Sensitivity_SENSITIVITY_NONE,
	"low":    llmv1.Sensitivity_SENSITIVITY_LOW,
	"medium": llmv1.Sensitivity_SENSITIVITY_MEDIUM,
	"high":   llmv1.Sensitivity_SENSITIVITY_HIGH,
}

// Validate reports every field that can't work, by its path in the section.
func (c *Config) Validate() error {
	var f conf.Findings
	for _, name := range slices.Sorted(maps.Keys(c.Detectors)) {
		checkDetector(&f, name, c.Detectors[name])
	}
	taken := make(map[string]string)
	for i, p := range c.Patterns {
		path := "patterns[" + strconv.Itoa(i) + "]"
		checkOwn(&f, taken, path, p.Name, p.Sensitivity)
		checkPattern(&f, path+".pattern", p.Pattern)
	}
	for i, d := range c.Dictionaries {
		path := "dictionaries[" + strconv.Itoa(i) + "]"
		checkOwn(&f, taken, path, d.Name, d.Sensitivity)
		checkWords(&f, path, d)
	}
	return f.Err()
}

func checkDetector(f *conf.Findings, name, label string) {
	path := "detectors." + name
	if !builtIn(name) {
		advice := "known are " + strings.Join(builtInNames[:], ", ")
		if near := conf.Nearest(name, builtInNames[:]); near != "" {
			advice = "did you mean " + near + "?"
		}
		f.Add(path, "no such detector; %s", advice)
	}
	if _, ok := labels[label]; !ok || label == "" {
		f.Add(path, "must be none, low, medium or high")
	}
}

// checkOwn checks what patterns and dictionaries have in common; taken maps a name to the path of its first owner.
func checkOwn(f *conf.Findings, taken map[string]string, path, name, label string) {
	switch known := builtIn(name); {
	case !validName(name):
		f.Add(path+".name", "must be 1 to 40 characters of a-z, 0-9, _ and -")
	case known:
		f.Add(path+".name", "is the name of a built-in detector; choose another")
	case taken[name] != "":
		f.Add(path+".name", "is taken by %s; choose another", taken[name])
	default:
		taken[name] = path
	}
	if label == "none" || labels[label] == 0 {
		f.Add(path+".sensitivity", "must be low, medium or high")
	}
}

func checkPattern(f *conf.Findings, path, pattern string) {
	switch re, err := regexp.Compile(pattern); {
	case pattern == "":
		f.Add(path, "is required")
	case err != nil:
		f.Add(path, "isn't a regular expression in RE2 syntax (%s)", syntaxOnly(err))
	case re.MatchString(""):
		f.Add(path, "matches the empty text; let it demand at least one character")
	}
}

// syntaxOnly is what is wrong with an expression, without the expression: it may be a secret itself.
func syntaxOnly(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	reason, _, _ := strings.Cut(text, ":")
	return reason
}

func checkWords(f *conf.Findings, path string, d Dictionary) {
	if len(d.Words) == 0 && d.File == "" {
		f.Add(path+".words", "needs words, or a file with words")
	}
	for i, w := range d.Words {
		if strings.TrimSpace(w) == "" {
			f.Add(path+".words["+strconv.Itoa(i)+"]", "is empty")
		}
	}
}

func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return false
		}
	}
	return true
}

// words are those of the dictionary and of its file.
func (d Dictionary) words(path string) ([]string, error) {
	words := slices.Clone(d.Words)
	if d.File == "" {
		return words, nil
	}
	file, err := os.Open(d.File)
	if err != nil {
		return nil, conf.Invalid(path+".file", "can't be read: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			words = append(words, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, conf.Invalid(path+".file", "can't be read: %v", err)
	}
	if len(words) == 0 {
		return nil, conf.Invalid(path+".file", "holds no words")
	}
	return words, nil
}

// label is the sensitivity of a built-in detector.
func (c *Config) label(k kind) llmv1.Sensitivity {
	if word, ok := c.Detectors[builtInNames[k]]; ok {
		return labels[word]
	}
	return builtInLabels[k]
}

func (c *Config) dictionary(i int) (*dictionary, error) {
	words, err := c.Dictionaries[i].words(fmt.Sprintf("dictionaries[%d]", i))
	if err != nil {
		return nil, err
	}
	return newDictionary(words), nil
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}
