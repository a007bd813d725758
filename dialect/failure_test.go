package dialect_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect"
)

const (
	maxMessageBytes = 2 << 10
	noExplanation   = "the provider answered 503 without an explanation"
)

func TestDecodeErrorShapes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body string
		want dialect.ProviderError
	}{
		"OpenAI":            {`{"error":{"message":"m","type":"t","param":"p","code":"c"}}`, dialect.ProviderError{Message: "m", Type: "t", Param: "p", Code: "c"}},
		"Anthropic":         {`{"type":"error","error":{"type":"overloaded_error","message":"m"},"request_id":"r"}`, dialect.ProviderError{Message: "m", Type: "overloaded_error"}},
		"TGI":               {`{"error":"m","error_type":"validation"}`, dialect.ProviderError{Message: "m", Type: "validation"}},
		"FastAPI, sentence": {`{"detail":"m"}`, dialect.ProviderError{Message: "m"}},
		"FastAPI, list":     {`{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}`, dialect.ProviderError{Message: "m"}},
		"Google":            {`[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]`, dialect.ProviderError{Message: "m", Code: "503"}},
		"null error":        {`{"error":null,"message":"m"}`, dialect.ProviderError{Message: "m"}},
		"no message":        {`{"error":{"type":"t"}}`, dialect.ProviderError{Message: noExplanation, Type: "t"}},
		"an empty list":     {` [] `, dialect.ProviderError{Message: noExplanation}},
		"cut":               {`{"error":{"message":"m"`, dialect.ProviderError{Message: noExplanation}},
		"long text":         {strings.Repeat("é", 3000), dialect.ProviderError{Message: strings.Repeat("é", maxMessageBytes/2)}},
		"odd long text":     {"x" + strings.Repeat("é", 3000), dialect.ProviderError{Message: "x" + strings.Repeat("é", maxMessageBytes/2-1)}},
		"long message":      {`{"error":{"message":"` + strings.Repeat("é", 3000) + `"}}`, dialect.ProviderError{Message: strings.Repeat("é", maxMessageBytes/2)}},
		"odd long message":  {`{"error":{"message":"x` + strings.Repeat("é", 3000) + `"}}`, dialect.ProviderError{Message: "x" + strings.Repeat("é", maxMessageBytes/2-1)}},
		"invalid UTF-8":     {"a\xffb", dialect.ProviderError{Message: "ab"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.Status = 503
			if got := dialect.DecodeError(503, []byte(c.body)); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func FuzzDecodeError(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"m","code":4}}`, `{"error":"x"}`, `[{"detail":[{"msg":"\ud800"}]}]`, "<html>", "\xff", `{"error":{"message":""}}`, "{\"error\":\"\xe2\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p := dialect.DecodeError(500, body)
		if p.Message == "" || len(p.Message) > maxMessageBytes || !utf8.ValidString(p.Message+p.Type+p.Code+p.Param) || len(p.Code) > 256 {
			t.Fatalf("%+v", p)
		}
	})
}
