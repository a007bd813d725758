package sensitive_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// quoted is a JSON string; deep quotes again and again.
func quoted(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}

func deep(n int, s string) string {
	for range n {
		s = quoted(s)
	}
	return s
}

const visa = "4111 1111 1111 1111"

func TestRedactBody(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"nothing found", `{"a": "b",  "c":1.50}`, `{"a": "b",  "c":1.50}`},
		{"plain", `{"messages":[ {"role":"user", "content":"pay with 4111 1111 1111 1111 now"} ]}`, `{"messages":[ {"role":"user", "content":"pay with [REDACTED:card] now"} ]}`},
		{"twice in one text", `{"t":"a@b.com, 4111111111111111"}`, `{"t":"[REDACTED:email], [REDACTED:card]"}`},
		{"the rest as sent", "{\"x\":1.0e0,\n\t\"t\":\"\\u00e9 a@b.com\\/\",\"y\":\"\\ud83d\\ude00\"}", "{\"x\":1.0e0,\n\t\"t\":\"\\u00e9 [REDACTED:email]\\/\",\"y\":\"\\ud83d\\ude00\"}"},
		{"escaped digits", `{"t":"\u0034111 1111\u00a01111 111\u0031 x"}`, `{"t":"[REDACTED:card] x"}`},
		{"escaped at sign", `{"t":"mail ann\u0040example.com."}`, `{"t":"mail [REDACTED:email]."}`},
		{"after a newline's escape", `{"t":"x\nghp_16C7e42F292c6912E7710c838347Ae178B4a\ty"}`, `{"t":"x\n[REDACTED:token]\ty"}`},
		{"surrogates beside", `{"t":"\ud83d\ude004111111111111111\ud83d\ude00"}`, `{"t":"\ud83d\ude00[REDACTED:card]\ud83d\ude00"}`},
		{"half a surrogate", `{"t":"\ud83d 4111111111111111 \udc00"}`, `{"t":"\ud83d [REDACTED:card] \udc00"}`},
		{"full width", `{"t":"４１１１－１１１１－１１１１－１１１１。"}`, `{"t":"[REDACTED:card]。"}`},
		{"without width", "{\"t\":\"4111\u200b1111\u00ad1111\\u20601111\"}", `{"t":"[REDACTED:card]"}`},
		{"a number", `{"input":{"card": 4111111111111111 ,"b":2}}`, `{"input":{"card": "[REDACTED:card]" ,"b":2}}`},
		{"a name", `{"input":{"4111 1111 1111 1111":true}}`, `{"input":{"[REDACTED:card]":true}}`},
		{"JSON in a string", `{"arguments":"{\"to\":\"a@b.com\",\"n\":4111111111111111}"}`, `{"arguments":"{\"to\":\"[REDACTED:email]\",\"n\":\"[REDACTED:card]\"}"}`},
		{"escapes within escapes", `{"arguments":"{\"to\":\"a\\u0040b.com\",\"n\":\"\\u0034111111111111111\"}"}`, `{"arguments":"{\"to\":\"[REDACTED:email]\",\"n\":\"[REDACTED:card]\"}"}`},
		{"JSON that isn't", `{"arguments":"{\"to\":\"a\\u0040b.com\\n4111111111111111\", oh"}`, `{"arguments":"{\"to\":\"[REDACTED:email]\\n[REDACTED:card]\", oh"}`},
		{"twice within", `{"a":` + quoted(`{"b":`+quoted(`{"c":4111111111111111,"d":"a@b.com"}`)+`}`) + `}`, `{"a":` + quoted(`{"b":`+quoted(`{"c":"[REDACTED:card]","d":"[REDACTED:email]"}`)+`}`) + `}`},
		{"a key names a secret", `{"input":{"password":"swordfish","ssn":"536228841"}}`, `{"input":{"password":"[REDACTED:password]","ssn":"[REDACTED:national_id]"}}`},
		{"a sibling names a secret", `{"input":{"name":"DB_PASSWORD","value":"swordfish"}}`, `{"input":{"name":"DB_PASSWORD","value":"[REDACTED:password]"}}`},
		{"in the middle of words", `{"t":"号码4111111111111111号"}`, `{"t":"号码[REDACTED:card]号"}`},
		{"a private key", `{"t":"k:\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----\nend"}`, `{"t":"k:\n[REDACTED:private_key]\nend"}`},
		{"ids stay", `{"messages":[{"role":"tool","tool_call_id":"4111111111111111","content":"x"}]}`, `{"messages":[{"role":"tool","tool_call_id":"4111111111111111","content":"x"}]}`},
		{"ids of the user's don't", `{"input":{"id":"4111111111111111"}}`, `{"input":{"id":"[REDACTED:card]"}}`},
		{"steering numbers stay", `{"model":"m","seed":4111111111111111}`, `{"model":"m","seed":4111111111111111}`},
		{"marks stay", `{"input":{"password":"[REDACTED:password]","t":"api_key: [REDACTED:token], password = \"[REDACTED:password]\""}}`, `{"input":{"password":"[REDACTED:password]","t":"api_key: [REDACTED:token], password = \"[REDACTED:password]\""}}`},
		{"no mark of ours", `{"t":"[REDACTED:4111111111111111] a@b.com"}`, `{"t":"[REDACTED:[REDACTED:card]] [REDACTED:email]"}`},
	}
	s := newScanner(t, sensitive.Config{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := s.Body([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got, left := r.RedactBody([]byte(c.in), nil)
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if left.Found() || !json.Valid(got) {
				t.Errorf("left %v in %s", left.Detected, got)
			}
			again, _ := left.RedactBody(got, nil)
			if !bytes.Equal(again, got) {
				t.Errorf("again %s", again)
			}
		})
	}
}

func TestEveryDepth(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for n := range 12 {
		body := `{"input":` + deep(n, `{"a":"x@example.com","b":4111111111111111}`) + `}`
		r, err := s.Body([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got, left := r.RedactBody([]byte(body), nil)
		inner := rawjson.Get(got, "input")
		for range n {
			text, ok := rawjson.Unquote(inner)
			if !ok || !json.Valid(inner) {
				t.Fatalf("depth %d: %s", n, got)
			}
			inner = text
		}
		if left.Found() || bytes.Contains(got, []byte("example.com")) || bytes.Contains(got, []byte("1111")) || n < 6 && !json.Valid(inner) {
			t.Errorf("depth %d: %s (left %v)", n, got, left.Detected)
		}
	}
}

func TestSomeDetectors(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{Dictionaries: []sensitive.Dictionary{{Name: "people", Words: []string{"ann@example.com"}, Sensitivity: "low"}}})
	body := []byte(`{"t":"ann@example.com paid with 4111111111111111"}`)
	r, _ := s.Body(body)
	if want := map[string]int{"email": 1, "card": 1, "people": 1}; !maps.Equal(r.Detected, want) {
		t.Errorf("found %v", r.Detected)
	}
	got, left := r.RedactBody(body, []string{"email"})
	if string(got) != `{"t":"[REDACTED:email] paid with 4111111111111111"}` || !maps.Equal(left.Detected, map[string]int{"card": 1}) || left.Label != llmv1.Sensitivity_SENSITIVITY_HIGH {
		t.Errorf("%s, left %v %v", got, left.Detected, left.Label)
	}
	if got, _ = r.RedactBody(body, []string{}); !bytes.Equal(got, body) {
		t.Errorf("no detector: %s", got)
	}
}

// TestAnotherBody: a report doesn't cut another body into pieces.
func TestAnotherBody(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	r, _ := s.Body([]byte(`{"t":"a@b.com"}`))
	got, _ := r.RedactBody([]byte(`{"text":"my card 4111111111111111"}`), nil)
	if string(got) != `{"text":"my card [REDACTED:card]"}` {
		t.Errorf("%s", got)
	}
	var none sensitive.Report
	if got, _ := none.RedactBody([]byte(`{"a":1}`), nil); string(got) != `{"a":1}` {
		t.Errorf("%s", got)
	}
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, body := range []string{``, `{`, `{"a":}`, strings.Repeat("[", 100) + strings.Repeat("]", 100), "\"\xff\""} {
		if r, err := s.Body([]byte(body)); err == nil || r.Label != llmv1.Sensitivity_SENSITIVITY_HIGH {
			t.Errorf("%q: %v, %v", body, r.Label, err)
		}
	}
}

func TestMedia(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	image := base64.StdEncoding.EncodeToString(append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{0, 1, 200}, 100)...))
	text := base64.StdEncoding.EncodeToString([]byte("Dear Sir,\nmy card is 4111 1111 1111 1111 and my mail ann@example.com.\n"))
	clean := base64.StdEncoding.EncodeToString([]byte("Dear Sir,\nmy card is [REDACTED:card] and my mail [REDACTED:email].\n"))
	signature := strings.Repeat("ErUBCkYIBxgCIkDa", 20)
	cases := []struct{ name, in, want string }{
		{"picture", `{"image_url":{"url":"data:image/png;base64,` + image + `"}}`, ""},
		{"picture of the other dialect", `{"source":{"type":"base64","media_type":"image/png","data":"` + image + `"}}`, ""},
		{"document in base64", `{"file":{"file_data":"data:text/plain;base64,` + text + `"}}`, `{"file":{"file_data":"data:text/plain;base64,` + clean + `"}}`},
		{"document as it is", `{"source":{"type":"text","media_type":"text/plain","data":"My card is 4111 1111 1111 1111, and this is a longer text about other things."}}`, `{"source":{"type":"text","media_type":"text/plain","data":"My card is [REDACTED:card], and this is a longer text about other things."}}`},
		{"no base64 after all", `{"image_url":{"url":"data:image/png;base64,4111 1111 1111 1111 ` + image + `"}}`, `{"image_url":{"url":"data:image/png;base64,[REDACTED:card] ` + image + `"}}`},
		{"seal", `{"messages":[{"content":[{"type":"thinking","thinking":"ok","signature":"` + signature + `"}]}]}`, ""},
		{"address with a password", `{"image_url":{"url":"https://ann:S3cret99@example.com/a.png"}}`, `{"image_url":{"url":"https://ann:[REDACTED:password]@example.com/a.png"}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := s.Body([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "" {
				want = c.in
			}
			if got, left := r.RedactBody([]byte(c.in), nil); string(got) != want || left.Found() {
				t.Errorf("%v\ngot  %s\nwant %s", left.Detected, got, want)
			}
		})
	}
}

func part(kind *llmv1.Part) []*llmv1.Part { return []*llmv1.Part{kind} }

func textPart(s string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}}
}

func fullPrompt() *llmv1.Prompt {
	return &llmv1.Prompt{
		System: "You help a@b.com.",
		User:   "ann@example.com",
		Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_USER, Name: "x@y.org", Parts: []*llmv1.Part{
				textPart("card " + visa),
				{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{MimeType: "text/plain", Data: []byte("mail z@example.com")}}},
				{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{MimeType: "image/png", Data: []byte("\x89PNG\r\n\x1a\n\x00 z@example.com")}}},
				{Kind: &llmv1.Part_Uri{Uri: &llmv1.UriPart{Uri: "https://u:Pa55word!@host.example/x"}}},
			}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
				{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "4111111111111111", Name: "pay", Arguments: `{"card":4111111111111111,"ssn":"536228841"}`}}},
				{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: "b@c.de", Signature: "4111111111111111"}}},
			}},
			{Role: llmv1.Role_ROLE_TOOL, Parts: part(&llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{Id: "1", Parts: part(textPart(`[{"email":"q@r.st"}]`))}}})},
		},
		Tools:      []*llmv1.Tool{{Name: "pay", Description: "ask admin@example.com", InputSchema: `{"type":"object","default":4111111111111111}`}},
		Extensions: map[string]string{"metadata": `{"card":4111111111111111}`, "note": `"s@t.uv"`},
	}
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	p := fullPrompt()
	before := proto.Clone(p)
	r := s.Prompt(p)
	want := map[string]int{"email": 8, "card": 4, "password": 1, "national_id": 1}
	if !maps.Equal(r.Detected, want) || r.Label != llmv1.Sensitivity_SENSITIVITY_HIGH {
		t.Errorf("found %v, want %v", r.Detected, want)
	}
	got, left := r.RedactPrompt(p, nil)
	if left.Found() || !proto.Equal(before, p) {
		t.Errorf("left %v", left.Detected)
	}
	call := got.GetMessages()[1].GetParts()[0].GetToolCall()
	for _, c := range [][2]string{
		{got.GetSystem(), "You help [REDACTED:email]."},
		{got.GetMessages()[0].GetParts()[0].GetText().GetText(), "card [REDACTED:card]"},
		{string(got.GetMessages()[0].GetParts()[1].GetBlob().GetData()), "mail [REDACTED:email]"},
		{call.GetId(), "4111111111111111"},
		{call.GetArguments(), `{"card":"[REDACTED:card]","ssn":"[REDACTED:national_id]"}`},
		{got.GetMessages()[2].GetParts()[0].GetToolCallResponse().GetParts()[0].GetText().GetText(), `[{"email":"[REDACTED:email]"}]`},
		{got.GetTools()[0].GetInputSchema(), `{"type":"object","default":"[REDACTED:card]"}`},
		{got.GetExtensions()["metadata"], `{"card":"[REDACTED:card]"}`},
		{got.GetExtensions()["note"], `"[REDACTED:email]"`},
	} {
		if c[0] != c[1] {
			t.Errorf("got  %s\nwant %s", c[0], c[1])
		}
	}
	if some, left := r.RedactPrompt(p, []string{"card"}); left.Detected["card"] != 0 || left.Detected["email"] != 8 || some.GetSystem() != p.GetSystem() {
		t.Errorf("left %v", left.Detected)
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	in := &llmv1.EmbeddingInput{Texts: []string{"plain", "card " + visa}, User: "a@b.com", TokenLists: []*llmv1.TokenList{{Tokens: []int64{4111111111111111}}}}
	r := s.Input(in)
	if !maps.Equal(r.Detected, map[string]int{"card": 1, "email": 1}) {
		t.Errorf("found %v", r.Detected)
	}
	got, left := r.RedactInput(in, nil)
	if got.GetTexts()[1] != "card [REDACTED:card]" || in.GetTexts()[1] != "card "+visa || left.Found() {
		t.Errorf("%v, left %v", got, left.Detected)
	}
	var empty *llmv1.EmbeddingInput
	if r := s.Input(empty); r.Found() || r.Label != llmv1.Sensitivity_SENSITIVITY_NONE {
		t.Errorf("of nothing: %v", r)
	}
}

// TestReportsHoldNoValue: what is printed of a report tells nothing of what it found.
func TestReportsHoldNoValue(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	r, _ := s.Body([]byte(`{"t":"ann@example.com"}`))
	if text, err := json.Marshal(r); err != nil || bytes.Contains(text, []byte("ann")) {
		t.Errorf("%s, %v", text, err)
	}
}
