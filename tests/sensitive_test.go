package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// What is sensitive in these tests, all made up: a card that passes Luhn's check, an account that passes MOD 97-10, and a
// token of the shape that GitHub gives out.
const (
	cardNumber  = "4539578763621486"
	bankAccount = "DE89370400440532013000"
	accessToken = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
)

// trusted are two hosted providers, one of each dialect, and one in the house.
const trusted = `  cloud: {kind: openai, api_key: k, base_url: "http://${UPSTREAM}/cloud/v1"}
  sky: {kind: anthropic, api_key: k, base_url: "http://${UPSTREAM}/sky"}
  home: {kind: vllm, endpoints: ["http://${UPSTREAM}/home/vllm"], trust: local, messages_api: true}
  shed: {kind: tgi, endpoints: ["http://${UPSTREAM}/shed/tgi"], trust: local}
models:
  hosted: {targets: [{provider: cloud, model: gpt-5}, {provider: sky, model: claude-opus-4-6}]}
  mixed: {targets: [{provider: cloud, model: gpt-5}, {provider: sky, model: claude-opus-4-6}, {provider: home, model: qwen3-8b}, {provider: shed, model: tgi}]}
  spread: {strategy: weighted, targets: [{provider: cloud, model: gpt-5, weight: 1000}, {provider: sky, model: claude-opus-4-6, weight: 1000}, {provider: home, model: qwen3-8b}]}
  loaded: {strategy: least_loaded, targets: [{provider: cloud, model: gpt-5}, {provider: sky, model: claude-opus-4-6}, {provider: home, model: qwen3-8b}]}
  vectors: {targets: [{provider: cloud, model: text-embedding-3-small}, {provider: home, model: bge-m3}]}
`

const alwaysLook = "sensitivity: {always: true}\n"

type secretPlace struct{ name, path, body string }

// secretPlaces are where a secret may stand in a request. %[1]s is the model, %[2]s the secret.
var secretPlaces = []secretPlace{
	{"user text", chatPath, `{"model":"%[1]s","messages":[{"role":"user","content":"Pay with %[2]s please"}]}`},
	{"user text, streamed", chatPath, `{"model":"%[1]s","stream":true,"messages":[{"role":"user","content":"Pay with %[2]s please"}]}`},
	{"a part", chatPath, `{"model":"%[1]s","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"%[2]s"}]}]}`},
	{"system text", chatPath, `{"model":"%[1]s","messages":[{"role":"system","content":"The card is %[2]s"},{"role":"user","content":"Hi"}]}`},
	{"an earlier answer", chatPath, `{"model":"%[1]s","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"%[2]s"},{"role":"user","content":"Hi"}]}`},
	{"tool argument", chatPath, `{"model":"%[1]s","tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"order\":\"{\\\"card\\\":\\\"%[2]s\\\"}\"}"}}]},` +
		`{"role":"tool","tool_call_id":"call_1","content":"done"}]}`},
	{"tool argument, a number", chatPath, `{"model":"%[1]s","tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"card\": %[2]s}"}}]},` +
		`{"role":"tool","tool_call_id":"call_1","content":"done"}]}`},
	{"tool argument, a name", chatPath, `{"model":"%[1]s","tools":[{"type":"function","function":{"name":"pay","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"%[2]s\":1}"}}]},` +
		`{"role":"tool","tool_call_id":"call_1","content":"done"}]}`},
	{"tool result", chatPath, `{"model":"%[1]s","tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"call_1","content":"{\"rows\":[{\"n\":\"%[2]s\"}]}"}]}`},
	{"tool description", chatPath, `{"model":"%[1]s","tools":[{"type":"function","function":{"name":"pay","description":"Pays from %[2]s","parameters":{"type":"object"}}}],"messages":[{"role":"user","content":"Hi"}]}`},
	{"user field", chatPath, `{"model":"%[1]s","user":"%[2]s","messages":[{"role":"user","content":"Hi"}]}`},
	{"a field nobody knows", chatPath, `{"model":"%[1]s","x_notes":{"a":["%[2]s"]},"messages":[{"role":"user","content":"Hi"}]}`},
	{"Anthropic user text", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"messages":[{"role":"user","content":"Pay with %[2]s please"}]}`},
	{"Anthropic, streamed", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"Pay with %[2]s please"}]}]}`},
	{"Anthropic system text", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"system":[{"type":"text","text":"The card is %[2]s"}],"messages":[{"role":"user","content":"Hi"}]}`},
	{"Anthropic tool argument", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"tools":[{"name":"pay","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"pay","input":{"order":"{\"card\":\"%[2]s\"}"}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"done"}]}]}`},
	{"Anthropic tool argument, a number", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"tools":[{"name":"pay","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"pay","input":{"order":{"card":[%[2]s]}}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"done"}]}]}`},
	{"Anthropic tool result", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"tools":[{"name":"look","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"},` +
		`{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"look","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"%[2]s"}]}]}]}`},
	{"Anthropic document", "/v1/messages", `{"model":"%[1]s","max_tokens":50,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"%[2]s"}},{"type":"text","text":"Hi"}]}]}`},
	{"count of tokens", "/v1/messages/count_tokens", `{"model":"%[1]s","messages":[{"role":"user","content":"Pay with %[2]s please"}]}`},
	{"native", "/api/v1/chat", `{"model":"%[1]s","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"%[2]s"}}]}]}}`},
	{"native system", "/api/v1/chat", `{"model":"%[1]s","prompt":{"system":"%[2]s","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`},
	{"native count", "/api/v1/tokens:count", `{"model":"%[1]s","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"%[2]s"}}]}]}}`},
}

// usualPlace is one of four: the user's text in each dialect, whole and streamed.
func usualPlace(i int) secretPlace {
	name := []string{"user text", "user text, streamed", "Anthropic user text", "Anthropic, streamed"}[i%4]
	return secretPlaces[slices.IndexFunc(secretPlaces, func(p secretPlace) bool { return p.name == name })]
}

const chatPath = "/v1/chat/completions"

// spellings of a card number that mean the same.
var cardSpellings = map[string]string{
	"plain":          cardNumber,
	"in groups":      "4539 5787 6362 1486",
	"with hyphens":   "4539-5787-6362-1486",
	"escaped":        `\u0034539578763621486`,
	"full width":     "４５３９５７８７６３６２１４８６",
	"no-break space": `4539\u00a05787\u00a06362\u00a01486`,
}

// TestSensitiveStaysHome: what only a trusted provider may see reaches no other one, wherever in a request it stands and
// however it is written; without a trusted one the call is refused in the caller's dialect.
func TestSensitiveStaysHome(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	bothShapesOf(t, f, trusted+alwaysLook, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		for _, p := range secretPlaces {
			for _, model := range []string{"mixed", "spread", "loaded"} {
				resp, body := ask(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, model, cardNumber))
				at := resp.Header.Get("X-Headgate-Provider")
				if resp.StatusCode != http.StatusOK || at != "" && at != "home" && at != "shed" {
					t.Errorf("%s, %s: %d from %q: %s", p.name, model, resp.StatusCode, at, tail(body))
				}
			}
			resp, body := ask(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, "hosted", cardNumber))
			if resp.StatusCode != http.StatusForbidden || !bytes.Contains(body, []byte(`SENSITIVITY`)) || bytes.Contains(body, []byte(cardNumber)) {
				t.Errorf("%s, hosted: %d: %s", p.name, resp.StatusCode, body)
			}
		}
		for name, spelling := range cardSpellings {
			body := fmt.Sprintf(secretPlaces[0].body, "hosted", spelling)
			if resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d: %s", name, resp.StatusCode, tail(got))
			}
		}
		f.nothing(t, "cloud", "sky")
		for path, body := range map[string]string{chatPath: openAIBody("hosted", false), "/v1/messages": chatBody("hosted", false)} {
			if resp, _ := ask(t, m, mesh.Key, http.MethodPost, path, body); resp.StatusCode != http.StatusOK {
				t.Errorf("%s, which isn't sensitive: %d", path, resp.StatusCode)
			}
		}
		if f.count("cloud") == 0 {
			t.Error("nothing at all reaches the hosted providers: this test can't fail")
		}
	})
}

// bothShapesOf is bothShapes with a fleet of its own for each.
func bothShapesOf(t *testing.T, like *fleet, extra string, test func(t *testing.T, m *mesh.Mesh, f *fleet)) {
	t.Helper()
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			for provider := range like.sims {
				f.sims[provider] = newFleet(t, provider).sims[provider]
			}
			test(t, mesh.Start(t, mesh.Options{Upstream: f, Extra: extra, Split: split}), f)
		})
	}
}

// nothing fails the test where one of these providers was asked.
func (f *fleet) nothing(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if n := f.count(name); n > 0 {
			t.Errorf("%s was asked %d times, first %s", name, n, f.bodies(name)[0])
		}
	}
}

// TestSensitiveEmbeddings: vectors too.
func TestSensitiveEmbeddings(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook})
	for name, c := range map[string]struct{ path, body string }{
		"one text": {"/v1/embeddings", `{"model":"%s","input":"%s"}`},
		"texts":    {"/v1/embeddings", `{"model":"%s","input":["Hi","%s"]}`},
		"native":   {"/api/v1/embeddings", `{"model":"%s","input":{"texts":["Hi","%s"]}}`},
	} {
		if resp, body := ask(t, m, mesh.Key, http.MethodPost, c.path, fmt.Sprintf(c.body, "vectors", cardNumber)); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d: %s", name, resp.StatusCode, tail(body))
		}
		resp, body := ask(t, m, mesh.Key, http.MethodPost, c.path, fmt.Sprintf(c.body, "text-embedding-3-small", cardNumber))
		if resp.StatusCode == http.StatusOK {
			t.Errorf("%s at whoever has the model: %d: %s", name, resp.StatusCode, tail(body))
		}
		if resp, body := ask(t, m, mesh.Key, http.MethodPost, c.path, fmt.Sprintf(c.body, "cloud/text-embedding-3-small", cardNumber)); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s at cloud: %d: %s", name, resp.StatusCode, tail(body))
		}
	}
	f.nothing(t, "cloud", "sky")
}

// TestSensitiveTyped: the typed API, streamed too, with a label in its metadata that is lower than what is found.
func TestSensitiveTyped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook})
	router := routerv1.NewRouterServiceClient(dialGRPC(t, m))
	ctx := metadata.AppendToOutgoingContext(withKey(t.Context()), "x-headgate-sensitivity", "none")
	for name, p := range map[string]*llmv1.Prompt{
		"text":     typedPrompt(textPart("card " + cardNumber)),
		"call":     typedPrompt(&llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: "c", Name: "pay", Arguments: `{"card":` + cardNumber + `}`}}}),
		"response": typedPrompt(&llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: &llmv1.ToolCallResponsePart{Id: "c", Parts: []*llmv1.Part{textPart(cardNumber)}}}}),
		"thoughts": typedPrompt(&llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: cardNumber}}}),
	} {
		_, err := router.Chat(ctx, &routerv1.ChatRequest{Model: "hosted", Prompt: p})
		checkStatus(t, name, err, codes.PermissionDenied, "SENSITIVITY")
		stream, err := router.StreamChat(ctx, &routerv1.StreamChatRequest{Model: "hosted", Prompt: p})
		if err == nil {
			_, err = stream.Recv()
		}
		checkStatus(t, name+", streamed", err, codes.PermissionDenied, "SENSITIVITY")
		_, err = router.CountTokens(ctx, &routerv1.CountTokensRequest{Model: "hosted", Prompt: p})
		checkStatus(t, name+", counted", err, codes.PermissionDenied, "SENSITIVITY")
	}
	f.nothing(t, "cloud", "sky")
}

func typedPrompt(parts ...*llmv1.Part) *llmv1.Prompt {
	role := llmv1.Role_ROLE_USER
	switch {
	case parts[0].GetToolCall() != nil, parts[0].GetReasoning() != nil:
		role = llmv1.Role_ROLE_ASSISTANT
	case parts[0].GetToolCallResponse() != nil:
		role = llmv1.Role_ROLE_TOOL
	}
	return &llmv1.Prompt{Messages: []*llmv1.Message{
		{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart("Hi")}}, {Role: role, Parts: parts},
	}}
}

// TestSensitiveWithoutHome: where every trusted provider is down, spared by its breaker or unhealthy, the call fails. It
// isn't sent elsewhere, whatever the caller wishes.
func TestSensitiveWithoutHome(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{"answers 503": "status=503", "resets": "abort", "breaks off": "cut_bytes=20", "talks rubbish": "garbage"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "cloud", "sky", "home", "shed")
			m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook})
			f.faults(t, "home", script)
			f.faults(t, "shed", script)
			body := fmt.Sprintf(secretPlaces[0].body, "mixed", cardNumber)
			atOnce(8, 48, func(i int) { // enough to open the breakers of both
				p := usualPlace(i)
				headers := [][]string{nil, {"X-Headgate-Sensitivity", "none"}, {"X-Headgate-Route", "loaded"}}[i%3]
				resp, got, err := try(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, "mixed", cardNumber), headers...)
				if err == nil && resp.StatusCode == http.StatusOK && !bytes.Contains(got, []byte("error")) {
					t.Errorf("%s: 200: %s", p.name, got)
				}
			})
			for _, headers := range [][]string{
				{"X-Headgate-Route", "hosted"},
				{"X-Headgate-Route", "cloud/gpt-5"},
				{"X-Headgate-Route", "gpt-5"},
				{"X-Headgate-Sensitivity", "low"},
				{"X-Headgate-Sensitivity", "none", "X-Headgate-Route", "sky/claude-opus-4-6"},
			} {
				if resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body, headers...); resp.StatusCode < 400 {
					t.Errorf("%v: %d: %s", headers, resp.StatusCode, tail(got))
				}
			}
			f.nothing(t, "cloud", "sky")
			if f.count("home") == 0 {
				t.Error("home was never asked")
			}
		})
	}
}

// TestLabelsRise: the header raises the label, and never lowers it; one that is misspelt or said twice is refused.
func TestLabelsRise(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook})
	for name, c := range map[string]struct {
		label, text string
		status      int
	}{
		"none of nothing":          {"none", "Hi", 200},
		"medium of nothing":        {"medium", "Hi", 200},
		"high of nothing":          {"high", "Hi", 403},
		"low of a card":            {"low", cardNumber, 403},
		"none of an account":       {"none", bankAccount, 403},
		"none of a token":          {"none", accessToken, 403},
		"a word that is none":      {"HIGH", "Hi", 400},
		"a word that is none, too": {"secret", "Hi", 400},
		"none of an address":       {"none", "jane.roe@example.org", 200}, // medium, which is what the hosted ones may see
	} {
		body := fmt.Sprintf(secretPlaces[0].body, "hosted", c.text)
		before := f.count("cloud")
		if resp, got := ask(t, m, mesh.Key, http.MethodPost, chatPath, body, "X-Headgate-Sensitivity", c.label); resp.StatusCode != c.status {
			t.Errorf("%s: %d: %s", name, resp.StatusCode, tail(got))
		}
		if asked := f.count("cloud") - before; asked != map[bool]int{true: 1}[c.status == 200] {
			t.Errorf("%s: cloud was asked %d times", name, asked)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL(chatPath), strings.NewReader(fmt.Sprintf(secretPlaces[0].body, "hosted", "Hi")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header["X-Headgate-Sensitivity"] = []string{"none", "high"}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("said twice: %d", resp.StatusCode)
	}
}

// TestSensitiveIsNotKept: an answer to something highly sensitive is in no cache, whatever the caller or a rule wishes.
func TestSensitiveIsNotKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + `  kept: {cache: true, targets: [{provider: home, model: qwen3-8b}]}
rules: [{name: keep, when: "true", cache: on, cache_ttl: 60s}]
` + patientCache + alwaysLook})
	for name, text := range map[string]string{"nothing": "Hi", "a card": cardNumber} {
		before := f.count("home")
		for i := range 3 {
			resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, fmt.Sprintf(secretPlaces[0].body, "kept", text), "X-Headgate-Cache", "on")
			if resp.StatusCode != http.StatusOK || text == cardNumber && cacheLabel(resp) == "hit" {
				t.Fatalf("%s: %d %v: %s", name, resp.StatusCode, resp.Header, body)
			}
			if i == 0 && text != cardNumber {
				waitKept(t, m, 1)
			}
		}
		if asked, want := f.count("home")-before, map[string]int{"Hi": 1, cardNumber: 3}[text]; asked != want {
			t.Errorf("%s: asked %d times, want %d", name, asked, want)
		}
	}
	_, stats := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/cache/stats", "")
	if !bytes.Contains(stats, []byte(`"entries":"1"`)) {
		t.Errorf("the cache holds more than the one answer: %s", stats)
	}
}

// TestSensitiveAfterReload: a label holds under the configuration that the call was planned by, however often that changes.
func TestSensitiveAfterReload(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook})
	for i := range 5 {
		marker := "  m" + strconv.Itoa(i) + ": {targets: [{provider: home, model: qwen3-8b}]}\n"
		m.Configure(t, trusted+marker+alwaysLook)
		hangUp(t, m, "router")
		atOnce(4, 16, func(int) {
			for _, model := range []string{"mixed", "hosted"} {
				_, _, _ = try(t, m, mesh.Key, http.MethodPost, chatPath, fmt.Sprintf(secretPlaces[0].body, model, cardNumber))
			}
		})
		eventually(t, "the new configuration is in force", func() bool {
			resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("m"+strconv.Itoa(i), false))
			return resp.StatusCode == http.StatusOK
		})
	}
	f.nothing(t, "cloud", "sky")
	m.Configure(t, strings.Replace(trusted, "trust: local, messages_api", "trust: medium, messages_api", 1)+alwaysLook)
	hangUp(t, m, "router")
	eventually(t, "home has lost its trust", func() bool {
		resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, fmt.Sprintf(secretPlaces[0].body, "home/qwen3-8b", cardNumber))
		return resp.StatusCode == http.StatusForbidden
	})
}

// TestSensitiveHomeIsSpared: a trusted provider that is full, unhealthy or failing hands over to another trusted one, or
// to nobody.
func TestSensitiveHomeIsSpared(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		// home and shed are their scripts; sick makes home's health checks fail.
		home, shed, model string
		sick              bool
		want              string
	}{
		"home fails":            {"status=503,retry_after=0", "none", "mixed", false, "shed"},
		"home is sick":          {"none", "none", "mixed", true, "shed"},
		"home is sick and sole": {"none", "none", "home/qwen3-8b", true, "home"},
		"both are bad":          {"none", "status=500", "mixed", true, ""},
		"home is full":          {"ttft=1s", "status=500", "mixed", false, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "cloud", "sky", "home", "shed")
			f.before = func(w http.ResponseWriter, r *http.Request, name string) bool {
				bad := c.sick && name == "home" && strings.HasSuffix(r.URL.Path, "/health")
				if bad {
					w.WriteHeader(http.StatusInternalServerError)
				}
				return bad
			}
			small := strings.Replace(trusted, "messages_api: true", "messages_api: true, max_in_flight: 2, health_check: {interval: 100ms}", 1)
			m := mesh.Start(t, mesh.Options{Upstream: f, Extra: small + alwaysLook})
			if c.sick {
				eventually(t, "home is known to be sick", func() bool {
					target := targetOf(t, m, "mixed", "home")
					return target.Healthy != nil && !*target.Healthy
				})
			}
			f.faults(t, "home", c.home)
			f.faults(t, "shed", c.shed)
			atOnce(6, 12, func(i int) {
				p := usualPlace(i)
				resp, body, err := try(t, m, mesh.Key, http.MethodPost, p.path, fmt.Sprintf(p.body, c.model, cardNumber), "X-Headgate-Timeout-Ms", "5000")
				if err == nil && c.want == "shed" && resp.Header.Get("X-Headgate-Provider") != c.want {
					t.Errorf("%s: %d from %q: %s", p.name, resp.StatusCode, resp.Header.Get("X-Headgate-Provider"), tail(body))
				}
			})
			f.nothing(t, "cloud", "sky")
			if c.want != "" && f.count(c.want) == 0 {
				t.Errorf("%s was never asked", c.want)
			}
		})
	}
}
