package promises_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// maxTries is how often one request may be tried (promise S2).
const maxTries = 3

// TestS2Amplification: whatever share of attempts fails, a provider gets at most a fifth more of them than there are
// requests, and three; no request is tried more than three times.
func TestS2Amplification(t *testing.T) {
	rates := []int{100, 30, 5}
	up := newUpstream(func(v *voice, round, n int) {
		percent, _ := strconv.Atoi(v.model[1:])
		if chance("503", round, n).IntN(100) < percent {
			v.refuse(http.StatusServiceUnavailable)
			return
		}
		v.answer("well")
	})
	extra := "models:\n"
	for _, percent := range rates {
		extra += fmt.Sprintf("  fails-%[1]d: {targets: [{provider: openai, model: m%[1]d}]}\n", percent)
	}
	m := start(t, mesh.Options{Upstream: up, Extra: extra})
	for _, percent := range rates {
		t.Run(fmt.Sprintf("%d%%", percent), func(t *testing.T) {
			y := promise(t, "S2", fmt.Sprintf("repeats while %d %% of attempts get 503", percent))
			var answers sync.Map
			openLoop(t.Context(), 200, size(3*time.Second, 60*time.Second), func(i int) {
				path, text := body([]string{"openai", "anthropic"}[i%2], fmt.Sprintf("fails-%d", percent), percent*10_000+i, false, i%3 == 0)
				answers.Store(i, exchange(t.Context(), m, path, text))
			})
			requests, failed := int64(0), 0
			answers.Range(func(i, value any) bool {
				y.kept()
				requests++
				a := value.(outcome)
				if a.failed() {
					failed++
				}
				if a.status >= 400 && a.header.Get("X-Should-Retry") != "false" {
					y.broken("request %d: status %d, and nothing keeps the SDKs from repeating it: %v", i, a.status, a.header)
				}
				return true
			})
			attempts, most := int64(0), 0
			for _, n := range up.attempts() {
				attempts += int64(n)
				most = max(most, n)
			}
			y.found("%d attempts (x%.3f), at most %d a request, %d failed", attempts, float64(attempts)/float64(requests), most, failed)
			if limit := requests + requests/5 + 3; attempts > limit || most > maxTries {
				y.broken("%d attempts for %d requests, at most %d; %d for one, at most %d", attempts, requests, limit, most, maxTries)
			}
			// Where everything fails the breaker may open before the first repeat.
			if (most < 2 && percent < 100) || (percent < 100) == (failed == int(requests)) {
				y.broken("at most %d attempts, %d of %d failed: the test misses", most, failed, requests)
			}
		})
	}
}

// openLoop calls f at a rate, whether the calls before have ended or not, and waits for all.
func openLoop(ctx context.Context, perSecond int, d time.Duration, f func(i int)) {
	var wg sync.WaitGroup
	began := time.Now()
	for i := range int(d.Seconds() * float64(perSecond)) {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		if wait := time.Until(due); wait > 0 {
			<-time.After(wait)
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// outcome is what came back.
type outcome struct {
	status int
	header http.Header
	body   []byte
	err    error
	took   time.Duration
}

// failed reports whether it is no answer, in its status or within its stream.
func (o outcome) failed() bool {
	if o.err != nil || o.status != http.StatusOK {
		return true
	}
	list, _ := frames(o.body)
	for _, f := range list {
		if f.name == "error" || (len(f.data) > 8 && f.data[:8] == `{"error"`) {
			return true
		}
	}
	return false
}

// exchange sends a request and reads its answer to the end.
func exchange(ctx context.Context, m *mesh.Mesh, path, body string, headers ...string) outcome {
	req := request(ctx, m, path, body)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return outcome{err: err, took: time.Since(began)}
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return outcome{status: resp.StatusCode, header: resp.Header, body: got, err: err, took: time.Since(began)}
}

// counted counts the requests that an SDK makes.
type counted struct{ n atomic.Int64 }

// RoundTrip implements http.RoundTripper.
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return client.Transport.RoundTrip(r)
}

// TestS2SDKs: the vendors' SDKs, with the retries they come with, don't repeat what Headgate has given up.
func TestS2SDKs(t *testing.T) {
	statuses := []int{408, 429, 500, 502, 503, 529}
	up := newUpstream(func(v *voice, round, _ int) { v.refuse(statuses[round%len(statuses)], "X-Should-Retry", "true") })
	m := start(t, mesh.Options{Upstream: up})
	for name, ask := range map[string]func(ctx context.Context, via *http.Client, model, text string) error{
		"openai-go": func(ctx context.Context, via *http.Client, model, text string) error {
			sdk := openai.NewClient(openaioption.WithBaseURL(m.URL("/v1")), openaioption.WithAPIKey(mesh.Key), openaioption.WithHTTPClient(via))
			_, err := sdk.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}})
			return err
		},
		"anthropic-sdk-go": func(ctx context.Context, via *http.Client, model, text string) error {
			sdk := anthropic.NewClient(anthropicoption.WithBaseURL(m.URL("")), anthropicoption.WithAPIKey(mesh.Key), anthropicoption.WithHTTPClient(via))
			_, err := sdk.Messages.New(ctx, anthropic.MessageNewParams{Model: model, MaxTokens: 9, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			y := promise(t, "S2", "one call of "+name+" is one request")
			together(4, size(24, 240), func(i int) {
				hits := &counted{}
				model := []string{"openai/m", "claude/m"}[i%2] // its own dialect, and another one
				if err := ask(t.Context(), &http.Client{Transport: hits}, model, label(i)); err == nil {
					y.broken("call %d to %s went well", i, model)
				}
				y.kept()
				if n := hits.n.Load(); n != 1 {
					y.broken("status %d of %s: the SDK made %d requests", statuses[i%len(statuses)], model, n)
				}
			})
		})
	}
}

// waits are the ways in which providers ask for time, and how much of it each asks for.
var waits = map[string]struct {
	headers     func() []string
	least, most time.Duration
}{
	"seconds":       {func() []string { return []string{"Retry-After", "1"} }, time.Second, time.Second},
	"half a second": {func() []string { return []string{"Retry-After", "0.5"} }, 500 * time.Millisecond, 500 * time.Millisecond},
	"a date":        {func() []string { return []string{"Retry-After", httpDate(2 * time.Second)} }, time.Second, 2 * time.Second},
	"milliseconds":  {func() []string { return []string{"Retry-After-Ms", "700", "Retry-After", "9"} }, 700 * time.Millisecond, 700 * time.Millisecond},
	"OpenAI's limit": {func() []string {
		return []string{"X-RateLimit-Remaining-Requests", "0", "X-RateLimit-Reset-Requests", "600ms", "X-RateLimit-Remaining-Tokens", "5", "X-RateLimit-Reset-Tokens", "1h"}
	}, 600 * time.Millisecond, 600 * time.Millisecond},
	"Anthropic's limit": {func() []string {
		return []string{"Anthropic-RateLimit-Tokens-Remaining", "0", "Anthropic-RateLimit-Tokens-Reset", rfc3339(2 * time.Second)}
	}, time.Second, 2 * time.Second},
}

func httpDate(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }

func rfc3339(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// TestS2RetryAfter: a provider that asks for time gets it, and where the caller hasn't that much the failure comes at
// once.
func TestS2RetryAfter(t *testing.T) {
	y := promise(t, "S2", "Retry-After in all its spellings")
	const late = 300 * time.Millisecond
	names := map[int]string{}
	var mu sync.Mutex
	times := map[int][]time.Time{}
	up := newUpstream(func(v *voice, round, n int) {
		mu.Lock()
		times[round] = append(times[round], v.arrived)
		mu.Unlock()
		if n == 1 {
			v.refuse([]int{503, 429}[round%2], waits[names[round]].headers()...)
			return
		}
		v.answer("well")
	})
	extra := "models:\n"
	for name := range waits {
		for range 4 {
			i := len(names)
			names[i] = name
			extra += fmt.Sprintf("  waits-%[1]d: {targets: [{provider: %[2]s, model: m%[1]d}]}\n", i, []string{"openai", "claude"}[i/2%2])
		}
	}
	m := start(t, mesh.Options{Upstream: up, Extra: extra})
	together(len(names), len(names), func(i int) {
		w := waits[names[i]]
		path, text := body([]string{"openai", "anthropic"}[i/2%2], fmt.Sprintf("waits-%d", i), i, false, true)
		a := exchange(t.Context(), m, path, text)
		mu.Lock()
		defer mu.Unlock()
		y.kept()
		if a.failed() || len(times[i]) != 2 {
			y.broken("%s: %d attempts, status %d: %s", names[i], len(times[i]), a.status, a.body)
			return
		}
		if pause := times[i][1].Sub(times[i][0]); pause < w.least-time.Millisecond || pause > w.most+late {
			y.broken("%s: the next attempt came after %s, want %s to %s", names[i], pause, w.least, w.most)
		}
	})
	hurried(t, y)
}

// hurried: with less time than the provider asks for, the caller hears of it at once, with the time.
func hurried(t *testing.T, y *tally) {
	up := newUpstream(func(v *voice, _, _ int) { v.refuse(http.StatusServiceUnavailable, "Retry-After", "5") })
	m := start(t, mesh.Options{Upstream: up})
	path, text := body("openai", "openai/m", 1, false, true)
	a := exchange(t.Context(), m, path, text, "X-Headgate-Timeout-Ms", "2000")
	y.kept()
	if n := up.of(1); n != 1 || a.status != http.StatusServiceUnavailable || a.took > time.Second {
		y.broken("no time to wait: %d attempts, status %d after %s", n, a.status, a.took)
	}
}

// TestS2OwnErrors: none of our own errors has a status that the SDKs repeat, unless repeating helps, and none is a 409.
func TestS2OwnErrors(t *testing.T) {
	y := promise(t, "S2", "our own errors: never 409")
	m := start(t, mesh.Options{Extra: "gateway: {max_body: 64KiB}\n"})
	long := string(make([]byte, 70<<10))
	cases := map[string]struct{ method, path, body, key string }{
		"no key":            {"POST", "/v1/chat/completions", `{}`, "-"},
		"wrong key":         {"POST", "/v1/messages", `{}`, "hg_live_0"},
		"no JSON":           {"POST", "/v1/chat/completions", `{`, ""},
		"no model":          {"POST", "/v1/chat/completions", `{"messages":[]}`, ""},
		"unknown model":     {"POST", "/v1/messages", `{"model":"nobody","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, ""},
		"too large":         {"POST", "/v1/chat/completions", long, ""},
		"wrong method":      {"GET", "/v1/chat/completions", "", ""},
		"no such path":      {"POST", "/v1/nothing", "{}", ""},
		"no such key":       {"DELETE", "/api/v1/keys/key_none", "", ""},
		"key without name":  {"POST", "/api/v1/keys", `{"role":"ROLE_ADMIN","limits":{"requests_per_minute":-1}}`, ""},
		"unknown field":     {"POST", "/api/v1/chat", `{"nothing":1}`, ""},
		"rotate no key":     {"POST", "/api/v1/keys/key_none:rotate", `{}`, ""},
		"invalidate nobody": {"POST", "/api/v1/cache:invalidate", `{}`, ""},
	}
	for name, c := range cases {
		req := request(t.Context(), m, c.path, c.body)
		req.Method = c.method
		if c.key != "" {
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		resp, err := client.Do(req)
		if err != nil {
			y.broken("%s: %v", name, err)
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		y.kept()
		if s := resp.StatusCode; err != nil || s < 400 || s == http.StatusConflict || (s < 500 && s != 408 && s != 429 && resp.Header.Get("X-Should-Retry") == "true") {
			y.broken("%s: status %d, %v %v", name, s, resp.Header, err)
		}
	}
}
