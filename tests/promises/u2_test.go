package promises_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// booked is how soon an attempt's row is in the ledger (promise U2).
const booked = 5 * time.Second

// TestU2: each attempt that reached a provider has exactly one row, whatever became of the answer or of its client; and U3:
// the row of a whole answer has the provider's own count, kind by kind, and its exact price.
func TestU2(t *testing.T) {
	c := newChaos(t, billedPlan)
	b := newBilling(t, c, chaosMesh(t, c), mesh.Key, append(slices.Clone(routes), reasons, reasons))
	b.rows, b.bills = promise(t, "U2", "one row for each attempt"), promise(t, "U3", "the provider's count, and its price")
	n := size(600, 6000)
	together(32, n, func(round int) { b.round(t.Context(), round) })
	last := time.Now()
	said := map[int][]*spoken{}
	for round := range n {
		said[round] = c.attempts(round)
	}
	wrong := map[int]string{}
	var list map[string][]row
	within(patient(booked), func() bool {
		var err error
		if list, err = rows(t.Context(), b.mesh); err != nil {
			return false
		}
		clear(wrong)
		for round, attempts := range said {
			if why := b.counted(round, attempts, list[billedID(round)]); why != "" {
				wrong[round] = why
			}
		}
		return len(wrong) == 0
	})
	took := time.Since(last)
	for round, why := range wrong {
		b.rows.broken("round %d (its client left: %v): %s\n%s\n%+v", round, b.left[round], why, tell(said[round]), list[billedID(round)])
	}
	attempts := 0
	for round, s := range said {
		b.rows.kept()
		attempts += len(s)
		b.compare(round, s, list[billedID(round)])
	}
	b.rows.found("%d attempts, %d clients left; the last row after %s", attempts, len(b.left), took.Round(time.Millisecond))
	b.bills.found("%d with reasoning, %d with cached input, %d written to a cache, %d priced", b.reasoned, b.read, b.written, b.priced)
	if b.bills.rounds.Load() < int64(n/4) || min(b.reasoned, b.read, b.written, b.priced) == 0 || len(b.left) < n/50 {
		b.bills.broken("too few answers say anything: the test misses")
	}
}

// reasons is a model whose reasoning is counted.
var reasons = route{"openai/gpt-5", true}

func billedID(round int) string { return fmt.Sprintf("u2-%d", round) }

// billedPlan leaves two answers in three alone, and has prompt caches read and written.
func billedPlan(round, attempt int) plan {
	p, r := planOf(round, attempt), chance("billed", round, attempt)
	if r.IntN(3) > 0 {
		p.how = healthy
	}
	p.script += []string{"", ",cache=read", ",cache=write"}[r.IntN(3)]
	return p
}

// billing compares the ledger with what the providers said.
type billing struct {
	rows, bills *tally

	chaos *chaos
	mesh  *mesh.Mesh
	conn  *grpc.ClientConn
	// key is the callers'.
	key string
	// to are the models that are asked.
	to []route
	// stay says that no client leaves.
	stay bool

	mu   sync.Mutex
	left map[int]bool

	reasoned, read, written, priced int
}

func newBilling(t *testing.T, c *chaos, m *mesh.Mesh, key string, to []route) *billing {
	t.Helper()
	return &billing{chaos: c, mesh: m, conn: dial(t, m), key: key, to: to, left: map[int]bool{}}
}

// round is one call; every fourth client leaves in the middle of it.
func (b *billing) round(ctx context.Context, round int) {
	r := chance("billed call", round, 0)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if r.IntN(4) == 0 && !b.stay {
		leave := time.AfterFunc(time.Duration(r.IntN(15_000))*time.Microsecond, cancel)
		defer leave.Stop()
	}
	to, whole := b.to[r.IntN(len(b.to))], r.IntN(2) == 0
	if dialect := []string{"openai", "anthropic", "typed"}[r.IntN(3)]; dialect == "typed" {
		b.typed(ctx, to.model, round)
	} else {
		b.raw(ctx, r, dialect, to, round, whole)
	}
	if ctx.Err() != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.left[round] = true
	}
}

func (b *billing) raw(ctx context.Context, r *rand.Rand, dialect string, to route, round int, whole bool) {
	path, text := body(dialect, to.model, round, to.tools && r.IntN(4) == 0, whole)
	switch r.IntN(12) {
	case 0:
		path, text = "/v1/embeddings", fmt.Sprintf(`{"model":"openai/text-embedding-3-small","input":%q}`, label(round))
	case 1:
		path, text = "/v1/messages/count_tokens", fmt.Sprintf(`{"model":"claude/claude-opus-4-6","messages":[{"role":"user","content":%q}]}`, label(round))
	}
	if path == "/v1/chat/completions" && to == reasons {
		text = strings.TrimSuffix(text, "}") + `,"reasoning_effort":"low"}`
	}
	req := request(ctx, b.mesh, path, text)
	req.Header.Set("X-Request-Id", billedID(round))
	req.Header.Set("Authorization", "Bearer "+b.key)
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}

func (b *billing) typed(ctx context.Context, model string, round int) {
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+b.key, "x-request-id", billedID(round))
	stream, err := routerv1.NewRouterServiceClient(b.conn).StreamChat(ctx, &routerv1.StreamChatRequest{Model: model, Prompt: prompt(label(round) + " Explain RAG")})
	for err == nil {
		_, err = stream.Recv()
	}
}

// counted says what is wrong with the number of a request's rows. An attempt may have broken off before its provider had
// read it: where its client left, and where the fate of another one took the connection.
func (b *billing) counted(round int, attempts []*spoken, list []row) string {
	seen := map[string]bool{}
	for _, r := range list {
		if seen[r.ID] {
			return "two rows with one id"
		}
		seen[r.ID] = true
	}
	unread := func(r row) bool { return r.Outcome == "OUTCOME_BROKEN" && r.Tokens == bill{} }
	read := len(slices.DeleteFunc(slices.Clone(list), unread))
	if len(list) == len(attempts) || (b.left[round] && len(list) == len(attempts)+1) || (read <= len(attempts) && len(attempts) < len(list)) {
		return ""
	}
	return fmt.Sprintf("%d attempts reached their provider, and the ledger has %d rows", len(attempts), len(list))
}

// compare is promise U3 for the attempts of a request that were answered in full.
func (b *billing) compare(round int, attempts []*spoken, list []row) {
	if len(list) != len(attempts) {
		return
	}
	slices.SortFunc(list, func(x, y row) int { return x.Attempt - y.Attempt })
	for i, a := range attempts {
		r := list[i]
		if r.Outcome != "OUTCOME_COMPLETE" || !a.inFull() {
			continue
		}
		want, ok := a.billed()
		if !ok {
			continue
		}
		b.bills.kept()
		b.note(want)
		if r.Estimated || r.Tokens != want {
			b.bills.broken("round %d, attempt %d: the provider said %+v, the row says %+v\n%s", round, i+1, want, r, tell(attempts[i:i+1]))
		}
		if cost, known := want.price(r.UpstreamModel); known != (r.Cost != nil) || (known && (*r.Cost != cost || r.PriceVersion == "")) {
			b.bills.broken("round %d, attempt %d: it costs %d (known: %v), the row says %+v", round, i+1, cost, known, r)
		} else if known {
			b.priced++
		}
	}
}

func (b *billing) note(u bill) {
	for n, counted := range map[*int]int64{&b.reasoned: u.Reasoning, &b.read: u.Cached, &b.written: u.Written} {
		if counted > 0 {
			*n++
		}
	}
}

// rates are what a token costs, in 10^-12 US dollars.
var rates = map[string]struct{ input, cached, written, output int64 }{
	"text-embedding-3-small": {input: 20_000},
	"gpt-5":                  {1_250_000, 125_000, 1_250_000, 10_000_000},
	"gpt-4o":                 {2_500_000, 1_250_000, 2_500_000, 10_000_000},
	"gpt-4o-mini":            {150_000, 75_000, 150_000, 600_000},
	"claude-opus-4-6":        {5_000_000, 500_000, 6_250_000, 25_000_000},
}

func (u bill) price(model string) (pico int64, known bool) {
	r, known := rates[model]
	return (u.Input-u.Cached-u.Written)*r.input + u.Cached*r.cached + u.Written*r.written + u.Output*r.output, known
}

// inFull reports whether everything was said, and nothing else.
func (a *spoken) inFull() bool {
	if a.typed != nil {
		return a.plan.how == healthy
	}
	return a.left == len(a.full) && a.plan.how != corrupt && a.plan.how != wire
}

// billed reads what the provider counted; false where it didn't say.
func (a *spoken) billed() (u bill, ok bool) {
	if a.typed != nil {
		return bill{Input: 3, Output: 5}, true
	}
	texts := []string{string(a.full)}
	if !a.unary {
		list, _ := frames(a.full)
		texts = texts[:0]
		for _, f := range list {
			texts = append(texts, f.data)
		}
	}
	for _, text := range texts {
		ok = u.add(text) || ok
	}
	return u, ok
}

// add takes a count: those of a stream are of everything so far.
func (u *bill) add(text string) bool {
	type usage struct {
		Prompt     *int64 `json:"prompt_tokens"`
		Completion int64  `json:"completion_tokens"`
		PromptOf   struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionOf struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`

		Input   *int64 `json:"input_tokens"`
		Read    int64  `json:"cache_read_input_tokens"`
		Written int64  `json:"cache_creation_input_tokens"`
		Output  int64  `json:"output_tokens"`
		Details struct {
			Thinking int64 `json:"thinking_tokens"`
		} `json:"output_tokens_details"`
	}
	var said struct {
		Usage   *usage
		Message struct{ Usage *usage }
	}
	if json.Unmarshal([]byte(text), &said) != nil {
		return false
	}
	s := said.Usage
	if s == nil {
		s = said.Message.Usage
	}
	switch {
	case s == nil:
		return false
	case s.Prompt != nil:
		*u = bill{Input: *s.Prompt, Cached: s.PromptOf.Cached, Output: s.Completion, Reasoning: s.CompletionOf.Reasoning}
	case s.Input != nil:
		*u = bill{Input: *s.Input + s.Read + s.Written, Cached: s.Read, Written: s.Written, Output: s.Output, Reasoning: s.Details.Thinking}
	default:
		u.Output = s.Output
	}
	return true
}
