package openai_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/openai"
)

func TestRewriteMessages(t *testing.T) {
	t.Parallel()
	long := "chatcmpl-tool-0123456789abcdef0123456789abcdef"
	short := dialect.ToolID(long, dialect.OpenAIToolID)
	mistral := dialect.ToolID("call_1", dialect.MistralToolID)
	keeps, plain := openai.Flavour{Reasoning: "reasoning"}, openai.Flavour{}
	cases := map[string]struct {
		f              openai.Flavour
		messages, want string
	}{
		"thoughts stay":      {keeps, `{"role":"assistant","reasoning":"a","content":"b"}`, ""},
		"none there":         {plain, `{"role":"assistant","content":"\"reasoning\": none"}`, ""},
		"first":              {plain, `{"reasoning":"a", "role":"assistant" , "content":"b"}`, `{"role":"assistant" , "content":"b"}`},
		"between":            {plain, `{"role":"assistant", "reasoning":"a", "reasoning_content":"a" ,"content":"b"}`, `{"role":"assistant", "content":"b"}`},
		"last":               {plain, `{"role":"assistant", "reasoning":"a" , "reasoning_details":[{}] }`, `{"role":"assistant" }`},
		"first and last":     {plain, `{"reasoning":"a","content":"b","reasoning_details":[]}`, `{"content":"b"}`},
		"only":               {plain, `{"reasoning":"a","reasoning_details":[]}`, `{}`},
		"elsewhere":          {plain, `{"role":"user","content":[{"reasoning":"a"}]}`, ""},
		"fine ids":           {plain, `{"tool_calls":[{"id":"call_1","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"call_1"}`, ""},
		"long ids":           {plain, `{"tool_calls":[{"id":"` + long + `"}]},{"tool_call_id":"` + long + `","content":"x"}`, `{"tool_calls":[{"id":"` + short + `"}]},{"tool_call_id":"` + short + `","content":"x"}`},
		"Mistral's ids":      {openai.Flavour{ToolIDs: dialect.MistralToolID}, `{"tool_call_id":"call_1"},{"tool_call_id":"abcdefghi"}`, `{"tool_call_id":"` + mistral + `"},{"tool_call_id":"abcdefghi"}`},
		"both":               {plain, `{"tool_calls":[{"id":"` + long + `"}],"reasoning":"a"}`, `{"tool_calls":[{"id":"` + short + `"}]}`},
		"not even a message": {plain, `1,[],"reasoning",{"tool_calls":{}},{"tool_calls":[1]},{"tool_call_id":5}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{ "model":"m", "messages":[` + c.messages + `] , "max_tokens":5}`
			if c.want == "" {
				c.want = c.messages
			}
			got := string(c.f.Rewrite([]byte(body), facts(t, body), "m"))
			if want := strings.Replace(body, c.messages, c.want, 1); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	body := `{"messages":[{"reasoning":"a"}],"model":"m","stream":true}`
	if got := string(plain.Rewrite([]byte(body), facts(t, body), "n")); got != `{"messages":[{}],"model":"n","stream_options":{"include_usage":true},"stream":true}` {
		t.Errorf("all at once: %s", got)
	}
}

func facts(t testing.TB, body string) dialect.Facts {
	t.Helper()
	f, err := openai.ReadFacts([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRewriteDoesNotAllocate(t *testing.T) {
	body := []byte(`{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"` + strings.Repeat("word ", 500) + `"}]}`)
	f := facts(t, string(body))
	if n := testing.AllocsPerRun(100, func() { openai.Flavour{}.Rewrite(body, f, "m") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
