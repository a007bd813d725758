package sim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseScript(t *testing.T) {
	t.Parallel()
	p, err := parseScript(newPlan(), " status = 503 ;; ttft=200ms, slow,chunks=5,cut=0,padding=off,garbage,times=2 ")
	if err != nil {
		t.Fatal(err)
	}
	if p.status != 503 || p.ttft != 200*time.Millisecond || !p.slow || p.dribble != time.Millisecond || p.chunks != 5 ||
		p.cut != 0 || p.padding || p.garbage != "html" || p.times != 2 || p.reset != never {
		t.Errorf("plan %+v", p)
	}
	if p, err = parseScript(p, "none"); err != nil || p != newPlan() {
		t.Errorf("none leaves %+v, %v", p, err)
	}
}

func TestParseScriptRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"explode", "status", "status=200", "status=x", "retry_after=-1", "retry_after=NaN", "should_retry=maybe", "code", "ttft", "ttft=5",
		"ttft=-1s", "ttft=2h", "chunks=0", "chunk_bytes=x", "chunks=1048576,chunk_bytes=1048576", "split=0", "cut", "cut=-1", "crlf=1",
		"malformed=0", "cache=maybe", "garbage=xml", "padding=maybe", "slow=x", "times=0", "none=1", "hang=1",
	} {
		if _, err := parseScript(newPlan(), s); err == nil {
			t.Errorf("%q is taken", s)
		} else if name, _, _ := strings.Cut(s, "="); !strings.Contains(err.Error(), name) {
			t.Errorf("%q: the error %q doesn't name the word", s, err)
		}
	}
}

func TestReadmeExplainsEveryWord(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range vocabulary {
		if !strings.Contains(string(readme), "`"+name+"`") && !strings.Contains(string(readme), "`"+name+"=") {
			t.Errorf("%s isn't explained", name)
		}
	}
}

func FuzzParseScript(f *testing.F) {
	for _, s := range []string{"", "status=503,retry_after=2", "ttft=1ms;;slow", "none", "cut=,=,x", "chunks=9,chunk_bytes=9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseScript(newPlan(), s)
		if err != nil {
			return
		}
		if p.chunks*max(p.chunkBytes, 1) > maxAnswer || p.ttft < 0 || p.ttft > longest || p.split < 0 || p.cut < never {
			t.Errorf("%q gives %+v", s, p)
		}
		if again, err := parseScript(p, s); err != nil || again != p {
			t.Errorf("%q isn't idempotent: %+v, %v", s, again, err)
		}
	})
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"", "hello, world!", "  a  b ", "你好 ü", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n int
		for _, tok := range byTokens(s) {
			n += tokens(tok)
		}
		if n != tokens(s) {
			t.Errorf("%q: pieces have %d tokens, the whole %d", s, n, tokens(s))
		}
		if join(append(byTokens(s), "")) != s || join(append(byBytes(s, 3), "")) != s {
			t.Errorf("%q isn't the sum of its pieces", s)
		}
		if head, _ := firstTokens(s, 2); tokens(head) > 2 {
			t.Errorf("%q cut to %q", s, head)
		}
	})
}

func FuzzSample(f *testing.F) {
	f.Add(`{"type":"object","properties":{"b":{"type":["null","string"]},"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"enum":[1]}}}`)
	f.Add(`{"$ref":"#"}`)
	f.Add(`{"type":"array","minItems":99999,"items":{"type":"array","minItems":99,"items":{"type":"string","minLength":999}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := sample(json.RawMessage(s)); json.Valid([]byte(s)) && !json.Valid(got) {
			t.Errorf("%s gives %s", s, got)
		}
	})
}

func TestSample(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ schema, want string }{
		"order":     {`{"properties":{"z":{"type":"boolean"},"a":{"type":"null"}}}`, `{"z":true,"a":null}`},
		"enum":      {`{"enum":["x", "y"]}`, `"x"`},
		"const":     {`{"const":{"a": 1}}`, `{"a":1}`},
		"nullable":  {`{"type":["null","integer"],"minimum":4.5}`, `5`},
		"exclusive": {`{"type":"number","exclusiveMinimum":2,"maximum":2.5}`, `2.5`},
		"any":       {`{"anyOf":[{"type":"integer","maximum":0},{"type":"null"}]}`, `0`},
		"format":    {`{"type":"string","format":"date"}`, `"2025-01-02"`},
		"short":     {`{"type":"string","maxLength":3}`, `"sam"`},
		"long":      {`{"type":"string","minLength":14}`, `"sample valuexx"`},
		"items":     {`{"type":"array","minItems":2,"items":{"const":1}}`, `[1,1]`},
		"ref":       {`{"type":"object","properties":{"p":{"$ref":"#/$defs/a~1b"}},"$defs":{"a/b":{"type":"integer"}}}`, `{"p":1}`},
	}
	for name, tt := range tests {
		if got := string(sample(json.RawMessage(tt.schema))); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
