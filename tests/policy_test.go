package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// governed are rules of every kind over the providers of trusted.
const governed = trusted + `  small: {targets: [{provider: home, model: qwen3-8b}]}
  big: {targets: [{provider: sky, model: claude-opus-4-6}, {provider: cloud, model: gpt-5}]}
rules:
  - {name: blocked, when: 'tags.team == "blocked"', deny: "This team has used up its month: ask the platform team."}
  - {name: broken, when: 'tags.broken == "yes" && int(tags.count) > 0', model: small}
  - {name: sensitive stays home, when: 'sensitivity >= HIGH', model: mixed, require_trust: local}
  - {name: acme stays home, when: 'tenant == "acme"', require_trust: local}
  - {name: easy goes small, when: 'model == "auto" && complexity < 0.35', model: small}
  - {name: the rest, when: 'model == "auto"', model: big}
  - {name: hurried, when: 'tags.pace == "quick"', timeouts: {first_content: 200ms, total: 400ms}}
  - {name: kept, when: 'tags.kept == "yes"', cache: on, cache_ttl: 60s}
  - {name: nightly, when: 'key_name == "nightly" && role == "client"', model: small, priority: batch}
  - {name: counts go small, when: 'operation == "count_tokens"', model: small}
  - {name: streams of Anthropic, when: 'stream && dialect == "anthropic" && messages < 3 && !media && model == "hosted"', model: "sky/claude-haiku-4-5"}
  - {name: with tools, when: 'tools > 0', model: "cloud/gpt-4o"}
  - {name: long, when: 'input_tokens > 2000 || max_output_tokens > 5000', model: big}
`

const easy, hard = "Say hello.", "Prove that there are infinitely many primes, then derive the complexity of the sieve of Eratosthenes step by step, " +
	"compare it with the sieve of Atkin, write both in Go with tests, and analyze the trade-offs between memory and time in a table. " +
	"Explain why each step of the proof is necessary, and refactor the code so that it is concurrent and correct under the race detector."

// routed is a call, and where rules send it.
type routed struct {
	name, path, body string
	headers          []string
	key              string // mesh.Key where it is empty
	// provider and model are who answers; refused is a part of the error where nobody does.
	provider, model, refused string
	rule                     string
}

func routedCalls(acme, nightly, few string) []routed {
	openAI := func(model, text string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, text)
	}
	anthropic := func(model, text string, stream bool) string {
		return fmt.Sprintf(`{"model":%q,"max_tokens":50,"stream":%v,"messages":[{"role":"user","content":%q}]}`, model, stream, text)
	}
	native := func(model, text string) string {
		return fmt.Sprintf(`{"model":%q,"prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":%q}}]}]}}`, model, text)
	}
	tagged := func(tags string) []string { return []string{"X-Headgate-Tags", tags} }
	const tool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],`
	withTool := strings.Replace(openAI("hosted", easy), `"messages"`, tool+`"messages"`, 1)
	return []routed{
		{name: "no rule", path: chatPath, body: openAI("hosted", easy), provider: "cloud", model: "gpt-5"},
		{name: "no rule, a vendor's name", path: chatPath, body: openAI("cloud/gpt-4o", easy), provider: "cloud", model: "gpt-4o"},
		{name: "no rule, the other dialect", path: "/v1/messages", body: anthropic("hosted", easy, false), provider: "cloud", model: "gpt-5"},
		{name: "denied", path: chatPath, body: openAI("hosted", easy), headers: tagged("team=blocked"), refused: "ask the platform team", rule: "blocked"},
		{name: "denied, Anthropic", path: "/v1/messages", body: anthropic("hosted", easy, true), headers: tagged("team=blocked"), refused: "ask the platform team", rule: "blocked"},
		{name: "denied, native", path: "/api/v1/chat", body: native("hosted", easy), headers: tagged("team=blocked"), refused: "ask the platform team", rule: "blocked"},
		{name: "the first rule wins", path: chatPath, body: openAI("hosted", cardNumber), headers: tagged("team=blocked"), refused: "ask the platform team", rule: "blocked"},
		{name: "a rule that can't be evaluated", path: chatPath, body: openAI("hosted", easy), headers: tagged("broken=yes,count=many"), refused: "couldn't be evaluated"},
		{name: "the same where it needn't be", path: chatPath, body: openAI("hosted", easy), headers: tagged("broken=no,count=many"), provider: "cloud", model: "gpt-5"},
		{name: "sensitive", path: chatPath, body: openAI("hosted", cardNumber), provider: "home", model: "qwen3-8b", rule: "sensitive stays home"},
		{name: "sensitive by its label", path: "/v1/messages", body: anthropic("hosted", easy, false), headers: []string{"X-Headgate-Sensitivity", "high"}, provider: "home", model: "qwen3-8b", rule: "sensitive stays home"},
		{name: "sensitive, native", path: "/api/v1/chat", body: native("hosted", cardNumber), provider: "home", model: "qwen3-8b", rule: "sensitive stays home"},
		{name: "a tenant's", path: chatPath, body: openAI("mixed", easy), key: acme, provider: "home", model: "qwen3-8b", rule: "acme stays home"},
		{name: "a tenant's, nowhere to go", path: chatPath, body: openAI("hosted", easy), key: acme, refused: "no target of this model may see", rule: "acme stays home"},
		{name: "auto, easy", path: chatPath, body: openAI("auto", easy), provider: "home", model: "qwen3-8b", rule: "easy goes small"},
		{name: "auto, hard", path: chatPath, body: openAI("auto", hard), provider: "sky", model: "claude-opus-4-6", rule: "the rest"},
		{name: "auto, hard, Anthropic", path: "/v1/messages", body: anthropic("auto", hard, false), provider: "sky", model: "claude-opus-4-6", rule: "the rest"},
		{name: "auto, native", path: "/api/v1/chat", body: native("auto", easy), provider: "home", model: "qwen3-8b", rule: "easy goes small"},
		{name: "auto by the route", path: chatPath, body: openAI("hosted", easy), headers: []string{"X-Headgate-Route", "auto"}, provider: "home", model: "qwen3-8b", rule: "easy goes small"},
		{name: "a route", path: chatPath, body: openAI("hosted", easy), headers: []string{"X-Headgate-Route", "big"}, provider: "sky", model: "claude-opus-4-6"},
		{name: "a route that isn't the key's", path: chatPath, body: openAI("hosted", easy), headers: []string{"X-Headgate-Route", "big"}, key: few, refused: "may not ask for this model"},
		{name: "a rule's model needn't be the key's", path: chatPath, body: withTool, key: few, provider: "cloud", model: "gpt-4o", rule: "with tools"},
		{name: "by the key's name", path: chatPath, body: openAI("hosted", easy), key: nightly, provider: "home", model: "qwen3-8b", rule: "nightly"},
		{name: "by dialect and stream", path: "/v1/messages", body: anthropic("hosted", easy, true), provider: "sky", model: "claude-haiku-4-5", rule: "streams of Anthropic"},
		{name: "by tools", path: chatPath, body: withTool, provider: "cloud", model: "gpt-4o", rule: "with tools"},
		{name: "by length", path: chatPath, body: openAI("hosted", strings.Repeat("one two three four ", 1000)), provider: "sky", model: "claude-opus-4-6", rule: "long"},
		{name: "by the declared bound", path: chatPath, body: strings.Replace(openAI("hosted", easy), `"messages"`, `"max_completion_tokens":6000,"messages"`, 1), provider: "sky", model: "claude-opus-4-6", rule: "long"},
		{name: "nobody's model", path: chatPath, body: openAI("nobody-knows", easy), refused: "isn't configured"},
		{name: "auto isn't a model to those whose rules don't know it", path: chatPath, body: openAI("automatic", easy), refused: "isn't configured"},
	}
}

// TestRules: each call goes where the first matching rule says, and ExplainRoute says so beforehand: over REST and gRPC,
// without sending or charging anything.
func TestRules(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	bothShapesOf(t, f, governed, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		acme := makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme"`).Secret
		nightly := makeKey(t, m, mesh.Key, `"name":"nightly"`).Secret
		few := makeKey(t, m, mesh.Key, `"name":"few","models":["hosted"]`).Secret
		calls := routedCalls(acme, nightly, few)
		router := routerv1.NewRouterServiceClient(dialGRPC(t, m))
		for _, c := range calls {
			checkExplained(t, m, router, c)
		}
		for name := range f.sims {
			f.nothing(t, name)
		}
		if list := rows(t, m, mesh.Key, ""); len(list) > 0 {
			t.Errorf("explanations are in the books: %v", list)
		}
		for _, c := range calls {
			checkRouted(t, m, c)
		}
		if !regexp.MustCompile(`level=WARN msg="a rule stopped a call".* rule=broken reason=RULE_FAILED`).MatchString(m.Log()) {
			t.Error("the log doesn't say which rule is broken")
		}
	})
}

func (c routed) by() string {
	if c.key == "" {
		return mesh.Key
	}
	return c.key
}

// asked is the model that rules see.
func (c routed) asked(t *testing.T) string {
	t.Helper()
	for i := 0; i < len(c.headers); i += 2 {
		if c.headers[i] == "X-Headgate-Route" {
			return c.headers[i+1]
		}
	}
	var body struct{ Model string }
	if err := json.Unmarshal([]byte(c.body), &body); err != nil {
		t.Fatal(err)
	}
	return body.Model
}

// checkRouted makes the call.
func checkRouted(t *testing.T, m *mesh.Mesh, c routed) {
	t.Helper()
	resp, body := ask(t, m, c.by(), http.MethodPost, c.path, c.body, c.headers...)
	provider, model := resp.Header.Get("X-Headgate-Provider"), resp.Header.Get("X-Headgate-Model")
	if c.path == "/api/v1/chat" {
		var answer routerv1.ChatResponse
		_ = protojson.Unmarshal(body, &answer)
		provider, model = answer.GetServed().GetProvider(), answer.GetServed().GetModel()
	}
	switch {
	case c.refused != "":
		if resp.StatusCode < 400 || !bytes.Contains(body, []byte(c.refused)) {
			t.Errorf("%s: %d: %s", c.name, resp.StatusCode, tail(body))
		}
	case resp.StatusCode != http.StatusOK || provider != c.provider || model != c.model:
		t.Errorf("%s: %d from %s/%s, want %s/%s: %s", c.name, resp.StatusCode, provider, model, c.provider, c.model, tail(body))
	}
}

// checkExplained asks where the call would go, over both transports.
func checkExplained(t *testing.T, m *mesh.Mesh, router routerv1.RouterServiceClient, c routed) {
	t.Helper()
	request := explainBody(c.path, c.body)
	resp, body := ask(t, m, c.by(), http.MethodPost, "/api/v1/routes:explain", request, c.headers...)
	var rest routerv1.ExplainRouteResponse
	if err := protojson.Unmarshal(body, &rest); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: explained: %d %v: %s", c.name, resp.StatusCode, err, body)
		return
	}
	var in routerv1.ExplainRouteRequest
	if err := protojson.Unmarshal([]byte(request), &in); err != nil {
		t.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+c.by())
	for i := 0; i < len(c.headers); i += 2 {
		ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(c.headers[i]), c.headers[i+1])
	}
	typed, err := router.ExplainRoute(ctx, &in)
	if err != nil {
		t.Errorf("%s: explained over gRPC: %v", c.name, err)
		return
	}
	for _, answer := range []*routerv1.ExplainRouteResponse{&rest, typed} {
		checkExplanation(t, c, answer)
	}
}

func checkExplanation(t *testing.T, c routed, e *routerv1.ExplainRouteResponse) {
	t.Helper()
	if want := c.asked(t); e.GetFacts().GetModel() != want {
		t.Errorf("%s: explained: model %q, want %q", c.name, e.GetFacts().GetModel(), want)
	}
	if e.GetRule() != c.rule {
		t.Errorf("%s: explained by rule %q, want %q", c.name, e.GetRule(), c.rule)
	}
	if c.refused != "" {
		if !strings.Contains(e.GetRefusal(), c.refused) {
			t.Errorf("%s: explained: refused with %q, want %q", c.name, e.GetRefusal(), c.refused)
		}
		for _, candidate := range e.GetCandidates() {
			if candidate.GetChosen() {
				t.Errorf("%s: a refused call has a chosen target", c.name)
			}
		}
		return
	}
	if len(e.GetCandidates()) == 0 || e.GetRefusal() != "" {
		t.Errorf("%s: explained: %v", c.name, e)
		return
	}
	first := e.GetCandidates()[0]
	if to := first.GetTarget(); !first.GetChosen() || to.GetProvider() != c.provider || to.GetUpstreamModel() != c.model {
		t.Errorf("%s: explained: %s/%s, want %s/%s", c.name, to.GetProvider(), to.GetUpstreamModel(), c.provider, c.model)
	}
}

// TestDenied: the operator's words, in the caller's dialect, under 403 with the reason.
func TestDenied(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: newFleet(t), Extra: governed})
	const message = "This team has used up its month: ask the platform team."
	for path, want := range map[string]string{
		chatPath:       `{"error":{"message":"` + message + `","type":"invalid_request_error","param":null,"code":"REFUSED_BY_RULE"}}`,
		"/v1/messages": `"error":{"type":"permission_error","message":"` + message,
		"/api/v1/chat": message,
	} {
		body := openAIBody("hosted", false)
		if path == "/v1/messages" {
			body = chatBody("hosted", true)
		}
		if path == "/api/v1/chat" {
			body = `{"model":"hosted","prompt":{"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"Hi"}}]}]}}`
		}
		resp, got := ask(t, m, mesh.Key, http.MethodPost, path, body, "X-Headgate-Tags", "team=blocked")
		if resp.StatusCode != http.StatusForbidden || !bytes.Contains(got, []byte(want)) || !bytes.Contains(got, []byte("REFUSED_BY_RULE")) {
			t.Errorf("%s: %d: %s", path, resp.StatusCode, got)
		}
	}
}

// TestRuleTurnsTheCacheOn: and the caller's own wish goes first.
func TestRuleTurnsTheCacheOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: governed + patientCache})
	for i, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"X-Headgate-Tags", "kept=yes"}, "miss"},
		{[]string{"X-Headgate-Tags", "kept=yes"}, "hit"},
		{[]string{"X-Headgate-Tags", "kept=yes", "X-Headgate-Cache", "off"}, ""},
		{[]string{"X-Headgate-Tags", "kept=yes", "X-Headgate-Cache", "refresh"}, "miss"},
	} {
		resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("hosted", false), c.headers...)
		got := cacheLabel(resp)
		if got == "off" {
			got = ""
		}
		if resp.StatusCode != http.StatusOK || got != c.want {
			t.Errorf("call %d: %d, cache %q, want %q: %s", i, resp.StatusCode, got, c.want, tail(body))
		}
		if c.want == "miss" {
			waitKept(t, m, 1)
		}
	}
}

// cacheLabel says whether an answer came from the cache: one that was just being kept did, too.
func cacheLabel(resp *http.Response) string {
	label := resp.Header.Get("X-Headgate-Cache")
	if label == "coalesced" {
		return "hit"
	}
	return label
}

// patientCache waits for lookups longer than a busy machine takes for them.
const patientCache = "cache: {lookup_timeout: 1s}\n"

// waitKept waits until the cache holds n answers: they are kept once their calls are over.
func waitKept(t *testing.T, m *mesh.Mesh, n int) {
	t.Helper()
	eventually(t, "the answer is kept", func() bool {
		_, stats := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/cache/stats", "")
		return bytes.Contains(stats, fmt.Appendf(nil, `"entries":"%d"`, n))
	})
}

// TestExplainCostsNothing: who may ask once a minute may ask for explanations all day.
func TestExplainCostsNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	bothShapesOf(t, f, governed, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		once := makeKey(t, m, mesh.Key, `"name":"once","limits":{"requests_per_minute":1,"tokens_per_minute":2000}`).Secret
		viewer := makeKey(t, m, mesh.Key, `"name":"v","role":"ROLE_VIEWER"`).Secret
		for range 10 {
			for _, key := range []string{once, viewer} {
				if resp, body := ask(t, m, key, http.MethodPost, "/api/v1/routes:explain", explainBody(chatPath, openAIBody("hosted", false))); resp.StatusCode != http.StatusOK {
					t.Fatalf("%d: %s", resp.StatusCode, body)
				}
			}
		}
		if resp, body := ask(t, m, once, http.MethodPost, chatPath, openAIBody("hosted", false)); resp.StatusCode != http.StatusOK {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
		if resp, body := ask(t, m, "", http.MethodPost, "/api/v1/routes:explain", `{"model":"hosted"}`); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a key: %d: %s", resp.StatusCode, body)
		}
		if n := f.count("cloud"); n != 1 {
			t.Errorf("cloud was asked %d times", n)
		}
	})
}

// TestExplainSaysNoSecret: what was found is counted, never shown.
func TestExplainSaysNoSecret(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: newFleet(t), Extra: scrubbed})
	for _, p := range secretPlaces {
		if strings.Contains(p.path, "count") { // only a chat is explained
			continue
		}
		resp, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/routes:explain", explainBody(p.path, fmt.Sprintf(p.body, "hosted", cardNumber)))
		var e struct {
			Redactions map[string]int
			Facts      struct {
				Detected    map[string]int
				Sensitivity string
				Scanned     bool
			}
		}
		if err := json.Unmarshal(body, &e); err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(body, []byte(cardNumber)) {
			t.Fatalf("%s: %d %v: %s", p.name, resp.StatusCode, err, body)
		}
		if e.Redactions["card"] != 1 || e.Facts.Detected["card"] != 1 || !e.Facts.Scanned || e.Facts.Sensitivity != "SENSITIVITY_HIGH" {
			t.Errorf("%s: %s", p.name, body)
		}
	}
}
