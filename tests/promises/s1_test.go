package promises_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// route is where a round goes.
type route struct {
	model string
	// tools says that the provider can be asked for a call.
	tools bool
}

// routes are all kinds of providers, and names with several targets of one and of different kinds.
var routes = []route{
	{"openai/gpt-4o", true},
	{"claude/claude-opus-4-6", true},
	{"vllm/qwen3-8b", true},
	{"tgi/tgi", true},
	{"compatible/qwen3-8b", true},
	{"vllm_messages/qwen3-8b", true},
	{"tgi_generate/tgi", false},
	{"theirs/any", false},
	{"twins", true},
	{"strangers", true},
}

// chaosMesh is a mesh over chaos.
func chaosMesh(t *testing.T, c *chaos) *mesh.Mesh {
	t.Helper()
	server := serve(t, c)
	return start(t, mesh.Options{Upstream: c, Extra: fmt.Sprintf(`  vllm_messages: {kind: vllm, messages_api: true, api_key: "%[1]s", endpoints: ["%[2]s/vllm"]}
  tgi_generate: {kind: tgi, api: generate, api_key: "%[1]s", endpoints: ["%[2]s/tgi"]}
  theirs: {kind: grpc, endpoints: ["http://%[3]s"]}
models:
  twins: {targets: [{provider: openai, model: gpt-4o}, {provider: openai, model: gpt-4o-mini}]}
  strangers: {targets: [{provider: tgi, model: tgi}, {provider: claude, model: claude-opus-4-6}, {provider: vllm, model: qwen3-8b}]}
timeouts: {first_content: 400ms, gap: 400ms, total: 3s}
gateway: {heartbeat: 150ms}
`, mesh.ProviderKey, server, startTheirs(t, c))})
}

// TestS1: a client sees a prefix of exactly one attempt, and every stream ends in the terminal frame, in an error frame,
// or in a broken connection.
func TestS1(t *testing.T) {
	c := newChaos(t, planOf)
	m := chaosMesh(t, c)
	for i, dialect := range []string{"openai", "anthropic", "typed"} {
		t.Run(dialect, func(t *testing.T) {
			y := promise(t, "S1", "no silent truncation, "+dialect+" clients")
			o := &oracle{tally: y, chaos: c, mesh: m, dialect: dialect, ends: map[ending]int{}, conn: dial(t, m)}
			n := size(800, 10_000)
			together(32, n, func(k int) { o.round(t.Context(), i*1_000_000+k) })
			y.found("%s", o)
			for _, end := range []ending{terminal, errorFrame, refused} {
				if o.ends[end] < n/50 {
					y.broken("only %d of %d ended as %q: the faults miss", o.ends[end], n, end)
				}
			}
		})
	}
}

// oracle compares what clients of one dialect saw with what the providers said.
type oracle struct {
	*tally

	chaos   *chaos
	mesh    *mesh.Mesh
	dialect string
	conn    *grpc.ClientConn

	mu   sync.Mutex
	ends map[ending]int
}

// String tells how the streams ended.
func (o *oracle) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for _, end := range slices.Sorted(maps.Keys(o.ends)) {
		list = append(list, fmt.Sprintf("%d %s", o.ends[end], end))
	}
	return strings.Join(list, ", ")
}

func (o *oracle) round(ctx context.Context, round int) {
	r := chance("request", round, 0)
	to := routes[r.IntN(len(routes))]
	tools := to.tools && r.IntN(4) == 0
	var s sight
	var err error
	var trace []byte
	switch whole := r.IntN(6) == 0; o.dialect {
	case "typed":
		s = o.typed(ctx, round, to.model, whole)
	default:
		s, trace, err = o.raw(ctx, round, to.model, tools, whole)
	}
	attempts := o.chaos.attempts(round)
	if err == nil {
		err = judge(s, attempts)
	}
	o.kept()
	o.mu.Lock()
	o.ends[s.end]++
	o.mu.Unlock()
	if err != nil {
		o.broken("round %d to %s: %v\nattempts: %s\nthe client saw:\n%s", round, to.model, err, tell(attempts), tail(trace, s))
	}
}

func tell(attempts []*spoken) string {
	var list []string
	for _, a := range attempts {
		list = append(list, fmt.Sprintf("%s %s at %d of %d (%s)", a.path, a.plan.how, a.left, len(a.full), a.plan.script))
	}
	return strings.Join(list, "; ")
}

func tail(trace []byte, s sight) string {
	if len(trace) == 0 {
		return fmt.Sprintf("%+v", s)
	}
	if len(trace) > 1500 {
		return fmt.Sprintf("%s\n[...]\n%s", trace[:500], trace[len(trace)-1000:])
	}
	return string(trace)
}

func (o *oracle) raw(ctx context.Context, round int, model string, tools, whole bool) (s sight, trace []byte, err error) {
	path, text := body(o.dialect, model, round, tools, whole)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := client.Do(request(ctx, o.mesh, path, text))
	if err != nil {
		return sight{end: refused}, nil, fmt.Errorf("no answer at all: %w", err)
	}
	defer resp.Body.Close()
	trace, failure := io.ReadAll(resp.Body)
	if ctx.Err() != nil {
		return sight{}, trace, errors.New("the stream never ended")
	}
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode < 400 || !bytes.Contains(trace, []byte(`"error"`)) {
			err = fmt.Errorf("status %d: %s", resp.StatusCode, trace)
		}
		return sight{end: refused}, trace, err
	}
	if whole {
		s, err = sawWhole(path, trace, failure)
		return s, trace, err
	}
	s, err = saw(o.dialect, trace, failure)
	return s, trace, err
}

// typed asks over gRPC: the error status is what an error frame is elsewhere.
func (o *oracle) typed(ctx context.Context, round int, model string, whole bool) (s sight) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	router, asked := routerv1.NewRouterServiceClient(o.conn), prompt(label(round)+" Explain RAG")
	if whole {
		return typedWhole(router.Chat(withKey(ctx), &routerv1.ChatRequest{Model: model, Prompt: asked}))
	}
	stream, err := router.StreamChat(withKey(ctx), &routerv1.StreamChatRequest{Model: model, Prompt: asked})
	for err == nil {
		var m *routerv1.StreamChatResponse
		if m, err = stream.Recv(); err == nil {
			s.event(m.GetEvent())
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		s.end = terminal // without a finish it equals no attempt's
		if !s.whole {
			s.text += "<a clean end without a finish>"
		}
	case s.empty():
		s.end = refused
	default:
		s.end = errorFrame
	}
	return s
}

func (s *sight) event(e *llmv1.StreamEvent) {
	if p := e.GetPartStart().GetPart(); p != nil {
		s.text += p.GetText().GetText()
		s.thoughts += p.GetReasoning().GetText()
	}
	if d := e.GetPartDelta(); d != nil {
		s.args += d.GetArguments()
		s.text += d.GetText()
	}
	s.whole = s.whole || e.GetFinish() != nil
}

func typedWhole(r *routerv1.ChatResponse, err error) (s sight) {
	if err != nil {
		return sight{end: refused}
	}
	for _, p := range r.GetCompletion().GetMessage().GetParts() {
		s.text += p.GetText().GetText()
		s.thoughts += p.GetReasoning().GetText()
		s.args += p.GetToolCall().GetArguments()
	}
	s.end, s.whole = terminal, true
	return s
}
