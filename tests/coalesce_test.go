package tests

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// crowd are clients of one key that ask one question at once.
type crowd struct {
	key, path, model string
	stream           bool
	question         string
}

// heardOne is what one client of a crowd got.
type heardOne struct {
	status int
	label  string
	text   string
	err    error
	took   time.Duration
}

// body is the request.
func (c crowd) body() string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":200,"stream":%v,"messages":[{"role":"user","content":%q}]}`, c.model, c.stream, c.question)
}

// one asks until ctx ends.
func (c crowd) one(ctx context.Context, m *mesh.Mesh, headers ...string) (h heardOne) {
	began := time.Now()
	defer func() { h.took = time.Since(began) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL(c.path), strings.NewReader(c.body()))
	if err != nil {
		return heardOne{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Headgate-Cache", "on")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return heardOne{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return heardOne{status: resp.StatusCode, label: resp.Header.Get("X-Headgate-Cache"), text: string(text), err: err}
}

// all asks n times at once, at the meshes in turn.
func (c crowd) all(t *testing.T, n int, meshes ...*mesh.Mesh) []heardOne {
	t.Helper()
	heard := make([]heardOne, n)
	var wg sync.WaitGroup
	for i := range heard {
		wg.Go(func() { heard[i] = c.one(t.Context(), meshes[i%len(meshes)]) })
	}
	wg.Wait()
	return heard
}

// labels counts those that have the whole answer.
func (c crowd) labels(t *testing.T, heard []heardOne) map[string]int {
	t.Helper()
	labels := make(map[string]int)
	for _, h := range heard {
		if h.err != nil || h.status != http.StatusOK || !c.whole(h.text) {
			t.Errorf("%s: %d %v: %s", c.question, h.status, h.err, tail([]byte(h.text)))
		}
		labels[h.label]++
	}
	return labels
}

// whole reports whether a text is an answer to the question, to its end.
func (c crowd) whole(text string) bool {
	end := map[string]string{"/v1/chat/completions": "data: [DONE]\n\n", "/v1/messages": "data: {\"type\":\"message_stop\"}\n\n"}[c.path]
	return strings.Contains(text, "to "+c.question) && (!c.stream || strings.HasSuffix(text, end))
}

// crowds are all dialects and modes.
func crowds(key, question string) (list []crowd) {
	for i, stream := range []bool{false, true} {
		list = append(list,
			crowd{key: key, path: "/v1/chat/completions", model: "gpt-5", stream: stream, question: fmt.Sprint(question, " openai ", i)},
			crowd{key: key, path: "/v1/messages", model: "claude-opus-4-6", stream: stream, question: fmt.Sprint(question, " anthropic ", i)})
	}
	return list
}

// hundred sends a hundred clients at the same moment: the provider is asked once. A lookup that a busy machine is too
// late for asks by itself, and says `off`: such a round shows nothing, and another one follows.
func hundred(t *testing.T, e *repeater, c crowd, meshes ...*mesh.Mesh) {
	t.Helper()
	question := c.question
	for _, m := range meshes {
		warmUp(t, m, c)
	}
	for round := range 6 {
		c.question = fmt.Sprint(question, " round ", round)
		heard := c.all(t, 100, meshes...)
		labels := c.labels(t, heard)
		if n := e.count(c.question); n != labels["miss"]+labels["off"] || labels["hit"] > 0 {
			t.Errorf("%s: the provider was asked %d times, and the labels are %v", c.question, n, labels)
		}
		if labels["off"] > 0 {
			t.Logf("%s: %v", c.question, labels)
			continue
		}
		if labels["miss"] != 1 || labels["coalesced"] != 99 {
			t.Errorf("%s: %v", c.question, labels)
		}
		for _, h := range heard[1:] {
			if h.text != heard[0].text {
				t.Errorf("two answers: %s, and %s", h.text, heard[0].text)
			}
		}
		for _, m := range meshes {
			eventually(t, "a hit later", func() bool {
				h := c.one(t.Context(), m)
				return h.label == "hit" && h.text == heard[0].text
			})
		}
		return
	}
	t.Errorf("%s: in no round every lookup was in time", question)
}

// TestHundredAtOnce: one process, and a split mesh (promise C4).
func TestHundredAtOnce(t *testing.T) {
	t.Parallel()
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newRepeater(always(manner{after: 700 * time.Millisecond}))
			m := mesh.Start(t, mesh.Options{Split: split, Upstream: e})
			k := makeKey(t, m, mesh.Key, `"name":"many","tenant":"acme"`)
			for _, c := range crowds(k.Secret, "what") {
				hundred(t, e, c, m)
			}
			resp, stats := ask(t, m, mesh.Key, http.MethodGet, "/api/v1/cache/stats", "")
			if resp.StatusCode != http.StatusOK || !strings.Contains(string(stats), `"coalesced":"`) || strings.Contains(string(stats), `"coalesced":"0"`) {
				t.Errorf("%d: %s", resp.StatusCode, stats)
			}
		})
	}
}

// TestHundredOverTwoRouters that share one cache service.
func TestHundredOverTwoRouters(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 700 * time.Millisecond}))
	first := mesh.Start(t, mesh.Options{Split: true, Upstream: e})
	second := first.StartNode(t, "cache")
	for _, c := range crowds(mesh.Key, "what") {
		hundred(t, e, c, first, second)
	}
}

// TestHundredOverTwoNodes with a cache service each on one Redis.
func TestHundredOverTwoNodes(t *testing.T) {
	t.Parallel()
	url, _ := startRedis(t)
	e := newRepeater(always(manner{after: 700 * time.Millisecond}))
	first := mesh.Start(t, mesh.Options{Split: true, Upstream: e, Env: []string{"HEADGATE_REDIS_URL=" + url}})
	second := first.StartNode(t)
	for _, c := range crowds(mesh.Key, "what") {
		hundred(t, e, c, first, second)
	}
}

// TestJoinedRows: who waited has a usage row as a hit has: no tokens of a provider, no cost.
func TestJoinedRows(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 500 * time.Millisecond}))
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"booked","limits":{"requests_per_minute":1000,"budget_usd":"5"}`)
		c := crowd{key: k.Secret, path: "/v1/messages", model: "claude-opus-4-6", stream: true, question: "rows of " + t.Name()}
		eventually(t, "the budget is open", func() bool { return c.one(t.Context(), m, "X-Headgate-Cache", "off").status == http.StatusOK })
		labels := c.labels(t, c.all(t, 20, m))
		eventually(t, "every call has its row", func() bool { return len(rows(t, m, k.Secret, "")) >= 21 })
		outcomes := make(map[string]int)
		for _, r := range rows(t, m, k.Secret, "") {
			outcomes[r.Outcome]++
			cached := r.Outcome == "OUTCOME_CACHED"
			if r.Provider != "claude" || (cached && (r.Tokens.Input != 0 || r.Tokens.Output != 0 || r.Cost != nil && *r.Cost != "0")) {
				t.Errorf("%+v", r)
			}
		}
		if outcomes["OUTCOME_CACHED"] != labels["coalesced"] || outcomes["OUTCOME_COMPLETE"] != e.count(c.question) || labels["coalesced"] == 0 {
			t.Errorf("rows %v, labels %v, asked %d times", outcomes, labels, e.count(c.question))
		}
	})
}

// TestNeverJoined: two tenants that ask the same at once, and calls that are off or refresh.
func TestNeverJoined(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 1500 * time.Millisecond}))
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		a := makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme"`)
		b := makeKey(t, m, mesh.Key, `"name":"b","tenant":"umbrella"`)
		c := crowd{path: "/v1/chat/completions", model: "gpt-5", question: "to both of " + t.Name()}
		heard := make([]heardOne, 8)
		var wg sync.WaitGroup
		for i := range heard {
			c := c
			c.key = []string{a.Secret, b.Secret}[i%2]
			wish := []string{"on", "on", "on", "on", "off", "off", "refresh", "refresh"}[i]
			wg.Go(func() { heard[i] = c.one(t.Context(), m, "X-Headgate-Cache", wish) })
		}
		wg.Wait()
		labels := c.labels(t, heard)
		if labels["coalesced"] > 2 || labels["coalesced"]+labels["miss"]+labels["off"] != 8 || e.count(c.question) != 8-labels["coalesced"] {
			t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
		}
		for i, h := range heard[4:] {
			if want := []string{"off", "off", "miss", "miss"}[i]; h.label != want {
				t.Errorf("call %d is labelled %s", 4+i, h.label)
			}
		}
		// An answer says which call of the upstream it is: tenants have none in common.
		seen := make(map[string]int)
		for i, h := range heard {
			text, _, _ := strings.Cut(h.text[strings.Index(h.text, "answer "):], " to ")
			if tenant, ok := seen[text]; ok && tenant != i%2 {
				t.Errorf("both tenants read %q", text)
			}
			seen[text] = i % 2
		}
	})
}

// warmUp waits until lookups of a mesh are in time: a busy machine is late for the first ones, and who is late asks alone.
func warmUp(t *testing.T, m *mesh.Mesh, c crowd) {
	t.Helper()
	c = crowd{key: c.key, path: "/v1/chat/completions", model: "gpt-5", question: warm + t.Name() + m.HTTP}
	eventually(t, "lookups are in time", func() bool {
		for range 5 {
			if h := c.one(t.Context(), m); h.label != "hit" {
				return false
			}
		}
		return true
	})
}

// joinBehind starts a leader at one mesh, and n followers at the others once it asks the provider.
func joinBehind(t *testing.T, ctx context.Context, e *repeater, c crowd, n int, at *mesh.Mesh, others ...*mesh.Mesh) (leader func() heardOne, followers func() []heardOne) { //nolint:revive // the context is the leader's alone
	t.Helper()
	for _, m := range append([]*mesh.Mesh{at}, others...) {
		warmUp(t, m, c)
	}
	first, rest := make(chan heardOne, 1), make(chan []heardOne, 1)
	before := e.count(c.question)
	go func() { first <- c.one(ctx, at) }()
	eventually(t, "the leader asks", func() bool { return e.count(c.question) > before })
	go func() { rest <- c.all(t, n, others...) }()
	return func() heardOne { return <-first }, func() []heardOne { return <-rest }
}

// TestLeaderLeaves: one of those that wait asks, at once, and the others wait for that one.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 2 * time.Second}))
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		for i, c := range crowds(mesh.Key, "left by the leader of "+t.Name()) {
			ctx, leave := context.WithCancel(t.Context())
			leader, followers := joinBehind(t, ctx, e, c, 30, m, m)
			<-time.After(time.Second)
			left := time.Now()
			leave()
			if h := leader(); h.err == nil {
				t.Errorf("the leader stayed: %+v", h)
			}
			labels := c.labels(t, followers())
			times := e.times(c.question)
			if len(times) != 2 || labels["miss"] != 1 || labels["coalesced"] != 29 {
				t.Errorf("%d: labels %v, asked %d times", i, labels, len(times))
			} else if wait := times[1].Sub(left); wait > 500*time.Millisecond {
				t.Errorf("%d: the next one asked %v after the leader left", i, wait)
			}
			if e.gone(c.question) != 1 {
				t.Errorf("%d: %d calls of the provider were given up", i, e.gone(c.question))
			}
		}
	})
}

// TestFollowersLeave at once, and nobody else is disturbed.
func TestFollowersLeave(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 3 * time.Second}))
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		c := crowd{key: mesh.Key, path: "/v1/chat/completions", model: "gpt-5", stream: true, question: "left by followers of " + t.Name()}
		leader, followers := joinBehind(t, t.Context(), e, c, 5, m, m)
		ctx, leave := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer leave()
		for range 20 {
			if h := c.one(ctx, m); h.err == nil || h.took > 1500*time.Millisecond {
				t.Errorf("it stayed for %v: %+v", h.took, h)
			}
		}
		// A timeout of its own: it waits for half of that, then asks by itself; either way it is over in time.
		if h := c.one(t.Context(), m, "X-Headgate-Timeout-Ms", "600"); h.status != http.StatusGatewayTimeout || h.took > 2*time.Second {
			t.Errorf("a call of 600ms: %d after %v", h.status, h.took)
		}
		if h := leader(); h.label != "miss" {
			t.Errorf("the leader: %+v", h)
		}
		if labels := c.labels(t, followers()); labels["coalesced"] != 5 || e.count(c.question) != 2 {
			t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
		}
	})
}

// TestLeaderFails: its failure is its own client's; the next one asks, and the others wait for that one.
func TestLeaderFails(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]manner{"status": {status: 400}, "cut": {cut: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newRepeater(func(_ string, n int) manner {
				m := m
				if m.after = time.Second; n > 1 {
					m = manner{after: time.Second}
				}
				return m
			})
			bothShapes(t, mesh.Options{Upstream: e, Extra: "timeouts: {first_content: 30s}\n"}, func(t *testing.T, m *mesh.Mesh) {
				// A stream that is cut behind its first content is one attempt.
				c := crowd{key: mesh.Key, path: "/v1/chat/completions", model: "gpt-5", stream: true, question: name + " of " + t.Name()}
				leader, followers := joinBehind(t, t.Context(), e, c, 20, m, m)
				if h := leader(); h.status == http.StatusOK && !strings.Contains(h.text, "error") {
					t.Errorf("the leader: %+v", h)
				}
				labels := c.labels(t, followers())
				if labels["miss"] != 1 || labels["coalesced"] != 19 || e.count(c.question) != 2 {
					t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
				}
			})
		})
	}
}

// TestUnkeptAnswers: one that is too large, or comes from the next target, is nobody else's; all that wait ask at once.
func TestUnkeptAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		behave func(q string, n int) manner
		model  string
	}{
		"too large":              {always(manner{after: time.Second, padding: 2 << 20}), "gpt-5"},
		"too large for this one": {always(manner{after: time.Second, padding: 200 << 10}), "gpt-5"},
		"a failover":             {always(manner{after: time.Second}), "shaky"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newRepeater(c.behave)
			down := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/down/") {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				e.ServeHTTP(w, r)
			})
			bothShapes(t, mesh.Options{Upstream: down, Extra: unkept}, func(t *testing.T, m *mesh.Mesh) {
				c := crowd{key: mesh.Key, path: "/v1/chat/completions", model: c.model, question: name + " of " + t.Name()}
				leader, followers := joinBehind(t, t.Context(), e, c, 20, m, m)
				if h := leader(); h.label != "miss" || h.status != http.StatusOK {
					t.Errorf("the leader: %d, %s", h.status, h.label)
				}
				labels := c.labels(t, followers())
				if labels["coalesced"]+labels["hit"] > 0 || e.count(c.question) != 21 {
					t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
				}
				times := e.times(c.question)
				if wait := times[20].Sub(times[0]); wait > 3*time.Second {
					t.Errorf("the last one asked after %v: they queue", wait)
				}
			})
		})
	}
}

// unkept is a model whose first provider is down, and a cache for small answers.
const unkept = `  down: {kind: openai, api_key: "sk-down", base_url: "http://${UPSTREAM}/down/v1"}
cache: {max_entry: 100KiB}
models:
  shaky: {targets: [{provider: down, model: gpt-5}, {provider: openai, model: gpt-5}]}
`

// TestWithdrawnWhileTheyWait: an answer from before an invalidation reaches nobody but its own client (promise C3).
func TestWithdrawnWhileTheyWait(t *testing.T) {
	t.Parallel()
	e := newRepeater(always(manner{after: 1500 * time.Millisecond}))
	bothShapes(t, mesh.Options{Upstream: e}, func(t *testing.T, m *mesh.Mesh) {
		c := crowd{key: mesh.Key, path: "/v1/messages", model: "claude-opus-4-6", question: "withdrawn in " + t.Name()}
		leader, followers := joinBehind(t, t.Context(), e, c, 20, m, m)
		<-time.After(500 * time.Millisecond)
		if resp, body := ask(t, m, mesh.Key, http.MethodPost, "/api/v1/cache:invalidate", `{"model":"claude-opus-4-6"}`); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		old := leader()
		heard := followers()
		if labels := c.labels(t, heard); labels["miss"] != 1 || labels["coalesced"] != 19 || e.count(c.question) != 2 {
			t.Errorf("labels %v, asked %d times", labels, e.count(c.question))
		}
		if slices.ContainsFunc(heard, func(h heardOne) bool { return h.text == old.text }) {
			t.Error("a withdrawn answer reached those who waited")
		}
	})
}
