package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// scrubbed takes everything that is found out of what goes to hosted providers.
const scrubbed = trusted + `  one: {targets: [{provider: cloud, model: gpt-5}]}
  two: {targets: [{provider: sky, model: claude-opus-4-6}]}
  three: {targets: [{provider: shed, model: tgi}]}
  four: {targets: [{provider: home, model: qwen3-8b}]}
rules:
  - {name: scrub cards only, when: 'tags.only == "card"', redact: [card]}
  - {name: scrub, when: "true", redact: [all]}
`

// redactions are bodies and what has to arrive in their place, but for the model: byte for byte where the dialect is the
// provider's. CARD, ACCOUNT and TOKEN stand for the secrets.
var redactions = []struct{ name, path, model, body string }{
	{"spaces and numbers", chatPath, "one", `{ "model" : "one" , "seed":0,  "logit_bias" : {"50256":-1.50e0}, "messages":[ {"role":"user","content":"a CARD b TOKEN c"} ]}` + "\n"},
	{"fields nobody knows", chatPath, "four", `{ "x_new":{"big":12345678901234567890.00,"e":1e5,"c":"CARD"} , "model":"four", "messages":[ {"role":"user","content":"a CARD b TOKEN c"} ]}` + "\n"},
	{"escapes around", chatPath, "one", `{"model":"one","messages":[{"role":"user","content":"\u00e4\"\\CARD\/\ud83d\ude00 é\tACCOUNT\n"}]}`},
	{"streamed", chatPath, "one", `{"model":"one","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"pay with CARD, CARD and ACCOUNT"}]}`},
	{"JSON within JSON", chatPath, "one", `{"model":"one","tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"order\":\"{\\\"card\\\":\\\"CARD\\\"}\"}"}}]},` +
		`{"role":"tool","tool_call_id":"call_1","content":"{\"iban\" : \"ACCOUNT\", \"n\":1.50}"}]}`},
	{"Anthropic", "/v1/messages", "two", `{"model": "two","max_tokens":50,"system":[{"type":"text","text":"ACCOUNT","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"pay with CARD"}]}`},
	{"Anthropic, streamed", "/v1/messages", "two", `{"model":"two","max_tokens":50,"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"pay with CARD"}]}]}`},
	{"count of tokens", "/v1/messages/count_tokens", "two", `{"model":"two","messages":[{"role":"user","content":"pay with CARD"}]}`},
}

func fill(text, card, account, token string) string {
	return strings.NewReplacer("CARD", card, "ACCOUNT", account, "TOKEN", token).Replace(text)
}

func asSent(text string) string { return fill(text, cardNumber, bankAccount, accessToken) }

func asRedacted(text string) string {
	return fill(text, "[REDACTED:card]", "[REDACTED:iban]", "[REDACTED:token]")
}

// TestRedaction: marks take the place of what was found, and every other byte arrives as it was sent.
func TestRedaction(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	bothShapesOf(t, f, scrubbed, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		real := map[string][2]string{"one": {"cloud", "gpt-5"}, "two": {"sky", "claude-opus-4-6"}, "four": {"home", "qwen3-8b"}}
		for _, c := range redactions {
			resp, got := ask(t, m, mesh.Key, http.MethodPost, c.path, asSent(c.body))
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d: %s", c.name, resp.StatusCode, got)
				continue
			}
			to := real[c.model]
			want := strings.Replace(asRedacted(c.body), `"`+c.model+`"`, `"`+to[1]+`"`, 1)
			if arrived := f.last(t, to[0]); arrived != want {
				t.Errorf("%s:\n%s\narrived, want\n%s", c.name, arrived, want)
			}
		}
	})
}

// TestRedactionTranslated: what crosses dialects is redacted first.
func TestRedactionTranslated(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: scrubbed})
	for _, c := range redactions {
		for model, provider := range map[string]string{"one": "cloud", "two": "sky", "three": "shed"} {
			if model == c.model || c.model == "four" || strings.Contains(c.path, "count") {
				continue
			}
			body := strings.Replace(asSent(c.body), `"`+c.model+`"`, `"`+model+`"`, 1)
			body = strings.Replace(body, `"logit_bias" : {"50256":-1.50e0}, `, "", 1) // has no place elsewhere
			resp, got := ask(t, m, mesh.Key, http.MethodPost, c.path, body)
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s at %s: %d: %s", c.name, model, resp.StatusCode, got)
				continue
			}
			checkMarks(t, c.name+" at "+model, f.last(t, provider), c.body)
		}
	}
}

// checkMarks counts the marks of a body, and looks for secrets in it.
func checkMarks(t *testing.T, name, arrived, template string) {
	t.Helper()
	for word, mark := range map[string]string{"CARD": "[REDACTED:card]", "ACCOUNT": "[REDACTED:iban]", "TOKEN": "[REDACTED:token]"} {
		if got, want := strings.Count(arrived, mark), strings.Count(template, word); got != want {
			t.Errorf("%s: %d %s, want %d: %s", name, got, mark, want, arrived)
		}
	}
	for _, secret := range []string{cardNumber, bankAccount, accessToken} {
		if strings.Contains(arrived, secret) {
			t.Errorf("%s: %s arrived: %s", name, secret, arrived)
		}
	}
}

// TestRedactionTyped: the typed API and embeddings, with JSON of tools left as JSON.
func TestRedactionTyped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: scrubbed})
	router := routerv1.NewRouterServiceClient(dialGRPC(t, m))
	p := &llmv1.Prompt{System: "S " + bankAccount, Messages: []*llmv1.Message{
		{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart("pay with " + cardNumber)}},
		{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "toolu_1", Name: "pay", Arguments: `{"card":` + cardNumber + `,"n":1.50}`}}}}},
		{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{Id: "toolu_1", Parts: []*llmv1.Part{textPart("done")}}}}}},
	}, Tools: []*llmv1.Tool{{Name: "pay", InputSchema: `{"type":"object"}`}}}
	for model, provider := range map[string]string{"one": "cloud", "two": "sky"} {
		if _, err := router.Chat(withKey(t.Context()), &routerv1.ChatRequest{Model: model, Prompt: p}); err != nil {
			t.Fatal(err)
		}
		checkMarks(t, model, f.last(t, provider), "ACCOUNT CARD CARD")
		if !json.Valid([]byte(f.last(t, provider))) {
			t.Errorf("%s: no JSON: %s", model, f.last(t, provider))
		}
		stream, err := router.StreamChat(withKey(t.Context()), &routerv1.StreamChatRequest{Model: model, Prompt: p})
		for err == nil {
			_, err = stream.Recv()
		}
		checkMarks(t, model+", streamed", f.last(t, provider), "ACCOUNT CARD CARD")
	}
	if p.GetMessages()[0].GetParts()[0].GetText().GetText() != "pay with "+cardNumber {
		t.Error("the caller's own prompt was changed")
	}
	for _, path := range []string{"/v1/embeddings", "/api/v1/embeddings"} {
		body := `{"model":"vectors","input":["pay with CARD","Hi"]}`
		if path == "/api/v1/embeddings" {
			body = `{"model":"vectors","input":{"texts":["pay with CARD","Hi"]}}`
		}
		if resp, got := ask(t, m, mesh.Key, http.MethodPost, path, asSent(body)); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", resp.StatusCode, got)
		}
		checkMarks(t, path, f.last(t, "cloud"), "CARD")
	}
}

// TestRedactionByDetector: what a rule doesn't take out still counts, and the call is refused where it mustn't go.
func TestRedactionByDetector(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: scrubbed})
	for text, status := range map[string]int{"pay with CARD": 200, "pay with CARD from ACCOUNT": 403} {
		body := fmt.Sprintf(`{"model":"one","messages":[{"role":"user","content":%q}]}`, asSent(text))
		if resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body, "X-Headgate-Tags", "only=card"); resp.StatusCode != status {
			t.Errorf("%s: %d: %s", text, resp.StatusCode, got)
		}
	}
	body := fmt.Sprintf(`{"model":"one","messages":[{"role":"user","content":%q}]}`, asSent("pay with CARD"))
	if resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body, "X-Headgate-Sensitivity", "high"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a caller's own label isn't lowered by redaction: %d: %s", resp.StatusCode, got)
	}
	if n := f.count("cloud"); n != 1 {
		t.Errorf("cloud was asked %d times", n)
	}
}

// TestRedactedIsKept: what differs only in what is taken out has one answer in the cache, and what is kept holds no secret.
func TestRedactedIsKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: scrubbed + patientCache})
	for i, card := range []string{cardNumber, "5555555555554444", "4012888888881881"} {
		body := fmt.Sprintf(`{"model":"one","messages":[{"role":"user","content":"pay with %s"}]}`, card)
		resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body, "X-Headgate-Cache", "on")
		want := map[bool]string{true: "miss", false: "hit"}[i == 0]
		if resp.StatusCode != http.StatusOK || cacheLabel(resp) != want || bytes.Contains(got, []byte(card)) {
			t.Errorf("%s: %d %s, want %s: %s", card, resp.StatusCode, cacheLabel(resp), want, got)
		}
		waitKept(t, m, 1)
	}
	if n := f.count("cloud"); n != 1 {
		t.Errorf("cloud was asked %d times", n)
	}
}
