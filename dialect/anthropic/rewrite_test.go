package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
)

const (
	forgedBlock = `{"type":"thinking", "thinking":"hm","signature":"headgate-unsigned"}`
	realBlock   = `{"type":"thinking","thinking":"hm","signature":"sig"}`
	callBlock   = `{"type":"tool_use","id":"a","name":"f","input":{}}`
	textBlock   = `{"type":"text","text":"headgate-unsigned"}`
)

// TestRewriteTakesForgedThoughtsOut: nothing else changes, not by a byte.
func TestRewriteTakesForgedThoughtsOut(t *testing.T) {
	t.Parallel()
	body := func(thinking string, turns ...string) string {
		return `{"max_tokens":1, ` + thinking + `"model" : "m", "messages" : [ {"role":"user","content":"x"}` + strings.Join(append([]string{""}, turns...), " , ") + ` ] }`
	}
	said := func(blocks ...string) string {
		return `{"role":"assistant","content":[ ` + strings.Join(blocks, " , ") + ` ]}`
	}
	const on, adaptive, off = `"thinking":{"type":"enabled","budget_tokens":2000},`, `"thinking":{"type":"adaptive"} ,`, `"thinking":{"type":"disabled"}, `
	last := `{"role":"user","content":[]}`
	cases := map[string]struct{ in, want string }{
		"first":                 {body(off, said(forgedBlock, textBlock), last), body(off, said(textBlock), last)},
		"last":                  {body("", said(textBlock, forgedBlock)), body("", said(textBlock))},
		"in the middle":         {body("", said(textBlock, forgedBlock, callBlock)), body("", said(textBlock, callBlock))},
		"side by side":          {body("", said(forgedBlock, forgedBlock, textBlock, forgedBlock, forgedBlock)), body("", said(textBlock))},
		"nothing left":          {body("", said(forgedBlock), last), body("", last)},
		"nothing left, at last": {body("", said(forgedBlock)), body("")},
		"a call":                {body(on, said(forgedBlock, callBlock), last), body("", said(callBlock), last)},
		"a call, adaptive":      {body(adaptive, said(forgedBlock, callBlock), last), body("", said(callBlock), last)},
		"a call, no thinking":   {body(off, said(forgedBlock, callBlock), last), body(off, said(callBlock), last)},
		"a call, signed":        {body(on, said(forgedBlock, realBlock, callBlock), last), body(on, said(realBlock, callBlock), last)},
		"an earlier call":       {body(on, said(forgedBlock, callBlock), last, said(realBlock, callBlock), last), body(on, said(callBlock), last, said(realBlock, callBlock), last)},
		"a text of that name":   {body(on, said(textBlock, callBlock)), body(on, said(textBlock, callBlock))},
		"a user's":              {body(on, `{"role":"user","content":[`+forgedBlock+`]}`), body(on, `{"role":"user","content":[`+forgedBlock+`]}`)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := anthropic.ReadFacts([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(anthropic.Rewrite([]byte(c.in), f, "m")); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			want := strings.Replace(c.want, `"m"`, `"other"`, 1)
			if got := string(anthropic.Rewrite([]byte(c.in), f, "other")); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRewriteDoesNotAllocate(t *testing.T) {
	body := []byte(wholeRequest)
	f, err := anthropic.ReadFacts(body)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { anthropic.Rewrite(body, f, f.Model) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRewrite: what comes out is JSON without forged thoughts.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":1,"thinking":{"type":"enabled"},"messages":[{"role":"assistant","content":[`+forgedBlock+`,`+callBlock+`]}]}`), uint64(1))
	f.Add([]byte(`{"thinking":{"type":"enabled"},"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[`+forgedBlock+`]},{"role":"assistant","content":[`+textBlock+`,`+forgedBlock+`,`+forgedBlock+`]}]}`), uint64(2))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		for _, body := range [][]byte{body, mutated(string(body), seed)} {
			facts, err := anthropic.ReadFacts(body)
			if err != nil {
				continue
			}
			out := anthropic.Rewrite(body, facts, "other")
			if !json.Valid(out) {
				t.Fatalf("%s became %s", body, out)
			}
			after, err := anthropic.ReadFacts(out)
			if err != nil && metadata(err, "field") != "messages" || err == nil && after.Model != "other" {
				t.Fatalf("%s became %s: %v", body, out, err)
			}
			if p, err := anthropic.DecodeRequest(out); err == nil {
				for _, m := range p.GetMessages() {
					for _, part := range m.GetParts() {
						if m.GetRole() == assistant && part.GetReasoning().GetSignature() == dialect.Unsigned {
							t.Fatalf("%s became %s", body, out)
						}
					}
				}
			}
		}
	})
}
