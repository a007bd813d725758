package promises_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// The numbers of promise S4.
const (
	breakerFloor  = 20
	breakerProbes = 3
	breakerOpen   = 5 * time.Second
	breakerJitter = breakerOpen / 10
)

// breakers is a mesh and a provider whose models' names say how they fare.
type breakers struct {
	*tally

	mesh *mesh.Mesh
	// asked counts the attempts at each model; well makes all of them well, slowly.
	mu    sync.Mutex
	asked map[string]int
	well  atomic.Bool
	next  atomic.Int64
}

// play: fails-60 fails 60 % of the time, status-404 has that status, slow takes a second, spare is well.
func (b *breakers) play(v *voice, _, _ int) {
	b.mu.Lock()
	b.asked[v.model]++
	n := b.asked[v.model]
	b.mu.Unlock()
	what, number, _ := strings.Cut(v.model, "-")
	value, _ := strconv.Atoi(number)
	switch {
	case what == "fails" && b.well.Load():
		<-time.After(200 * time.Millisecond)
	case what == "fails" && n%10 < value/10:
		v.refuse(http.StatusServiceUnavailable)
		return
	case what == "status":
		v.refuse(value, "Retry-After", "1")
		return
	case what == "slow":
		v.gone(time.Second)
	}
	v.answer("well")
}

func (b *breakers) attempts(model string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[model]
}

// target is what the list of targets says of one.
type target struct {
	Provider, Model, Breaker string
	KeysCooling              int `json:"keys_cooling"`
}

func (b *breakers) state(t *testing.T, model string) target {
	t.Helper()
	status, page, err := get(t.Context(), b.mesh.URL("/api/v1/targets"), "Authorization", "Bearer "+mesh.Key)
	var list struct{ Targets []target }
	if err != nil || status != http.StatusOK || json.Unmarshal(page, &list) != nil {
		t.Fatalf("status %d, %v: %s", status, err, page)
	}
	for _, s := range list.Targets {
		if s.Model == model {
			return s
		}
	}
	t.Fatalf("%s isn't listed: %s", model, page)
	return target{}
}

// expect compares a breaker with what it should be.
func (b *breakers) expect(t *testing.T, model, want, why string) {
	t.Helper()
	b.kept()
	got := strings.TrimPrefix(b.state(t, model).Breaker, "BREAKER_STATE_")
	if got == "UNSPECIFIED" || got == "" {
		got = "CLOSED" // it has none: nothing is kept away
	}
	if got != want {
		b.broken("%s is %s, want %s: %s", model, got, want, why)
	}
}

// ask sends n requests, a few at a time, and returns how many went well.
func (b *breakers) ask(ctx context.Context, n, atOnce int, model string, headers ...string) int {
	var well atomic.Int64
	together(atOnce, n, func(i int) {
		path, text := body([]string{"openai", "anthropic"}[i%2], model, int(b.next.Add(1)), false, i%3 > 0)
		if !exchange(ctx, b.mesh, path, text, headers...).failed() {
			well.Add(1)
		}
	})
	return int(well.Load())
}

func startBreakers(t *testing.T, what string) *breakers {
	t.Helper()
	b := &breakers{tally: promise(t, "S4", what), asked: map[string]int{}}
	extra := "models:\n"
	for _, model := range []string{"fails-100", "fails-60", "fails-40", "slow", "status-400", "status-401", "status-403", "status-404", "status-413", "status-422", "status-429"} {
		// each at a provider of its own: a key that rests does so for all models of one
		extra = fmt.Sprintf("  of-%[1]s: {kind: openai, api_key: %[2]s, base_url: \"UPSTREAM\"}\n", model, mesh.ProviderKey) + extra
		extra += fmt.Sprintf("  %[1]s: {targets: [{provider: of-%[1]s, model: %[1]s}]}\n  guarded-%[1]s: {targets: [{provider: of-%[1]s, model: %[1]s}, {provider: claude, model: spare}]}\n", model)
	}
	server := serve(t, newUpstream(b.play))
	b.mesh = start(t, mesh.Options{Upstream: newUpstream(b.play), Extra: strings.ReplaceAll(extra, "UPSTREAM", server+"/v1")})
	return b
}

// TestS4Opens: a target that mostly fails is left alone for a while, then tried carefully.
func TestS4Opens(t *testing.T) {
	b := startBreakers(t, "breakers open, probe and close")
	ctx := t.Context()
	if well := b.ask(ctx, breakerFloor-1, 1, "guarded-fails-100"); well != breakerFloor-1 {
		b.broken("only %d of %d were answered by the other target", well, breakerFloor-1)
	}
	if n := b.attempts("fails-100"); n != breakerFloor-1 {
		b.broken("%d attempts for %d requests", n, breakerFloor-1)
	}
	b.expect(t, "fails-100", "CLOSED", "that's fewer attempts than it takes to judge")
	const atOnce = 8
	b.ask(ctx, 1, 1, "guarded-fails-100")
	opened := time.Now()
	b.expect(t, "fails-100", "OPEN", "all of its attempts failed")
	if well := b.ask(ctx, 100, atOnce, "guarded-fails-100"); well != 100 {
		b.broken("only %d of 100 were answered by the other target", well)
	}
	if n := b.attempts("fails-100"); n > breakerFloor && time.Since(opened) < breakerOpen-breakerJitter {
		b.broken("%d attempts although the breaker opened at %d", n, breakerFloor)
	}
	b.ask(ctx, 60, atOnce, "guarded-fails-60")
	b.expect(t, "fails-60", "OPEN", "60 % of its attempts failed")
	b.ask(ctx, 60, atOnce, "guarded-fails-40")
	b.expect(t, "fails-40", "CLOSED", "40 % of its attempts failed")
	b.recovers(t, opened)
}

// recovers: when the breaker's time is over a few attempts are let through, and when they do well, all.
func (b *breakers) recovers(t *testing.T, opened time.Time) {
	t.Helper()
	b.well.Store(true)
	<-time.After(time.Until(opened.Add(breakerOpen + breakerJitter + 50*time.Millisecond)))
	before := b.attempts("fails-100")
	if well := b.ask(t.Context(), 40, 40, "guarded-fails-100"); well != 40 {
		b.broken("only %d of 40 were answered while it was probed", well)
	}
	if n := b.attempts("fails-100") - before; n < 1 || n > breakerProbes {
		b.broken("%d probes, want at most %d", n, breakerProbes)
	}
	b.ask(t.Context(), 6, 1, "guarded-fails-100")
	b.expect(t, "fails-100", "CLOSED", "its probes went well")
}

// TestS4Innocent: nothing that isn't the target's doing opens its breaker.
func TestS4Innocent(t *testing.T) {
	b := startBreakers(t, "what teaches a breaker nothing")
	ctx := t.Context()
	const n = 3 * breakerFloor / 2
	if well := b.ask(ctx, n, 10, "slow", "X-Headgate-Timeout-Ms", "200"); well > 0 {
		b.broken("%d answers within 200 ms", well)
	}
	b.expect(t, "slow", "CLOSED", "its callers were impatient")
	cancelled, cancel := context.WithCancel(ctx)
	go func() {
		<-time.After(300 * time.Millisecond)
		cancel()
	}()
	b.ask(cancelled, n, n, "slow")
	b.expect(t, "slow", "CLOSED", "its callers left")
	if well := b.ask(ctx, 40, 40, "slow"); well != 40 {
		b.broken("%d of 40 patient callers were answered", well)
	}
	for _, status := range []string{"400", "401", "403", "404", "413", "422", "429"} {
		b.ask(ctx, n, 10, "guarded-status-"+status)
		b.expect(t, "status-"+status, "CLOSED", "that's no failure of the target's")
	}
	if s := b.state(t, "status-429"); s.KeysCooling != 1 {
		b.broken("the key that got 429 doesn't rest: %+v", s)
	}
	asked := b.attempts("status-429")
	if asked >= n {
		b.broken("%d attempts at a provider that said 429 and when to come back", asked)
	}
	b.found("%d attempts at the target with 429, of %d requests", asked, n)
}

// TestS4LastCandidate: where no other target is left, a breaker keeps nobody away.
func TestS4LastCandidate(t *testing.T) {
	b := startBreakers(t, "the last candidate is never removed")
	b.ask(t.Context(), 2*breakerFloor, 8, "fails-100")
	b.expect(t, "fails-100", "OPEN", "all of its attempts failed")
	before := b.attempts("fails-100")
	b.ask(t.Context(), 20, 4, "fails-100")
	if n := b.attempts("fails-100") - before; n < 20 {
		b.broken("%d attempts for 20 requests that had nowhere else to go", n)
	}
	b.well.Store(true)
	if well := b.ask(t.Context(), 1, 1, "fails-100"); well != 1 {
		b.broken("it is well again and the next request isn't answered")
	}
}
