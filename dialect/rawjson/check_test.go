package rawjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	good := []string{`{}`, `[]`, `"x"`, `0`, `-0.5e+3`, `true`, `null`, ` {"a" : [1, {"b":"\u00e9\n"}]} `, `"é"`}
	bad := []string{``, ` `, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `[1,]`, `[1 2]`, `01`, `1.`, `.5`, `-`, `1e`, `tru`, `nul`, `"x`, "\"a\nb\"", `"\x"`, `"\u12g4"`, `{} {}`, `'x'`, "\"\xff\""}
	for _, s := range good {
		if err := Check([]byte(s), 64); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range bad {
		var syntax *SyntaxError
		if err := Check([]byte(s), 64); !errors.As(err, &syntax) {
			t.Errorf("%q: %v, want a syntax error", s, err)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := Check(nested(64), 64); err != nil {
		t.Errorf("64 levels: %v", err)
	}
	if err := Check(nested(65), 64); !errors.Is(err, ErrTooDeep) {
		t.Errorf("65 levels: %v", err)
	}
	if err := Check([]byte(strings.Repeat("[", 1_000_000)), 64); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a million brackets: %v", err)
	}
}

func TestObjectFindsMembers(t *testing.T) {
	t.Parallel()
	data := []byte(` { "mod\u0065l" : "x" , "n":[1,2],"o":{"p":1}} `)
	var got []string
	err := Object(data, 64, func(m Member) bool {
		got = append(got, string(m.Name)+"="+string(m.Value)+"="+string(data[m.ValueAt:m.ValueEnd]))
		return true
	})
	want := `model="x"="x",n=[1,2]=[1,2],o={"p":1}={"p":1}`
	if err != nil || strings.Join(got, ",") != want {
		t.Errorf("got %s, %v", strings.Join(got, ","), err)
	}
	if err := Object([]byte(`[1]`), 64, nil); !errors.Is(err, ErrNotObject) {
		t.Errorf("an array: %v", err)
	}
}

func TestSplice(t *testing.T) {
	t.Parallel()
	got := Splice([]byte("abcdef"), Edit{0, 0, []byte("<")}, Edit{1, 3, []byte("BC!")}, Edit{6, 6, []byte(">")})
	if string(got) != "<aBC!def>" {
		t.Errorf("got %s", got)
	}
}

// FuzzCheck compares with encoding/json, which takes invalid UTF-8 where we don't.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u00e9\\"],"b":null}`, `"\ud83d\ude00"`, `{"a":`, "\"\x01\"", `[]]`, "12345678\"", `{"aaaaaaa\"aaaaaaaaaaa":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want := json.Valid(data) && utf8.Valid(data)
		err := Check(data, 10_000)
		if (err == nil) != want {
			t.Fatalf("%q: %v, encoding/json says %v", data, err, want)
		}
		if want {
			checkStrings(t, data)
		}
	})
}

// checkStrings compares Unquote and the walkers with encoding/json.
func checkStrings(t *testing.T, data []byte) {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return
	}
	switch v := value.(type) {
	case string:
		trimmed := []byte(strings.TrimSpace(string(data)))
		if got, ok := Unquote(trimmed); !ok || string(got) != v {
			t.Fatalf("%q: unquoted %q, want %q", data, got, v)
		}
	case map[string]any:
		seen := make(map[string]bool)
		if err := Object(data, 10_000, func(m Member) bool { seen[string(m.Name)] = true; return true }); err != nil {
			t.Fatal(err)
		}
		if len(seen) != len(v) {
			t.Fatalf("%q: %d members, want %d", data, len(seen), len(v))
		}
	case []any:
		n := 0
		if !Array(data, func([]byte) bool { n++; return true }) || n != len(v) {
			t.Fatalf("%q: %d elements, want %d", data, n, len(v))
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\n\x00é")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		var got string
		if err := json.Unmarshal(Quote(nil, []byte(s)), &got); err != nil || got != s {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
	})
}
