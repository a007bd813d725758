package openai_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
)

func TestTapEdges(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		data string
		want dialect.Verdict
	}{
		"invalid UTF-8":               {"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}", dialect.Verdict{Action: dialect.Malformed}},
		"more after the value":        {`{"choices":[]} x`, dialect.Verdict{Action: dialect.Malformed}},
		"an array":                    {`[1]`, dialect.Verdict{Action: dialect.Malformed}},
		"no data in the data":         {``, dialect.Verdict{Action: dialect.Malformed}},
		"done, with spaces":           {"  [DONE] ", dialect.Verdict{Action: dialect.Terminal}},
		"done, damaged":               {"[DOME]", dialect.Verdict{Action: dialect.Malformed}},
		"usage without choices":       {`{"usage":{"prompt_tokens":1}}`, dialect.Verdict{Action: dialect.Drop}},
		"usage with null choices":     {`{"choices":null,"usage":{"prompt_tokens":1}}`, dialect.Verdict{Action: dialect.Drop}},
		"usage beside a choice":       {`{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}`, dialect.Verdict{}},
		"usage is null":               {`{"choices":[],"usage":null}`, dialect.Verdict{}},
		"error is a string":           {`{"error":"overloaded"}`, dialect.Verdict{Action: dialect.Failed}},
		"error is false":              {`{"error":false,"choices":[{"delta":{"content":"x"}}]}`, dialect.Verdict{Content: true}},
		"error beside a choice":       {`{"choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502}}`, dialect.Verdict{Action: dialect.Failed}},
		"nothing but empty values":    {`{"choices":[{"delta":{"role":"assistant","content":null,"refusal":null,"tool_calls":[ ],"audio":{}}}]}`, dialect.Verdict{}},
		"content, then nothing":       {`{"choices":[{"delta":{"content":"x","refusal":null,"role":"assistant"}},{"delta":{}}]}`, dialect.Verdict{Content: true}},
		"refusal":                     {`{"choices":[{"delta":{"refusal":"no"}}]}`, dialect.Verdict{Content: true}},
		"names with escapes":          {`{"choic\u0065s":[{"delt\u0061":{"content":"x"}}]}`, dialect.Verdict{Content: true}},
		"choices that aren't objects": {`{"choices":[1,null,"x"]}`, dialect.Verdict{}},
		"nested deep":                 {`{"choices":[{"delta":{"x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}]}`, dialect.Verdict{Content: true}},
		"nested too deep":             {strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600), dialect.Verdict{Action: dialect.Malformed}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := openai.NewTap(dialect.Facts{}).Read(sse.Frame{Data: []byte(c.data)}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTapDropsWhatFollowsTheEnd(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"[DONE]", `{"error":{"message":"x"}}`, `{`} {
		tap := openai.NewTap(dialect.Facts{})
		tap.Read(sse.Frame{Data: []byte(end)})
		for _, next := range []sse.Frame{{Data: []byte("[DONE]")}, {Comment: true}, {Data: []byte(`{"choices":[]}`)}} {
			if got := tap.Read(next); got != (dialect.Verdict{Action: dialect.Drop}) {
				t.Errorf("after %s: %+v", end, got)
			}
		}
	}
}

func TestTapKeepsTheLastUsage(t *testing.T) {
	t.Parallel()
	tap := openai.NewTap(dialect.Facts{})
	for _, usage := range []string{`{"prompt_tokens":10,"completion_tokens":1}`, `null`, `{"prompt_tokens":10,"completion_tokens":0,"prompt_tokens_details":null}`} {
		tap.Read(sse.Frame{Data: []byte(`{"choices":[],"usage":` + usage + `}`)})
	}
	if u := tap.Reading().Usage; u.GetInputTokens() != 10 || u.GetOutputTokens() != 0 {
		t.Errorf("got %v", u)
	}
	if openai.NewTap(dialect.Facts{}).Reading().Usage != nil {
		t.Error("a usage that nobody reported")
	}
}

func TestTapDoesNotAllocate(t *testing.T) {
	tap := openai.NewTap(dialect.Facts{})
	f := sse.Frame{Data: []byte(`{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":" né"},"finish_reason":null}],"usage":null}`)}
	tap.Read(f)
	if n := testing.AllocsPerRun(100, func() { tap.Read(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadResponseRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a page": "<html>", "nothing": "", "an array": "[]", "an error": `{"error":{"message":"x"}}`, "something else": `{"object":"list"}`,
		"choices of another kind": `{"choices":{}}`, "invalid UTF-8": "{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}", "cut": `{"choices":[{}]`,
	} {
		if _, err := openai.ReadResponse([]byte(body)); !isReason(err, errorsv1.Reason_REASON_PROVIDER_MALFORMED) {
			t.Errorf("%s: %v", name, err)
		}
		want := errorsv1.Reason_REASON_PROVIDER_MALFORMED
		if name == "an error" {
			want = errorsv1.Reason_REASON_PROVIDER_ERROR
		}
		if _, err := openai.DecodeResponse([]byte(body), false); !isReason(err, want) {
			t.Errorf("%s, decoded: %v", name, err)
		}
	}
}

func TestReadFactsRefusesDoubleMeanings(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ body, field string }{
		"another case":            {`{"model":"a","Model":"b","messages":[1]}`, "model"},
		"another case only":       {`{"MODEL":"b","messages":[1]}`, "model"},
		"a letter that folds":     {`{"model":"a","\u017ftream":true,"messages":[1]}`, "stream"},
		"the option twice":        {`{"model":"a","messages":[1],"stream_options":{"include_usage":false,"include_us\u0061ge":true}}`, "stream_options.include_usage"},
		"the option is a string":  {`{"model":"a","messages":[1],"stream_options":{"include_usage":"no"}}`, "stream_options.include_usage"},
		"options aren't an array": {`{"model":"a","messages":[1],"stream_options":[]}`, "stream_options"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openai.ReadFacts([]byte(c.body))
			if !isReason(err, errorsv1.Reason_REASON_INVALID_FIELD) || fieldOf(err) != c.field {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := openai.ReadFacts([]byte(`{"model":"a","messages":[1],"MODELS":1,"x":{"Model":2}}`)); err != nil {
		t.Errorf("other names are nobody's business: %v", err)
	}
}

func BenchmarkRewrite(b *testing.B) {
	body := []byte(`{"model":"gpt-5","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 800) + `"}]}`)
	f, err := openai.ReadFacts(body)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		openai.Flavour{}.Rewrite(body, f, "gpt-5-mini")
	}
}
