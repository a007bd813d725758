package complexity_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/complexity"
)

func asOpenAI(t testing.TB, p *llmv1.Prompt) []byte {
	t.Helper()
	body, _, err := openai.Flavour{}.EncodeRequest(p, dialect.Ask{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func asAnthropic(t testing.TB, p *llmv1.Prompt) []byte {
	t.Helper()
	body, _, err := anthropic.EncodeRequest(p, dialect.Ask{Model: "claude-opus-4-6"})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestEveryWayIn: a prompt scores the same as it is, as a body of either dialect, and read from that.
func TestEveryWayIn(t *testing.T) {
	t.Parallel()
	var all []sample
	for _, file := range []string{"labelled.jsonl", "second.jsonl", "held_out.jsonl"} {
		all = append(all, samples(t, file)...)
	}
	for _, s := range all {
		p := s.typed()
		if s.MaxOutput == 0 { // Anthropic wants a bound, and its encoder makes one up
			bound := int64(2048)
			p.Sampling = &llmv1.Sampling{MaxOutputTokens: &bound}
		}
		same(t, p)
	}
}

// same checks all ways in against the prompt's own score and shape.
func same(t *testing.T, p *llmv1.Prompt) {
	t.Helper()
	want, shape := complexity.Prompt(p), complexity.ShapeOfPrompt(p)
	for name, d := range map[string]struct {
		body   []byte
		decode func([]byte) (*llmv1.Prompt, error)
	}{
		"openai":    {asOpenAI(t, p), openai.DecodeRequest},
		"anthropic": {asAnthropic(t, p), anthropic.DecodeRequest},
	} {
		decoded, err := d.decode(d.body)
		if err != nil {
			t.Fatal(err)
		}
		for way, got := range map[string]float64{
			"body": complexity.Body(d.body), "escaped": complexity.Body(escaped(t, d.body)), "decoded": complexity.Prompt(decoded),
		} {
			if got != want {
				t.Errorf("%s, %s: %v, and the prompt is %v: %s", name, way, got, want, d.body)
			}
		}
		if got := complexity.ShapeOf(d.body); got != shape || complexity.ShapeOfPrompt(decoded) != shape {
			t.Errorf("%s: %+v, and the prompt is %+v: %s", name, got, shape, d.body)
		}
	}
}

// escaped writes every character beyond ASCII as \uXXXX, as Python's clients do.
func escaped(t testing.TB, body []byte) []byte {
	t.Helper()
	var b strings.Builder
	for _, r := range string(body) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		}
	}
	return []byte(b.String())
}

// conversation is a prompt with all that counts: instructions, turns, calls and results, a picture.
func conversation() *llmv1.Prompt {
	bound := int64(8000)
	text := func(s string) *llmv1.Part {
		return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}}
	}
	return &llmv1.Prompt{
		System: "You plan.\n- Never guess.\n- Always verify \U0001d400 the result.",
		Messages: []*llmv1.Message{
			said(llmv1.Role_ROLE_USER, "Find out why the build fails. Prove your hypothesis."),
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
				text("I look at the log first."),
				{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "call_1", Name: "read", Arguments: `{"path":"prove/derive"}`}}},
			}},
			{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{
				Id: "call_1", Parts: []*llmv1.Part{text("error: no space left on device")},
			}}}}},
			said(llmv1.Role_ROLE_ASSISTANT, "The disk is full."),
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
				text("And this picture?\n1. explain\n2. fix\n\t3) test"), text("It's «neu»."),
				{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{Modality: llmv1.Modality_MODALITY_IMAGE, MimeType: "image/png", Data: []byte("prove derive")}}},
			}},
		},
		Tools:    []*llmv1.Tool{{Name: "read", Description: "prove", InputSchema: `{"type":"object"}`}, {Name: "write", InputSchema: `{"type":"object"}`}},
		Sampling: &llmv1.Sampling{MaxOutputTokens: &bound},
		ResponseFormat: &llmv1.ResponseFormat{
			Kind: llmv1.ResponseFormatKind_RESPONSE_FORMAT_KIND_JSON_SCHEMA, Name: "answer", Schema: `{"type":"object","properties":{"cause":{"type":"string"}}}`,
		},
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	p := conversation()
	same(t, p)
	if got, want := complexity.ShapeOfPrompt(p), (complexity.Shape{Tools: 2, Messages: 5, Media: true}); got != want {
		t.Errorf("got %+v", got)
	}
}

// TestRaises: each trait that is documented moves the score the way it should.
func TestRaises(t *testing.T) {
	t.Parallel()
	const base = "Tell me about ships and the sea."
	ask := func(s string) sample { return sample{Prompt: s} }
	for name, c := range map[string]struct{ low, high sample }{
		"length":        {ask(base), ask(base + strings.Repeat(" Ships go out to sea and come home.", 10))},
		"hard words":    {ask(base), ask(base + " Prove it.")},
		"another word":  {ask(base + " Prove it."), ask(base + " Prove it; derive it.")},
		"work":          {ask(base), ask(base + " Explain it.")},
		"maths":         {ask(base), ask(base + " ∫ x² dx ≤ 3")},
		"TeX":           {ask(base), ask(base + ` \frac{a}{b}`)},
		"code":          {ask(base), ask(base + "\n```\nfunc f() { return x[1]; }\n```")},
		"items":         {ask(base), ask(base + "\n- big\n- red\n* old\n4. wet\n5) new\n• dry")},
		"demands":       {ask(base), ask(base + " You must name at least one.")},
		"commas":        {ask("One red ship and a blue one and a big one"), ask("One red ship, a blue one, a big one")},
		"figures":       {ask("Tell me of ships and tons"), ask("Tell me of 3 ships and 1,000.5 tons")},
		"questions":     {ask("Why is the sea so blue, and how deep?"), ask("Why is the sea so blue? And how deep? Why?")},
		"ease":          {ask(base + " Translate it."), ask(base + " Describe it.")},
		"quoted":        {ask(`Say "prove and derive the theorem".`), ask("Say prove and derive the theorem.")},
		"instructions":  {ask(base), sample{Prompt: base, System: "Derive each step. Never guess. Justify everything."}},
		"context":       {ask(base), sample{Prompt: base, Before: []string{"Hi.", strings.Repeat("Ships sail. ", 500)}}},
		"turns":         {ask(base), sample{Prompt: base, Before: []string{base, base}}},
		"earlier turns": {sample{Prompt: "Why?", Before: []string{base, base}}, sample{Prompt: "Why?", Before: []string{"Prove the theorem of Gauss.", base}}},
		"fading": {
			sample{Prompt: "Why?", Before: []string{"Prove the theorem of Gauss.", base, "Thanks.", base, "Bye.", base}},
			sample{Prompt: "Why?", Before: []string{"Thanks.", base, "Bye.", base, "Prove the theorem of Gauss.", base}},
		},
		"tools":      {ask(base), sample{Prompt: base, Tools: 3}},
		"more tools": {sample{Prompt: base, Tools: 3}, sample{Prompt: base, Tools: 9}},
		"thinking":   {sample{Prompt: base, Effort: "low"}, sample{Prompt: base, Effort: "medium"}},
		"effort":     {sample{Prompt: base, Effort: "medium"}, sample{Prompt: base, Effort: "high"}},
		"schema":     {ask(base), sample{Prompt: base, Schema: `{"type":"object","properties":{"a":{"type":"string"}}}`}},
		"long":       {sample{Prompt: base, MaxOutput: 4096}, sample{Prompt: base, MaxOutput: 32000}},
		"short":      {sample{Prompt: base, MaxOutput: 5}, sample{Prompt: base, MaxOutput: 256}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			low, high := complexity.Prompt(c.low.typed()), complexity.Prompt(c.high.typed())
			if low >= high || low < 0 || high > 1 {
				t.Errorf("%v isn't below %v", low, high)
			}
		})
	}
}

func TestShapeOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want complexity.Shape
	}{
		"nothing":           {``, complexity.Shape{}},
		"no object":         {`[1]`, complexity.Shape{}},
		"openai":            {`{"messages":[{"role":"system","content":"x"},{"content":"y","role":"user"}],"tools":[{},{}]}`, complexity.Shape{Tools: 2, Messages: 1}},
		"developer":         {`{"messages":[{"role":"developer","content":"x"},{"role":"user","content":"y"}]}`, complexity.Shape{Messages: 1}},
		"picture":           {`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]}`, complexity.Shape{Messages: 1, Media: true}},
		"anthropic":         {`{"system":"x","messages":[{"role":"user","content":[{"source":{"type":"base64"},"type":"image"}]}],"tools":[{"name":"a"}]}`, complexity.Shape{Tools: 1, Messages: 1, Media: true}},
		"picture of a tool": {`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image"}]}]}]}`, complexity.Shape{Messages: 1, Media: true}},
		"odd kinds":         {`{"messages":{"role":"user"},"tools":"none"}`, complexity.Shape{}},
		"null content":      {`{"messages":[{"role":"assistant","content":null},{"role":"tool","content":"x"}],"tools":null}`, complexity.Shape{Messages: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := complexity.ShapeOf([]byte(c.body)); got != c.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestOtherSpellings: ways to say the same score the same.
func TestOtherSpellings(t *testing.T) {
	t.Parallel()
	const messages = `"messages":[{"role":"user","content":"Tell me about ships."}]`
	for name, c := range map[string][2]string{
		"role last":      {`{` + messages + `}`, `{"messages":[{"content":"Tell me about ships.","role":"user"}]}`},
		"list of parts":  {`{` + messages + `}`, `{"messages":[{"role":"user","content":[{"text":"Tell me","type":"text"},{"type":"text","text":"about ships."}]}]}`},
		"bound":          {`{"max_tokens":9000,` + messages + `}`, `{"max_completion_tokens":9000,` + messages + `}`},
		"budget":         {`{"reasoning_effort":"high",` + messages + `}`, `{"thinking":{"type":"enabled","budget_tokens":16384},` + messages + `}`},
		"medium budget":  {`{"reasoning_effort":"medium",` + messages + `}`, `{"thinking":{"type":"enabled","budget_tokens":9000},` + messages + `}`},
		"disabled":       {`{` + messages + `}`, `{"thinking":{"type":"disabled","budget_tokens":16384},` + messages + `}`},
		"TGI's schema":   {`{"response_format":{"type":"json_schema","json_schema":{"schema":{"a":1}}},` + messages + `}`, `{"response_format":{"type":"json","value":{"a":1}},` + messages + `}`},
		"instructions":   {`{"system":"Prove it.",` + messages + `}`, `{"messages":[{"role":"developer","content":"Prove it."},{"role":"user","content":"Tell me about ships."}]}`},
		"two in a row":   {`{` + messages + `}`, `{"messages":[{"role":"user","content":"Tell me"},{"role":"user","content":"about ships."}]}`},
		"accents":        {`{"messages":[{"role":"user","content":"démontrer"}]}`, `{"messages":[{"role":"user","content":"De\u0301MONTRER"}]}`},
		"escapes":        {`{"messages":[{"role":"user","content":"prove\nit / \"now\""}]}`, `{"messages":[{"role":"user","content":"\u0070rove\u000ait \/ \u0022now\u0022"}]}`},
		"half surrogate": {`{"messages":[{"role":"user","content":"ships \ufffd."}]}`, `{"messages":[{"role":"user","content":"ships \ud800."}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := complexity.Body([]byte(c[0])), complexity.Body([]byte(c[1]))
			if a != b || a == 0 {
				t.Errorf("%v and %v", a, b)
			}
		})
	}
}

// TestLinear: ten times the text takes about ten times as long, whatever is in it, up to 10 MiB.
func TestLinear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unit string
		size int
	}{
		"words": {"prove it ", 1 << 20}, "a word": {"a", 1 << 17}, "hyphens": {"-", 1 << 17}, "escapes": {`\n`, 1 << 17},
		"quotes": {`\"`, 1 << 17}, "ideographs": {"証明", 1 << 17}, "unicode": {`\u8bc1`, 1 << 17}, "fences": {"```", 1 << 17}, "digits": {"1", 1 << 17},
	} {
		t.Run(name, func(t *testing.T) {
			took := func(size int) time.Duration {
				body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat(c.unit, size/len(c.unit)) + `"}]}`)
				var runs []time.Duration
				for range 3 {
					start := time.Now()
					complexity.Body(body)
					runs = append(runs, time.Since(start))
				}
				return slices.Min(runs)
			}
			one, ten := took(c.size), took(10*c.size)
			t.Logf("%d bytes %v, ten times that %v", c.size, one, ten)
			if ten > 40*one+20*time.Millisecond {
				t.Errorf("%d bytes take %v, ten times that %v", c.size, one, ten)
			}
		})
	}
}

// FuzzBody: no body breaks the reader, a score is within its bounds, and what decodes scores as it is decoded.
func FuzzBody(f *testing.F) {
	for _, s := range samples(f, "second.jsonl") {
		f.Add(s.Prompt)
	}
	f.Add("a-\u0301`` ```\n12.) * \\frac \"x")
	f.Fuzz(func(t *testing.T, text string) {
		complexity.Body([]byte(text))
		text = strings.ToValidUTF8(text, "")
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		body := slices.Concat([]byte(`{"model":"m","messages":[{"role":"user","content":`), quoted, []byte(`}]}`))
		got, want := complexity.Body(body), complexity.Prompt(&llmv1.Prompt{Messages: []*llmv1.Message{said(llmv1.Role_ROLE_USER, text)}})
		if got != want || got < 0 || got > 1 || got != complexity.Body(escaped(t, body)) {
			t.Errorf("%q: the body scores %v, the text %v", text, got, want)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	for name, unit := range map[string]string{
		"prose":  "The quick brown fox explains why it jumps over the lazy dog, and proves it. ",
		"code":   `for (int i = 0; i < n; i++) {\n    dst[i + 1] = src[i] * 0.5f;\n}\n`,
		"escape": `Erkl\u00e4re mir, warum Schiffe schwimmen \u2014 bitte. `,
		"zh":     "证明任意六个人中必有三个人互相认识。",
		"ru":     "Объясни, чем отличается карта. ",
	} {
		body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(unit, 1+4000/len(unit)) + `"}]}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				complexity.Body(body)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(body))*1024/1000, "us/KB")
		})
	}
}

func BenchmarkShapeOf(b *testing.B) {
	body := asOpenAI(b, conversation())
	body = bytes.Replace(body, []byte("And this picture?"), bytes.Repeat([]byte("And this picture? "), 200), 1)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		complexity.ShapeOf(body)
	}
}
