package answers

import (
	"testing"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

func body(text string) func(*Ask) { return func(a *Ask) { a.Body = []byte(text) } }

func header(name, value string) *routerv1.Header { return &routerv1.Header{Name: name, Value: value} }

func TestKey(t *testing.T) {
	t.Parallel()
	const text = `{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello"}],"n":1,"metadata":{"user_id":"u"}}`
	same := map[string]func(*Ask){
		"another order":    body(`{"messages":[{"content":"Hello","role":"user"}],"metadata":{"user_id":"u"},"n":1,"stream":true,"model":"assistant"}`),
		"another spelling": body(` {"model":"\u0061ssistant", "stream":true, "messages":[{"role":"user","content":"H\u0065llo"}],"n":1.0,"metadata":{"user_id":"u"}}`),
		"no stream member": body(`{"model":"assistant","messages":[{"role":"user","content":"Hello"}],"n":1,"metadata":{"user_id":"u"}}`),
		"wishes":           func(a *Ask) { a.Wish, a.On, a.TTL = steer.CacheRefresh, true, 5 },
	}
	different := map[string]func(*Ask){
		"tenant":           func(a *Ask) { a.Tenant = "u" },
		"key":              func(a *Ask) { a.KeyID = "k" },
		"tenant and key":   func(a *Ask) { a.Tenant, a.KeyID = "", "t" },
		"dialect":          func(a *Ask) { a.Dialect = llmv1.Dialect_DIALECT_ANTHROPIC },
		"operation":        func(a *Ask) { a.Operation = routerv1.Operation_OPERATION_EMBED },
		"model":            func(a *Ask) { a.Model = "other" },
		"target":           func(a *Ask) { a.Targets = []Target{{"openai", "gpt-6"}, {"claude", "claude-opus-4-6"}} },
		"provider":         func(a *Ask) { a.Targets = []Target{{"openai2", "gpt-5"}, {"claude", "claude-opus-4-6"}} },
		"fewer targets":    func(a *Ask) { a.Targets = a.Targets[:1] },
		"order of targets": func(a *Ask) { a.Targets = []Target{a.Targets[1], a.Targets[0]} },
		"where names end":  func(a *Ask) { a.Targets = []Target{{"openaig", "pt-5"}, {"claude", "claude-opus-4-6"}} },
		"mode":             func(a *Ask) { a.Stream = false },
		"query":            func(a *Ask) { a.Query = "beta=true" },
		"header":           func(a *Ask) { a.Headers = []*routerv1.Header{header("anthropic-beta", "x")} },
		"header's value":   func(a *Ask) { a.Headers = []*routerv1.Header{header("anthropic-beta", "y")} },
		"header's name":    func(a *Ask) { a.Headers = []*routerv1.Header{header("openai-beta", "x")} },
		"two values":       func(a *Ask) { a.Headers = []*routerv1.Header{header("openai-beta", "x"), header("openai-beta", "y")} },
		"order of values":  func(a *Ask) { a.Headers = []*routerv1.Header{header("openai-beta", "y"), header("openai-beta", "x")} },
		"text":             body(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"hello"}],"n":1,"metadata":{"user_id":"u"}}`),
		"end user":         body(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello"}],"n":1,"metadata":{"user_id":"v"}}`),
		"one field more":   body(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello"}],"n":1,"metadata":{"user_id":"u"},"x":null}`),
		"usage chunk":      body(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello"}],"n":1,"metadata":{"user_id":"u"},"stream_options":{"include_usage":true}}`),
		"stream within":    body(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello","stream":true}],"n":1,"metadata":{"user_id":"u"}}`),
	}
	a := newAnswers(t, newFake(), nil)
	key := func(change func(*Ask)) Digest {
		ask := question(body(text))
		if change != nil {
			change(&ask)
		}
		d, _ := a.Key(ask)
		return d
	}
	first := key(nil)
	for name, change := range same {
		if key(change) != first {
			t.Errorf("%s: another key", name)
		}
	}
	seen := map[Digest]string{first: "the first"}
	for name, change := range different {
		d := key(change)
		if other, ok := seen[d]; ok {
			t.Errorf("%s: the same key as %s", name, other)
		}
		seen[d] = name
	}
	reordered := question(func(a *Ask) { a.Headers = []*routerv1.Header{header("b", "1"), header("a", "2")} })
	ordered := question(func(a *Ask) { a.Headers = []*routerv1.Header{header("a", "2"), header("b", "1")} })
	x, _ := a.Key(reordered)
	if y, _ := a.Key(ordered); x != y {
		t.Error("the order of different headers counts")
	}
}

// FuzzDecode: nothing that opens can make decoding panic, and what decodes is what was encoded.
func FuzzDecode(f *testing.F) {
	v := &value{
		head: answer(nil)[0].GetHead(), trailer: answer(nil)[1].GetTrailer(), data: []byte(frameOne + frameDone),
		ends: []int{len(frameOne), len(frameOne + frameDone)},
	}
	text, err := v.encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decode(text)
		if err != nil {
			return
		}
		again, err := v.encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := decode(again)
		if err != nil || string(w.data) != string(v.data) || len(w.ends) != len(v.ends) {
			t.Fatalf("%v", err)
		}
		sent := replayed(t, newHit(w, time.Time{}, false))
		if joined(sent) != string(v.data) {
			t.Fatal("the replay is another")
		}
	})
}

func prompt(size int) []byte {
	out := []byte(`{"model":"assistant","temperature":0.2,"stream":true,"messages":[`)
	for len(out) < size {
		out = append(out, `{"role":"user","content":"What the reader says, in \"words\" that take some room on a line.\nAnd a second line of it, without anything special."},`...)
	}
	out[len(out)-1] = ']'
	return append(out, '}')
}

func BenchmarkKey(b *testing.B) {
	for name, size := range map[string]int{"4KB": 4 << 10, "64KB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			a := newAnswers(b, newFake(), nil)
			ask := question(func(a *Ask) { a.Body = prompt(size) })
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, ok := a.Key(ask); !ok {
					b.Fatal("no key")
				}
			}
		})
	}
}

// BenchmarkHit is a whole hit of a stream of 200 frames, without the service.
func BenchmarkHit(b *testing.B) {
	a := newAnswers(b, newFake(), nil)
	m := answer(nil)[:1]
	for range 200 {
		m = append(m, &routerv1.RelayResponse{Data: []byte(frameOne)})
	}
	ask := question(func(a *Ask) { a.Body = prompt(4 << 10) })
	fillIt(b, a, ask, append(m, answer(nil)[1]))
	b.ReportAllocs()
	for b.Loop() {
		hit, _, _ := a.Lookup(b.Context(), ask)
		if hit == nil {
			b.Fatal("a miss")
		}
		if err := hit.Replay(func(*routerv1.RelayResponse) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFill is what a miss costs beside the provider's answer of 200 frames.
func BenchmarkFill(b *testing.B) {
	f := newFake()
	a := newAnswers(b, f, nil)
	m := answer(nil)
	frame := &routerv1.RelayResponse{Data: []byte(frameOne)}
	ask := question(func(a *Ask) { a.Body, a.Wish = prompt(4<<10), steer.CacheRefresh })
	b.ReportAllocs()
	for b.Loop() {
		_, fill, _ := a.Lookup(b.Context(), ask)
		fill.Take(m[0])
		for range 200 {
			fill.Take(frame)
		}
		fill.Take(m[1])
		f.set(func() { f.stored = nil })
	}
}
