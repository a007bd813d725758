package rawjson

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// walk takes objects apart with a cursor and returns them without spaces and scalars.
func walk(c *Cursor) string {
	if !c.Object() {
		return ""
	}
	var members []string
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		members = append(members, string(name)+":"+walk(c))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestCursor(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ in, want string }{
		"scalar":        {` 1 `, ""},
		"empty":         {` { } `, "{}"},
		"members":       {`{"a":{"b":{}},"c":[1],"d":{}}`, "{a:{b:{}},c:,d:{}}"},
		"escaped names": {`{"\u0061\n":{}}`, "{a\n:{}}"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cur := NewCursor([]byte(c.in), 8)
			if got := walk(&cur); got != c.want || cur.End() != nil {
				t.Errorf("got %s, %v", got, cur.End())
			}
		})
	}
}

func TestCursorArray(t *testing.T) {
	t.Parallel()
	cur := NewCursor([]byte(` [ 1 , "x" ,[2, 3], {} ] `), 8)
	var got []string
	if !cur.Array() {
		t.Fatal("it is an array")
	}
	for cur.Element() {
		got = append(got, string(cur.Value()))
	}
	if want := `1|"x"|[2, 3]|{}`; strings.Join(got, "|") != want || cur.End() != nil {
		t.Errorf("got %s, %v", strings.Join(got, "|"), cur.End())
	}
}

func TestCursorTooDeep(t *testing.T) {
	t.Parallel()
	cur := NewCursor([]byte(`{"a":{"b":{}}}`), 2)
	_ = walk(&cur)
	if err := cur.End(); !errors.Is(err, ErrTooDeep) {
		t.Errorf("got %v", err)
	}
}

// stepThrough walks every object and array, whatever the text is.
func stepThrough(c *Cursor, first byte) {
	switch first {
	case '{':
		for ok := c.Object(); ok; {
			if _, ok = c.Member(); ok {
				c.s.space()
				stepThrough(c, c.s.peek())
			}
		}
	case '[':
		for ok := c.Array(); ok; {
			if ok = c.Element(); ok {
				c.s.space()
				stepThrough(c, c.s.peek())
			}
		}
	default:
		c.Skip()
	}
}

// FuzzCursor: stepping through a text finds it valid exactly where scanning it does.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}],"c":"x\n"}`, `[,1]`, `{"a":1,}`, `[1,]`, `{,}`, `{"a" 1}`, "[\"\xff\"]", `[[[]]`, `1 2`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := NewCursor(data, 20)
		c.s.space()
		stepThrough(&c, c.s.peek())
		got, want := c.End(), Check(data, 20)
		if (got == nil) != (want == nil) || errors.Is(got, ErrTooDeep) != errors.Is(want, ErrTooDeep) {
			t.Fatalf("%q: stepping says %v, scanning %v", data, got, want)
		}
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ in, want string }{
		"only":   {`{ "x" : 1 }`, `{  }`},
		"first":  {`{"x":1, "b":2}`, `{ "b":2}`},
		"middle": {`{"a":1,"x":[1,2] ,"b":2}`, `{"a":1,"b":2}`},
		"last":   {`{"a":1 , "x":"," }`, `{"a":1  }`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.in
			if err := Object([]byte(c.in), 8, func(m Member) bool {
				if string(m.Name) == "x" {
					got = string(Splice([]byte(c.in), Remove([]byte(c.in), m)))
				}
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if got != c.want || Check([]byte(got), 8) != nil {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestSpliceLeavesOut(t *testing.T) {
	t.Parallel()
	got := Splice([]byte("abc"), Edit{1, 2, []byte("B")}, Edit{0, 1, []byte("!")}, Edit{3, 2, nil}, Edit{2, 9, nil})
	if string(got) != "aBc" {
		t.Errorf("got %s", got)
	}
}

func TestQuoteReplacesInvalidUTF8(t *testing.T) {
	t.Parallel()
	if got := Quote(nil, []byte("a\xffé")); string(got) != "\"a\ufffdé\"" {
		t.Errorf("got %s", got)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{``: true, `null`: true, `""`: true, `[ ]`: true, "{\n}": true, `0`: false, `false`: false, `" "`: false, `[0]`: false, `{"a":1}`: false} {
		if got := Empty([]byte(value)); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

// TestScanningIsLinear: text made to be searched again and again takes seconds where scanning isn't.
func TestScanningIsLinear(t *testing.T) {
	t.Parallel()
	const n = 2 << 20
	for name, text := range map[string]string{
		"escapes": `"` + strings.Repeat(`\n`, n) + `"`, "quotes": `[` + strings.Repeat(`"",`, n) + `0]`, "spaces": strings.Repeat(" ", 4*n) + "0",
	} {
		start := time.Now()
		if err := Check([]byte(text), 8); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(text))
		}
	}
}

// request is a chat request of 4 KB, as SDKs write them.
func request() []byte {
	turn := `{"role":"user","content":"What the reader says, in \"words\" that take some room on a line.\nAnd a second line of it, without anything special."},`
	tool := `{"type":"function","function":{"name":"look_up","parameters":{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer"}}}}}`
	return []byte(`{"model":"gpt-5","stream":true,"temperature":0.2,"tools":[` + tool + `],"messages":[` + strings.Repeat(turn, 25) + `{"role":"user","content":"x"}]}`)
}

func BenchmarkCheck4KB(b *testing.B) {
	data := request()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(data, 64); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	data := request()
	if n := testing.AllocsPerRun(100, func() { _ = Check(data, 64) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
