package conf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
)

// config has one field of everything.
type config struct {
	Addr      string
	Port      uint16
	Ratio     float64
	On        bool
	Wait      time.Duration
	Patience  conf.Duration `yaml:"patience"`
	Size      conf.Bytes
	APIKey    conf.Secret
	Tags      []string
	Limits    map[string]int
	Providers conf.Map[provider]
	Deep      *nested
	Extra     any
	Shared    `yaml:",inline"`
	Hidden    string `yaml:"-"`
}

type Shared struct{ Region string }

type nested struct {
	Level int
	Next  *nested
}

type provider struct {
	Kind      string
	APIKey    conf.Secret
	Weight    int
	Endpoints []endpoint
}

func (p *provider) SetDefaults() { p.Weight = 7 }

type endpoint struct{ URL string }

func env(name string) (string, bool) {
	v, ok := map[string]string{"HOST": "h", "EMPTY": "", "PORT": "80", "YAML": "{a: b}", "NEST": "${HOST}", "KEY": "sk-canary"}[name]
	return v, ok
}

func parse(t *testing.T, text string) (config, error) {
	t.Helper()
	var c config
	err := conf.Parse("f.yaml", []byte(text), &c, env)
	return c, err
}

func TestEverything(t *testing.T) {
	t.Parallel()
	c, err := parse(t, `
addr: ${HOST}:${PORT}
port: ${PORT}
ratio: 0.5
on: true
wait: 1m30s
patience: 250ms
size: 10MiB
api_key: "${KEY}"
tags: [a, "b"]
limits: {x: 1, y: -2}
region: eu
providers:
  zeta: {kind: a, api_key: "${KEY}", weight: 1}
  alpha:
    kind: b
    endpoints:
      - url: http://x/${HOST}
  empty:
deep: {level: 1, next: {level: 2}}
extra: {n: 1, f: 1.5, b: true, s: "1", e: "${PORT}", l: [x], z: null}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		Addr: "h:80", Port: 80, Ratio: 0.5, On: true, Wait: 90 * time.Second, Patience: conf.Duration(250 * time.Millisecond),
		Size: 10 << 20, APIKey: "sk-canary", Tags: []string{"a", "b"}, Limits: map[string]int{"x": 1, "y": -2},
		Shared: Shared{Region: "eu"}, Deep: &nested{Level: 1, Next: &nested{Level: 2}},
		Extra: map[string]any{"n": int64(1), "f": 1.5, "b": true, "s": "1", "e": "80", "l": []any{"x"}, "z": nil},
	}
	providers := c.Providers
	c.Providers = conf.Map[provider]{}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %#v\nwant %#v", c, want)
	}
	if got := providers.Keys(); !slices.Equal(got, []string{"zeta", "alpha", "empty"}) {
		t.Errorf("order %v", got)
	}
	var seen []string
	for k, p := range providers.All() {
		seen = append(seen, fmt.Sprint(k, p.Kind, p.Weight, len(p.Endpoints)))
	}
	if !slices.Equal(seen, []string{"zetaa1 0", "alphab7 1", "empty7 0"}) {
		t.Errorf("entries %q", seen)
	}
}

func TestAbsentKeepsDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "addr:\ndeep: ~\n"} {
		c := config{Addr: "default", Limits: map[string]int{"a": 1}}
		if err := conf.Parse("f.yaml", []byte(text), &c, nil); err != nil || c.Addr != "default" || c.Deep != nil || c.Limits["a"] != 1 {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}

// TestProblems: what is wrong, where, and what was probably meant.
func TestProblems(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, text, want string }{
		{"misspelt", "\n\nproviders:\n  claude:\n    api_kye: x", "f.yaml:5: providers.claude.api_kye: unknown field; did you mean api_key?"},
		{"hyphen", "api-key: x", "f.yaml:1: api-key: unknown field; did you mean api_key?"},
		{"case", "Wait: 1s", "f.yaml:1: Wait: unknown field; did you mean wait?"},
		{"unlike anything", "deep: {zzzzzz: 1}", "f.yaml:1: deep.zzzzzz: unknown field; known are level, next"},
		{"hidden", "hidden: x", "f.yaml:1: hidden: unknown field"},
		{"several", "ade: 1\non: 1\nport: x", "f.yaml:1: ade: unknown field; did you mean addr?\nf.yaml:2: on: has to be true or false\nf.yaml:3: port: has to be a whole number, not negative"},
		{"twice", "addr: a\non: true\naddr: b", "f.yaml:3: addr: is given twice, first on line 1"},
		{"twice in a map", "limits:\n  a: 1\n  a: 2", "f.yaml:3: limits.a: is given twice, first on line 2"},
		{"twice in an ordered map", "providers:\n  a: {}\n  a: {}", "f.yaml:3: providers.a: is given twice, first on line 2"},
		{"too large", "port: 70000", "f.yaml:1: port: has to be a whole number, not negative"},
		{"quoted number", "ratio: \"1\"", "f.yaml:1: ratio: has to be a number, without quotes"},
		{"yes", "on: yes", "f.yaml:1: on: has to be true or false"},
		{"not finite", "ratio: .inf", "f.yaml:1: ratio: has to be a number"},
		{"NaN", "ratio: NaN", "f.yaml:1: ratio: has to be a number"},
		{"duration without a unit", "wait: 5", "f.yaml:1: wait: has to be a duration such as 5s, 250ms or 1m30s"},
		{"negative duration", "patience: -5s", "f.yaml:1: patience: has to be a duration such as 5s, 250ms or 1m30s"},
		{"size", "size: 10 apples", "f.yaml:1: size: has to be a size such as 10MiB, 64KB or a number of bytes"},
		{"size that overflows", "size: 9999999999TiB", "f.yaml:1: size: has to be a size such as 10MiB, 64KB or a number of bytes"},
		{"scalar for a list", "tags: a", "f.yaml:1: tags: has to be a list, not a single value"},
		{"mapping for a list", "tags: {a: b}", "f.yaml:1: tags: has to be a list, not a mapping"},
		{"list for text", "addr: [a]", "f.yaml:1: addr: has to be text, not a list"},
		{"list for an ordered map", "providers: [a]", "f.yaml:1: providers: has to be a mapping, not a list"},
		{"scalar for a struct", "deep: 5", "f.yaml:1: deep: has to be a mapping, not a single value"},
		{"in a list", "providers:\n  a:\n    endpoints:\n      - url: x\n      - ulr: y", "f.yaml:5: providers.a.endpoints[1].ulr: unknown field; did you mean url?"},
		{"key that is no text", "? [a]\n: b", "f.yaml:1: has a key that isn't plain text"},
		{"not set", "addr: x\napi_key: ${MISSING}", "f.yaml:2: api_key: the environment variable MISSING isn't set; set it, or write ${MISSING:-default}"},
		{"not closed", "addr: ${HOST", "f.yaml:1: addr: has ${ without }; write $$ for a dollar sign"},
		{"no name", "addr: \"${a b}\"", "f.yaml:1: addr: has ${} around something that is no variable's name; write $$ for a dollar sign"},
		{"the environment isn't quoted", "port: ${KEY}", "f.yaml:1: port: has to be a whole number, not negative"},
		{"the environment isn't YAML", "limits: ${YAML}", "f.yaml:1: limits: has to be a mapping, not a single value"},
		{"two documents", "addr: a\n---\naddr: b", "f.yaml: holds more than one document"},
		{"a list as a whole", "- a", "f.yaml:1: has to be a mapping, not a list"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(t, c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestSyntaxErrorsHaveALine(t *testing.T) {
	t.Parallel()
	for text, line := range map[string]int{"a: [": 1, "a: 1\nb: 2\n  c: 3": 3, "a: 1\n\t- b": 2} {
		_, err := parse(t, text)
		var p conf.Problems
		if !errors.As(err, &p) || p[0].Line != line || !strings.Contains(p[0].Text, "isn't valid YAML") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAliasesAreBounded(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9)+fmt.Sprintf("*%c", c-1))
	}
	for name, text := range map[string]string{"bomb": bomb, "cycle": "a: &x [*x]", "deep": "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		var m map[string]any
		if err := conf.Parse("f", []byte(text), &m, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var c config
	if err := conf.Parse("f", []byte("addr: &a x\nregion: *a"), &c, nil); err != nil || c.Region != "x" {
		t.Errorf("an honest alias gave %q, %v", c.Region, err)
	}
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"a${HOST}b${PORT}":     "ahb80",
		"${MISSING:-d}":        "d",
		"${EMPTY:-d}":          "d",
		"${HOST:-d}":           "h",
		"x${EMPTY}y":           "xy",
		"${MISSING:-}x":        "x",
		"${MISSING:-a:-b}":     "a:-b",
		"$$HOME $HOME $":       "$HOME $HOME $",
		"$${HOST}":             "${HOST}",
		"${NEST}":              "${HOST}",
		"${YAML}":              "{a: b}",
		"'${MISSING:-quoted}'": "'quoted'",
	}
	for in, want := range cases {
		c, err := parse(t, "addr: \""+in+"\"")
		if err != nil || c.Addr != want {
			t.Errorf("%s: %q, %v", in, c.Addr, err)
		}
	}
}

// checked validates itself.
type checked struct {
	Models conf.Map[model]
	Port   int
}

type model struct{ Targets []string }

func (c *checked) Validate() error {
	var errs []error
	if c.Port == 0 {
		errs = append(errs, conf.Invalid("port", "is required"))
	}
	for name, m := range c.Models.All() {
		errs = append(errs, conf.Under("models."+name, m.Validate()))
	}
	return errors.Join(errs...)
}

func (m model) Validate() error {
	if len(m.Targets) < 2 {
		return errors.Join(conf.Invalid("targets[0]", "has to be %s", "known"), errors.New("needs a second target"))
	}
	return nil
}

func TestValidateGetsLines(t *testing.T) {
	t.Parallel()
	var c checked
	err := conf.Parse("f.yaml", []byte("\nmodels:\n  good: {targets: [a, b]}\n  bad:\n    targets:\n      - a\n"), &c, nil)
	want := "f.yaml: port: is required\nf.yaml:4: models.bad: needs a second target\nf.yaml:6: models.bad.targets[0]: has to be known"
	// A path that stands nowhere takes the line of the document.
	if err == nil || strings.ReplaceAll(err.Error(), "f.yaml:2: port", "f.yaml: port") != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := conf.Parse("f.yaml", []byte("port: 1"), &checked{}, nil); err != nil {
		t.Errorf("a valid document: %v", err)
	}
}

// TestLocateNamesTheSource: what doesn't come from the document isn't blamed on it.
func TestLocateNamesTheSource(t *testing.T) {
	t.Parallel()
	d, err := conf.Read("f.yaml", []byte("listen:\n  addr: x\nport: 1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var into struct {
		Listen struct{ Addr string }
		Port   int
	}
	if err := d.Decode(&into); err != nil {
		t.Fatal(err)
	}
	d.From("listen", "LISTEN")
	got := d.Locate(errors.Join(
		conf.Invalid("port", "is taken"), conf.Invalid("listen.addr", "is wrong"), conf.Invalid("listen.more[1]", "is wrong"), conf.Invalid("listener", "is missing")))
	if want := "LISTEN: is wrong\nf.yaml:1: listener: is missing\nf.yaml:3: port: is taken"; got == nil || got.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := conf.Load(filepath.Join(dir, "none.yaml"), &config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(dir, "h.yaml")
	if err := os.WriteFile(path, []byte("adr: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := conf.Load(path, &config{}); err == nil || !strings.HasPrefix(err.Error(), path+":1: adr") {
		t.Errorf("a bad file: %v", err)
	}
	if err := conf.Parse("f", nil, config{}, nil); err == nil {
		t.Error("a struct that isn't a pointer is accepted")
	}
}

func TestSecretDoesntPrint(t *testing.T) {
	t.Parallel()
	const value = "canary"
	s := conf.Secret(value)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, s)
		fmt.Fprintf(&out, verb, struct{ S conf.Secret }{s})
		fmt.Fprintf(&out, verb, []conf.Secret{s})
	}
	text, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "g", slog.GroupValue(slog.Any("s", s)))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s)
	fmt.Fprint(&out, fmt.Errorf("x: %w %v", errors.New("y"), s))
	for _, canary := range []string{value, "63616e617279", "99 97"} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("%q is in the output:\n%s", canary, out.String())
		}
	}
	if s.Reveal() != value || conf.Secret("").String() != "" {
		t.Error("Reveal or the empty secret")
	}
}

func TestUnitsPrintAsTheyAreRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"10MiB": "10MiB", "1024": "1KiB", "64KB": "64000B", "3 GB": "3000000000B", "0": "0B", "5B": "5B"} {
		var b conf.Bytes
		if err := b.UnmarshalText([]byte(in)); err != nil || b.String() != want {
			t.Errorf("%s: %s, %v", in, b, err)
		}
		text, err := b.MarshalText()
		var back conf.Bytes
		if err != nil || back.UnmarshalText(text) != nil || back != b {
			t.Errorf("%s came back as %s", b, back)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"api_key", "base_url", "kind", "endpoints"}
	for in, want := range map[string]string{"api_kye": "api_key", "apikey": "api_key", "baseurl": "base_url", "endpoint": "endpoints", "knid": "kind", "zzz": "", "": ""} {
		if got := conf.Nearest(in, names); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"addr: ${HOST}\nport: 80", "providers:\n  a: {kind: b}\n", "a: &x [*x]", "deep: {next: {next: {level: 1}}}",
		"extra: {a: [1, 2.5, true, null, x]}", "size: 10MiB\nwait: 5s", "? [a]\n: b", "<<: {a: b}", "addr: !!binary aGk=",
		"limits: {a: 1, a: 2}", "addr: \"$${\"", "---\n...\n---\n", "%YAML 1.1\n---\naddr: a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 1
		for _, ending := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // all that YAML knows
			lines += bytes.Count(data, []byte(ending))
		}
		lookup := func(name string) (string, bool) { return "canary-7f3a", len(name) < 4 }
		var c config
		err := conf.Parse("f", data, &c, lookup)
		if err == nil {
			return
		}
		if strings.Contains(err.Error(), "canary-7f3a") {
			t.Errorf("the error quotes the environment: %v", err)
		}
		var problems conf.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines {
				t.Errorf("line %d of %d: %v", p.Line, lines, p)
			}
		}
	})
}
