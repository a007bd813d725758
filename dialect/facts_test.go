package dialect_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const messages = `"messages":[{"role":"user","content":"x"}]`

func TestReadFactsRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ body, reason, field string }{
		"no JSON":               {`{"model":`, "INVALID_JSON", ""},
		"empty":                 {``, "INVALID_JSON", ""},
		"an array":              {`[]`, "INVALID_JSON", ""},
		"more text":             {`{"model":"m","max_tokens":1,` + messages + `} {}`, "INVALID_JSON", ""},
		"invalid UTF-8":         {"{\"model\":\"m\",\"max_tokens\":1,\"x\":\"\xff\"," + messages + `}`, "INVALID_JSON", ""},
		"too deep":              {`{"model":"m","max_tokens":1,"messages":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "TOO_DEEP", ""},
		"no model":              {`{"max_tokens":1,` + messages + `}`, "MISSING_FIELD", "model"},
		"model is a number":     {`{"model":5,"max_tokens":1,` + messages + `}`, "INVALID_FIELD", "model"},
		"model is empty":        {`{"model":"","max_tokens":1,` + messages + `}`, "INVALID_FIELD", "model"},
		"model twice":           {`{"model":"a","max_tokens":1,` + messages + `,"mod\u0065l":"b"}`, "INVALID_FIELD", "model"},
		"no messages":           {`{"model":"m","max_tokens":1}`, "MISSING_FIELD", "messages"},
		"messages are a string": {`{"model":"m","max_tokens":1,"messages":"x"}`, "INVALID_FIELD", "messages"},
		"messages are empty":    {`{"model":"m","max_tokens":1,"messages":[]}`, "INVALID_FIELD", "messages"},
		"stream is a string":    {`{"model":"m","max_tokens":1,"stream":"yes",` + messages + `}`, "INVALID_FIELD", "stream"},
		"max_tokens is text":    {`{"model":"m","max_tokens":"x",` + messages + `}`, "INVALID_FIELD", "max_tokens"},
		"max_tokens below 0":    {`{"model":"m","max_tokens":-1,` + messages + `}`, "INVALID_FIELD", "max_tokens"},
	}
	readers := map[string]func([]byte) (dialect.Facts, error){"openai": openai.ReadFacts, "anthropic": anthropic.ReadFacts}
	for name, c := range cases {
		for d, read := range readers {
			t.Run(d+"/"+name, func(t *testing.T) {
				t.Parallel()
				_, err := read([]byte(c.body))
				var f *fault.Error
				if !errors.As(err, &f) || fault.Code(f.Reason) != c.reason || f.Metadata["field"] != c.field {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func TestAnthropicWantsABound(t *testing.T) {
	t.Parallel()
	var f *fault.Error
	if _, err := anthropic.ReadFacts([]byte(`{"model":"m",` + messages + `}`)); !errors.As(err, &f) || f.Metadata["field"] != "max_tokens" {
		t.Errorf("got %v", err)
	}
}

// TestRewriteOpenAI: what comes out is the client's text but for what has to change.
func TestRewriteOpenAI(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ in, want string }{
		"nothing to change":   {`{ "model":"m", ` + messages + `}`, `{ "model":"m", ` + messages + `}`},
		"stream":              {`{"model":"m","stream":true,` + messages + `}`, `{"model":"m","stream_options":{"include_usage":true},"stream":true,` + messages + `}`},
		"options are null":    {`{"stream_options":null,"model":"m","stream":true,` + messages + `}`, `{"stream_options":{"include_usage":true},"model":"m","stream":true,` + messages + `}`},
		"options are empty":   {`{"model":"m","stream":true,"stream_options":{ },` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true },` + messages + `}`},
		"other options":       {`{"model":"m","stream":true,"stream_options":{"include_obfuscation":false},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},` + messages + `}`},
		"usage not wanted":    {`{"model":"m","stream":true,"stream_options":{"include_usage" : false},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage" : true},` + messages + `}`},
		"usage wanted":        {`{"model":"m","stream":true,"stream_options":{"include_usage":true},` + messages + `}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true},` + messages + `}`},
		"no stream, no usage": {`{"model":"m","stream":false,` + messages + `}`, `{"model":"m","stream":false,` + messages + `}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := openai.ReadFacts([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(openai.Flavour{}.Rewrite([]byte(c.in), f, "m")); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRewriteModel(t *testing.T) {
	t.Parallel()
	in := []byte(`{"max_tokens":1, "model" : "al\u0069as",` + messages + `,"big":12345678901234567890.10}`)
	f, err := anthropic.ReadFacts(in)
	if err != nil || f.Model != "alias" {
		t.Fatalf("%+v, %v", f, err)
	}
	want := `{"max_tokens":1, "model" : "real \"one\"",` + messages + `,"big":12345678901234567890.10}`
	if got := string(anthropic.Rewrite(in, f, `real "one"`)); got != want {
		t.Errorf("got %s", got)
	}
}

// FuzzReadFacts: no body breaks the readers, and a rewritten body is the same JSON but for the model and the options.
func FuzzReadFacts(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":1,"stream":true,"stream_options":{"include_usage":false},` + messages + `}`))
	f.Add([]byte(`{"model":"m","model":"n"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		checkRewrite(t, body, openai.ReadFacts, openai.Flavour{}.Rewrite)
		checkRewrite(t, body, anthropic.ReadFacts, anthropic.Rewrite)
	})
}

func checkRewrite(t *testing.T, body []byte, read func([]byte) (dialect.Facts, error), rewrite func([]byte, dialect.Facts, string) []byte) {
	t.Helper()
	f, err := read(body)
	if err != nil {
		return
	}
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(body, &before); err != nil {
		t.Fatalf("%q: taken, and isn't JSON: %v", body, err)
	}
	out := rewrite(body, f, "another")
	if err := json.Unmarshal(out, &after); err != nil {
		t.Fatalf("%q became %q: %v", body, out, err)
	}
	if string(after["model"]) != `"another"` {
		t.Fatalf("%q became %q", body, out)
	}
	for name, value := range before {
		if name != "model" && name != "stream_options" && string(after[name]) != string(value) {
			t.Fatalf("%s changed: %q became %q", name, body, out)
		}
	}
}
