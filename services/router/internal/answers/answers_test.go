package answers

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

func TestHitReplaysTheStream(t *testing.T) {
	t.Parallel()
	f := newFake()
	a := newAnswers(t, f, nil)
	fillIt(t, a, question(nil), answer(nil))
	hit, fill, _ := a.Lookup(t.Context(), question(nil))
	if hit == nil || fill != nil {
		t.Fatalf("hit %v, fill %v; %+v", hit, fill, a.Counts())
	}
	if hit.Provider != "openai" || hit.Model != "gpt-5" || hit.Usage.GetInputTokens() != 9 || !hit.StoredAt.Equal(time.Unix(1000, 0)) {
		t.Errorf("%+v", hit)
	}
	got := replayed(t, hit)
	want := []*routerv1.RelayResponse{{
		Head: &routerv1.RelayHead{
			Status: 200, Stream: true, Provider: "openai", Model: "gpt-5", Warnings: []string{"seed"},
			Headers: []*routerv1.Header{{Name: "content-type", Value: "text/event-stream"}, {Name: "x-headgate-cache", Value: "hit"}},
		},
		Data:    []byte(frameOne + frameDone),
		Trailer: &routerv1.RelayTrailer{Complete: true, FinishReason: llmv1.FinishReason_FINISH_REASON_STOP},
	}}
	if len(got) != 1 || !proto.Equal(got[0], want[0]) {
		t.Errorf("got %v", got)
	}
	if c := a.Counts(); c != (Counts{Hits: 1, Misses: 1, Stores: 1}) {
		t.Errorf("counts %+v", c)
	}
}

// TestReplayCutsBetweenFrames: a long stream comes in messages of whole frames, none of them large.
func TestReplayCutsBetweenFrames(t *testing.T) {
	t.Parallel()
	a := newAnswers(t, newFake(), nil)
	m := answer(nil)[:1]
	sizes := rand.New(rand.NewPCG(1, 1))
	ends := map[int]bool{len(frameOne): true}
	total := len(frameOne)
	for range 60 {
		frame := "data: " + strings.Repeat("x", sizes.IntN(20_000)) + "\n\n"
		total += len(frame)
		ends[total] = true
		m = append(m, &routerv1.RelayResponse{Data: []byte(frame)})
	}
	m = append(m, answer(nil)[1])
	fillIt(t, a, question(nil), m)
	hit, _, _ := a.Lookup(t.Context(), question(nil))
	if hit == nil {
		t.Fatal("a miss")
	}
	got := replayed(t, hit)
	if joined(got) != joined(m) || len(got) < total/maxMessage {
		t.Errorf("%d messages, the same: %v", len(got), joined(got) == joined(m))
	}
	at := 0
	for i, r := range got {
		at += len(r.GetData())
		last := i == len(got)-1
		if len(r.GetData()) > maxMessage || (!ends[at] && !last) || (r.GetHead() != nil) != (i == 0) || (r.GetTrailer() != nil) != last {
			t.Errorf("message %d: %d bytes", i, len(r.GetData()))
		}
	}
}

func TestUnary(t *testing.T) {
	t.Parallel()
	unary := question(func(a *Ask) { a.Stream = false })
	body := []*routerv1.RelayResponse{{
		Head: &routerv1.RelayHead{Status: 200, Provider: "openai", Model: "gpt-5"}, Data: []byte(`{"id":1}`),
		Trailer: &routerv1.RelayTrailer{Complete: true},
	}}
	a := newAnswers(t, newFake(), nil)
	fillIt(t, a, unary, body)
	if hit, _, _ := a.Lookup(t.Context(), question(nil)); hit != nil {
		t.Error("a stream is answered with a body")
	}
	hit, _, _ := a.Lookup(t.Context(), unary)
	if hit == nil {
		t.Fatal("a miss")
	}
	if got := replayed(t, hit); len(got) != 1 || joined(got) != `{"id":1}` || got[0].GetHead().GetStream() {
		t.Errorf("got %v", got)
	}
}

// TestWhatIsntKept: nothing but a whole, successful answer of the target that was meant.
func TestWhatIsntKept(t *testing.T) {
	t.Parallel()
	ask := func(change func(a *Ask)) func(*Ask) { return change }
	cases := map[string]struct {
		ask     func(*Ask)
		options func(*Options)
		answer  func(m []*routerv1.RelayResponse)
		close   bool
	}{
		"an error":              {answer: func(m []*routerv1.RelayResponse) { m[0].Head.Status = 500 }},
		"a refusal":             {answer: func(m []*routerv1.RelayResponse) { m[0].Head.Status = 429 }},
		"cut off":               {answer: func(m []*routerv1.RelayResponse) { m[1].Trailer.Complete = false }},
		"no end":                {answer: func(m []*routerv1.RelayResponse) { m[1].Trailer = nil }},
		"given up":              {close: true},
		"another provider":      {answer: func(m []*routerv1.RelayResponse) { m[0].Head.Provider = "claude" }},
		"another model":         {answer: func(m []*routerv1.RelayResponse) { m[0].Head.Model = "claude-opus-4-6" }},
		"another mode":          {answer: func(m []*routerv1.RelayResponse) { m[0].Head.Stream = false }},
		"no head":               {answer: func(m []*routerv1.RelayResponse) { m[0].Head = nil }},
		"empty":                 {answer: func(m []*routerv1.RelayResponse) { m[0].Data, m[1].Data = nil, nil }},
		"too large":             {options: func(o *Options) { o.MaxEntry = 40 }},
		"too large when sealed": {options: func(o *Options) { o.MaxEntry = len(frameOne + frameDone) }},
		"no room for all":       {options: func(o *Options) { o.MaxFilling = 100 }},
		"sensitive":             {ask: ask(func(a *Ask) { a.Sensitivity = llmv1.Sensitivity_SENSITIVITY_HIGH })},
		"off":                   {ask: ask(func(a *Ask) { a.Wish, a.On = steer.CacheOff, true })},
		"not asked for":         {ask: ask(func(a *Ask) { a.Wish = "" })},
		"no tenant":             {ask: ask(func(a *Ask) { a.Tenant = "" })},
		"no target":             {ask: ask(func(a *Ask) { a.Targets = nil })},
		"not JSON":              {ask: ask(func(a *Ask) { a.Body = []byte("{") })},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			a := newAnswers(t, f, c.options)
			messages := answer(c.answer)
			hit, fill, _ := a.Lookup(t.Context(), question(c.ask))
			if hit != nil {
				t.Fatal("a hit")
			}
			fill.Take(messages[0])
			if c.close {
				fill.Close()
			}
			fill.Take(messages[1])
			fill.Close()
			a.Close()
			if len(f.stored) > 0 || a.filling.Load() != 0 {
				t.Errorf("%d stored, %d bytes held", len(f.stored), a.filling.Load())
			}
		})
	}
}

func TestWishes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		ask             func(*Ask)
		options         func(*Options)
		hit, asked, new bool
	}{
		"on":                        {hit: true, asked: true},
		"by the model":              {ask: func(a *Ask) { a.Wish, a.On = "", true }, hit: true, asked: true},
		"refresh":                   {ask: func(a *Ask) { a.Wish = steer.CacheRefresh }, asked: true, new: true},
		"off":                       {ask: func(a *Ask) { a.Wish = steer.CacheOff }},
		"nothing":                   {ask: func(a *Ask) { a.Wish = "" }},
		"sensitive":                 {ask: func(a *Ask) { a.Sensitivity = llmv1.Sensitivity_SENSITIVITY_HIGH }},
		"sensitive, allowed":        {ask: func(a *Ask) { a.Sensitivity = llmv1.Sensitivity_SENSITIVITY_HIGH }, options: func(o *Options) { o.AllowSensitive = true }, hit: true, asked: true},
		"medium":                    {ask: func(a *Ask) { a.Sensitivity = llmv1.Sensitivity_SENSITIVITY_MEDIUM }, hit: true, asked: true},
		"another key of the tenant": {ask: func(a *Ask) { a.KeyID = "k" }, asked: true, new: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			a := newAnswers(t, f, c.options)
			fillIt(t, a, question(nil), answer(nil))
			before := f.lookups
			hit, fill, _ := a.Lookup(t.Context(), question(c.ask))
			defer fill.Close()
			if (hit != nil) != c.hit || (f.lookups > before) != c.asked || (fill != nil) != c.new {
				t.Errorf("hit %v, asked %v, fill %v", hit != nil, f.lookups > before, fill != nil)
			}
		})
	}
}

func TestRefreshReplaces(t *testing.T) {
	t.Parallel()
	f := newFake()
	a := newAnswers(t, f, nil)
	fillIt(t, a, question(nil), answer(nil))
	fillIt(t, a, question(func(a *Ask) { a.Wish, a.TTL = steer.CacheRefresh, time.Hour }), answer(func(m []*routerv1.RelayResponse) { m[0].Data = []byte("data: new\n\n") }))
	hit, _, _ := a.Lookup(t.Context(), question(nil))
	if hit == nil || joined(replayed(t, hit)) != "data: new\n\n"+frameDone {
		t.Error("the old answer stays")
	}
	if len(f.stored) != 2 || f.stored[0].GetTtl() != nil || f.stored[1].GetTtl().AsDuration() != time.Hour {
		t.Errorf("%v", f.stored)
	}
}

// TestWithdrawnMeanwhile: the generation of the lookup goes with the answer.
func TestWithdrawnMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFake()
	a := newAnswers(t, f, nil)
	_, fill, _ := a.Lookup(t.Context(), question(nil))
	f.set(func() { f.generation = "another of 16..." })
	for _, m := range answer(nil) {
		fill.Take(m)
	}
	a.Close()
	if hit, _, _ := a.Lookup(t.Context(), question(nil)); hit != nil || a.Counts().Dropped != 1 {
		t.Errorf("hit %v, %+v", hit, a.Counts())
	}
}

// TestForeignValues: whatever the service hands out, only the very answer to the very question is given to a client.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	f := newFake()
	a := newAnswers(t, f, nil)
	fillIt(t, a, question(func(a *Ask) { a.Tenant = "u" }), answer(nil))
	f.mixUp = true
	if hit, fill, _ := a.Lookup(t.Context(), question(nil)); hit != nil || fill == nil || a.Counts().Foreign != 1 {
		t.Errorf("another tenant's answer: %v, %+v", hit, a.Counts())
	}
	f.mixUp = false
	ask := question(nil)
	fillIt(t, a, ask, answer(nil))
	digest, _ := a.Key(ask)
	good := f.values[string(digest[:])]
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		for _, value := range [][]byte{bad, good[:i]} {
			f.values[string(digest[:])] = value
			if hit, _, _ := a.Lookup(t.Context(), ask); hit != nil {
				t.Fatalf("byte %d is changed or missing, and nobody noticed", i)
			}
		}
	}
	if bytes.Contains(good, []byte("content")) {
		t.Error("the service can read the answer")
	}
	for name, change := range map[string]func(*Options){
		"secret": func(o *Options) { o.Secret = []byte("another") }, "configuration": func(o *Options) { o.Generation = "2" },
	} {
		f.values[string(digest[:])] = good
		if hit, _, _ := newAnswers(t, f, change).Lookup(t.Context(), ask); hit != nil {
			t.Errorf("found with another %s", name)
		}
	}
}

// TestServiceDown: a service that is away costs the first calls little and the later ones nothing.
func TestServiceDown(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	f := newFake()
	f.fail = errDown
	a := newAnswers(t, f, func(o *Options) { o.Now = func() time.Time { return time.Unix(now.Load(), 0) } })
	for range 20 {
		if hit, fill, _ := a.Lookup(t.Context(), question(nil)); hit != nil || fill != nil {
			t.Fatal("found or filling without a service")
		}
	}
	if f.lookups != breakAfter {
		t.Errorf("%d lookups", f.lookups)
	}
	f.fail = nil
	now.Add(1)
	fillIt(t, a, question(nil), answer(nil))
	if hit, _, _ := a.Lookup(t.Context(), question(nil)); hit == nil {
		t.Error("it never comes back")
	}
}

func TestServiceSlow(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.wait = true
	a := newAnswers(t, f, func(o *Options) { o.LookupTimeout = 5 * time.Millisecond })
	start := time.Now()
	for range 20 {
		if hit, fill, _ := a.Lookup(t.Context(), question(nil)); hit != nil || fill != nil {
			t.Fatal("found or filling without a service")
		}
	}
	if took := time.Since(start); f.lookups != breakAfter || took > time.Second {
		t.Errorf("%d lookups, %v", f.lookups, took)
	}
}

// TestCallersThatLeave say nothing about the service.
func TestCallersThatLeave(t *testing.T) {
	t.Parallel()
	f := newFake()
	a := newAnswers(t, f, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		a.Lookup(ctx, question(nil))
	}
	if _, fill, _ := a.Lookup(t.Context(), question(nil)); fill == nil {
		t.Error("the breaker opened")
	}
}

// TestClientLeavesWithTheLastFrame: the answer is complete all the same, and kept.
func TestClientLeavesWithTheLastFrame(t *testing.T) {
	t.Parallel()
	a := newAnswers(t, newFake(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, fill, _ := a.Lookup(ctx, question(nil))
	for _, m := range answer(nil) {
		fill.Take(m)
		cancel()
	}
	a.Close()
	if hit, _, _ := a.Lookup(t.Context(), question(nil)); hit == nil {
		t.Error("it isn't kept")
	}
}

func TestNil(t *testing.T) {
	t.Parallel()
	var a *Answers
	hit, fill, _ := a.Lookup(t.Context(), question(nil))
	if hit != nil || fill != nil || a.Counts() != (Counts{}) {
		t.Error("nil finds something")
	}
	fill.Take(answer(nil)[0])
	fill.Close()
	a.Close()
}

// TestCanaries: 40 000 questions (4 000 in short tests) of twenty tenants at once, three in ten of them cancelled
// midway, and a service that mixes values up now and then: nobody ever reads another's (promise C1).
func TestCanaries(t *testing.T) {
	t.Parallel()
	rounds := 40_000
	if testing.Short() {
		rounds /= 10
	}
	f := newFake()
	a := newAnswers(t, f, nil)
	var wg sync.WaitGroup
	var hits, foreign atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(3, uint64(i)))
			for n := range rounds / 4 {
				if n%50 == 0 {
					f.set(func() { f.mixUp = !f.mixUp })
				}
				tenant := fmt.Sprint("tenant ", random.IntN(20))
				canary := "data: " + tenant + "\n\n"
				ctx, cancel := context.WithCancel(t.Context())
				hit, fill, _ := a.Lookup(ctx, question(func(a *Ask) { a.Tenant = tenant }))
				if random.IntN(10) < 3 {
					cancel()
				}
				if hit != nil {
					hits.Add(1)
					if joined(replayed(t, hit)) != canary+frameDone {
						foreign.Add(1)
					}
				}
				for _, m := range answer(func(m []*routerv1.RelayResponse) { m[0].Data = []byte(canary) }) {
					fill.Take(m)
				}
				fill.Close()
				cancel()
			}
		})
	}
	wg.Wait()
	a.Close()
	t.Logf("%d questions, %d hits, %d foreign; %+v", rounds, hits.Load(), foreign.Load(), a.Counts())
	if foreign.Load() > 0 || hits.Load() == 0 || a.Counts().Foreign == 0 {
		t.Error("an answer crossed, or nothing was tried")
	}
	if a.filling.Load() != 0 {
		t.Errorf("%d bytes are held for ever", a.filling.Load())
	}
}
