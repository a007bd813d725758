package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestReloadUnderLoad: two hundred reloads, some of them of files that are wrong, and not a call fails; what they took is
// given back.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const reloads, workers = 200, 8
	f := newFleet(t, "cloud", "sky")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: duo})
	version := func(i int) string { // everything but what is called changes
		text := strings.Replace(duo, "api_key: k", fmt.Sprintf("api_key: k%d", i), 1+i%2)
		text += fmt.Sprintf("  m%d: {strategy: weighted, targets: [{provider: sky, model: claude-haiku-4-5}]}\n", i)
		if i%3 == 0 {
			text += fmt.Sprintf("rules: [{name: r%d, when: 'tags.x == \"%d\"', deny: no}]\nsensitivity: {always: true, patterns: [{name: p, pattern: 'x%dx'}]}\n", i, i, i)
		}
		return text
	}
	goroutines := regexp.MustCompile(`(?m)^go_goroutines (\d+)`)
	count := func() (n int) {
		_, _ = fmt.Sscan(goroutines.FindStringSubmatch(fetch(t, "http://"+m.Ops+"/metrics"))[1], &n)
		return n
	}
	atOnce(workers, 64, func(int) { _, _, _ = try(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody("duo", false)) })
	heap := func() (bytes int) { // what is in use once the rest is swept
		text := fetch(t, "http://"+m.Ops+"/debug/pprof/heap?gc=1&debug=1")
		_, rest, _ := strings.Cut(text, "# HeapAlloc = ")
		_, _ = fmt.Sscan(rest, &bytes)
		return bytes
	}
	before, used := count(), heap()
	var stopped atomic.Bool
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for !stopped.Load() {
				path, body := chatPath, openAIBody("duo", i%4 == 0)
				if i%2 == 1 {
					path, body = "/v1/messages", chatBody("duo", i%4 == 1)
				}
				resp, got, err := try(t, m, mesh.Key, http.MethodPost, path, strings.Replace(body, "Explain RAG", fmt.Sprint("Explain ", i), 1))
				if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(got, []byte(`"error"`)) {
					if bad.Add(1) < 4 {
						t.Errorf("%v: %s", err, tail(got))
					}
					continue
				}
				good.Add(1)
			}
		})
	}
	applied := func() int { return strings.Count(m.Log(), `msg="the configuration is in force"`) }
	refused := func() int { return strings.Count(m.Log(), "the last good one stays in force") }
	done, wrong := applied(), 0
	for i := range reloads {
		if i%20 == 10 {
			m.Configure(t, "rules: [{name: x, when: '1'}]\n")
			hangUp(t, m, "router")
			last := wrong
			eventually(t, "the mistake is told", func() bool { wrong = refused(); return wrong > last })
		}
		m.Configure(t, version(i))
		hangUp(t, m, "router")
		last := done
		eventually(t, "the configuration is in force", func() bool { done = applied(); return done > last })
	}
	stopped.Store(true)
	wg.Wait()
	t.Logf("%d calls went well and %d failed during %d reloads and %d that were refused", good.Load(), bad.Load(), done, wrong)
	if good.Load() < reloads || wrong < reloads/20 {
		t.Error("too little happened: this test can't fail")
	}
	if resp, _ := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody(fmt.Sprintf("m%d", reloads-1), false)); resp.StatusCode != http.StatusOK {
		t.Errorf("the last configuration isn't in force: %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	after := 0
	eventually(t, "the goroutines are gone", func() bool {
		<-time.After(100 * time.Millisecond)
		after = count()
		return after <= before+20
	})
	left := heap()
	t.Logf("goroutines: %d before, %d after; heap: %d KiB before, %d KiB after", before, after, used>>10, left>>10)
	if used == 0 || left > used+(8<<20) {
		t.Errorf("the heap has grown from %d to %d bytes", used, left)
	}
}

// TestReloadKeepsWhatIsKnown: an open breaker and resting keys outlive a reload; a provider at another address starts anew.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "spare")
	d := &desk{says: map[string]refusal{firstKey: {429, `{"error":{"message":"slow down"}}`, "60"}}, used: make(map[string]int)}
	f.before = func(w http.ResponseWriter, r *http.Request, name string) bool {
		return name == "cloud" && d.answer(w, r, name)
	}
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: severalKeys})
	f.faults(t, "sky", "status=503,retry_after=0")
	for range 24 {
		for _, model := range []string{"o", "a"} {
			if resp, body := ask(t, m, mesh.Key, http.MethodPost, chatPath, openAIBody(model, false)); resp.StatusCode != http.StatusOK {
				t.Fatalf("%d: %s", resp.StatusCode, tail(body))
			}
		}
	}
	known := func(when, breaker string, cooling int) {
		t.Helper()
		if got := targetOf(t, m, "a", "sky").Breaker; got != breaker {
			t.Errorf("%s: %q, want %q", when, got, breaker)
		}
		if got := targetOf(t, m, "o", "cloud").KeysCooling; got != cooling {
			t.Errorf("%s: %d keys rest, want %d", when, got, cooling)
		}
	}
	known("before", "BREAKER_STATE_OPEN", 1)
	for _, c := range []struct {
		name, text, breaker string
		cooling             int
	}{
		{"another timer", severalKeys + "timeouts: {gap: 59s}\n", "BREAKER_STATE_OPEN", 1},
		{"keys in another order", strings.Replace(severalKeys, firstKey+", "+secondKey+", "+thirdKey, thirdKey+", "+firstKey, 1), "BREAKER_STATE_OPEN", 1},
		{"back again", severalKeys, "BREAKER_STATE_OPEN", 1},
		{"without the key that rests", strings.Replace(severalKeys, firstKey+", "+secondKey+", "+thirdKey, secondKey, 1), "BREAKER_STATE_OPEN", 0},
		{"another address", strings.Replace(severalKeys, "/sky", "/spare", 1), "", 0},
	} {
		applied := strings.Count(m.Log(), `msg="the configuration is in force"`)
		m.Configure(t, c.text)
		hangUp(t, m, "router")
		eventually(t, c.name, func() bool { return strings.Count(m.Log(), `msg="the configuration is in force"`) > applied })
		known(c.name, c.breaker, c.cooling)
	}
}
