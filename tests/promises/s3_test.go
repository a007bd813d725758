package promises_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// timers are the settings that TestS3 waits for.
var timers = map[string]time.Duration{
	"connect": 450 * time.Millisecond, "first_content": 500 * time.Millisecond, "gap": 400 * time.Millisecond, "total": 800 * time.Millisecond,
}

// late is how far off a timer may be (promise S3).
func late() time.Duration { return patient(50 * time.Millisecond) }

// clock notes how long providers were waited for, by round.
type clock struct {
	mu    sync.Mutex
	taken map[int]time.Duration
}

func (c *clock) note(round int, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken[round] = d
}

// of waits for a round's note, which comes about when the client's answer does.
func (c *clock) of(round int) (d time.Duration, ok bool) {
	ok = within(2*time.Second, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		d = c.taken[round]
		return d > 0
	})
	return d, ok
}

// TestS3: each timer ends an attempt when it is due, the provider's connection with it, and the error says which it was.
func TestS3(t *testing.T) {
	c := &clock{taken: map[int]time.Duration{}}
	up := newUpstream(func(v *voice, round, _ int) {
		from := v.arrived
		switch v.model {
		case "silent":
		case "opens":
			v.begin()
		case "stops":
			v.say("so far")
			from = time.Now()
		case "talks":
			for v.say("on and on ") && v.req.Context().Err() == nil {
				select {
				case <-v.req.Context().Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}
		c.note(round, v.gone(5*time.Second).Sub(from))
	})
	deaf, accepted := startDeaf(t)
	m := start(t, mesh.Options{Upstream: up, Extra: fmt.Sprintf(`  deaf: {kind: openai, api_key: %s, base_url: "https://%s/v1", timeouts: {connect: %s}}
models:
  long: {targets: [{provider: openai, model: talks}, {provider: openai, model: talks}], timeouts: {total: %[4]s}}
  long-claude: {targets: [{provider: claude, model: talks}], timeouts: {total: %[4]s}}
  long-silent: {targets: [{provider: openai, model: silent}], timeouts: {total: %[4]s}}
timeouts: {first_content: %[5]s, gap: %[6]s}
`, mesh.ProviderKey, deaf, timers["connect"], timers["total"], timers["first_content"], timers["gap"])})
	cases := []struct {
		timer, model string
		stream       bool
	}{
		{"connect", "deaf/m", true},
		{"connect", "deaf/m", false},
		{"first_content", "openai/silent", true},
		{"first_content", "claude/opens", true},
		{"gap", "openai/stops", true},
		{"gap", "claude/stops", true},
		{"total", "long", true},
		{"total", "long-claude", true},
		{"total", "long-silent", false},
	}
	rows, offs := map[string]*tally{}, map[string]*durations{}
	for timer := range timers {
		y, off := promise(t, "S3", "timer "+timer), &durations{}
		rows[timer], offs[timer] = y, off
		t.Cleanup(func() { y.foundOff(off) })
	}
	each := size(3, 30)
	together(len(cases), len(cases), func(i int) { // not subtests: the machine has fewer places for those
		a, conn := cases[i], dial(t, m)
		y, off := rows[a.timer], offs[a.timer]
		for j := range each {
			round := i*1000 + j
			named := expire(t, m, conn, []string{"openai", "anthropic", "typed"}[j%3], a.model, round, a.stream)
			took, ok := time.Duration(0), true
			if a.timer == "connect" {
				took = <-accepted
			} else {
				took, ok = c.of(round)
			}
			y.kept()
			off.add((took - timers[a.timer]).Abs())
			if !ok || (took-timers[a.timer]).Abs() > late() {
				y.broken("%s, stream=%v: the provider was let go after %s, want %s", a.model, a.stream, took, timers[a.timer])
			}
			if named != a.timer {
				y.broken("%s, stream=%v: the error names %q", a.model, a.stream, named)
			}
		}
	})
}

// foundOff notes how far off something was at most.
func (y *tally) foundOff(off *durations) {
	y.found("at most %s off, +-%s allowed", off.percentile(100).Round(time.Millisecond), late())
}

// startDeaf accepts connections and says nothing, so that no TLS handshake ends. It tells how long each was held.
func startDeaf(t *testing.T) (addr string, held <-chan time.Duration) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	taken := make(chan time.Duration, 10_000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			from := time.Now()
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
				taken <- time.Since(from)
			}()
		}
	}()
	return l.Addr().String(), taken
}

// expire asks, waits for the failure, and returns the timer that it names.
func expire(t *testing.T, m *mesh.Mesh, conn *grpc.ClientConn, dialect, model string, round int, stream bool) string {
	t.Helper()
	if dialect == "typed" {
		return timerOf(typedError(t.Context(), conn, model, round, stream))
	}
	path, text := body(dialect, model, round, false, !stream)
	return timerIn(string(exchange(t.Context(), m, path, text).body))
}

// typedError asks over gRPC and returns how that ended.
func typedError(ctx context.Context, conn *grpc.ClientConn, model string, round int, stream bool) error {
	router, asked := routerv1.NewRouterServiceClient(conn), prompt(label(round))
	if !stream {
		_, err := router.Chat(withKey(ctx), &routerv1.ChatRequest{Model: model, Prompt: asked})
		return err
	}
	in, err := router.StreamChat(withKey(ctx), &routerv1.StreamChatRequest{Model: model, Prompt: asked})
	for err == nil {
		_, err = in.Recv()
	}
	return err
}

func timerOf(err error) string {
	for _, d := range grpcstatus.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()["timer"]
		}
	}
	return fmt.Sprint(err)
}

// timerIn finds the timer that an error names: "the gap timer ran out after".
func timerIn(text string) string {
	before, _, ok := strings.Cut(text, " timer ran out after ")
	if !ok {
		return text
	}
	return before[strings.LastIndex(before, " ")+1:]
}

// TestS3CallersDeadline: the caller's shorter deadline ends the call, whichever way it is given, and travels on.
func TestS3CallersDeadline(t *testing.T) {
	y := promise(t, "S3", "the caller's shorter deadline")
	c := &clock{taken: map[int]time.Duration{}}
	up := newUpstream(func(v *voice, round, _ int) { c.note(round, v.gone(5*time.Second).Sub(v.arrived)) })
	seen := make(chan time.Duration, 1000)
	m := start(t, mesh.Options{Upstream: up, Extra: fmt.Sprintf("  theirs: {kind: grpc, endpoints: [\"http://%s\"]}\n", startHurried(t, seen))})
	conn := dial(t, m)
	const wish = 300 * time.Millisecond
	off := &durations{}
	ended := func(how string, took time.Duration) {
		y.kept()
		off.add((took - wish).Abs())
		if (took - wish).Abs() > late() {
			y.broken("%s: after %s, want %s", how, took, wish)
		}
	}
	for i := range size(4, 40) {
		for j, dialect := range []string{"openai", "anthropic"} {
			round := i*10 + j
			path, text := body(dialect, "openai/m", round, false, i%2 == 0)
			a := exchange(t.Context(), m, path, text, "X-Headgate-Timeout-Ms", fmt.Sprint(wish.Milliseconds()))
			if a.status != http.StatusGatewayTimeout || !strings.Contains(string(a.body), "own deadline") {
				y.broken("%s: status %d: %s", dialect, a.status, a.body)
			}
			ended(dialect, a.took)
			took, _ := c.of(round)
			ended(dialect+", the provider", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), wish)
		began := time.Now()
		err := typedError(ctx, conn, "theirs/m", i, i%2 == 0)
		ended("typed", time.Since(began))
		cancel()
		if grpcstatus.Code(err) != codes.DeadlineExceeded {
			y.broken("typed: %v", err)
		}
		if left := <-seen; left > wish || left < wish-late() {
			y.broken("the provider's own deadline is in %s, the caller's is in %s", left, wish)
		}
	}
	y.foundOff(off)
}

// hurriedProvider is a provider over gRPC that tells which deadline came with a call, and waits for it.
type hurriedProvider struct {
	providerv1.UnimplementedProviderServiceServer

	seen chan<- time.Duration
}

func startHurried(t *testing.T, seen chan<- time.Duration) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	providerv1.RegisterProviderServiceServer(server, &hurriedProvider{seen: seen})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func (p *hurriedProvider) wait(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	p.seen <- time.Until(deadline)
	<-ctx.Done()
	return ctx.Err()
}

// Chat implements ProviderService.
func (p *hurriedProvider) Chat(ctx context.Context, _ *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	return nil, p.wait(ctx)
}

// StreamChat implements ProviderService.
func (p *hurriedProvider) StreamChat(_ *providerv1.StreamChatRequest, out grpc.ServerStreamingServer[providerv1.StreamChatResponse]) error {
	_ = out.Send(&providerv1.StreamChatResponse{Event: &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: "a"}}}})
	return p.wait(out.Context())
}

// TestS3Heartbeats: while a provider is silent the client's stream isn't, in the way its SDK can bear; and what comes
// then is whole.
func TestS3Heartbeats(t *testing.T) {
	const every, silence = 200 * time.Millisecond, 1100 * time.Millisecond
	up := newUpstream(func(v *voice, _, _ int) {
		switch v.model {
		case "head":
			<-time.After(silence)
		case "first":
			v.begin()
			<-time.After(silence)
		case "middle":
			v.say("one")
			<-time.After(silence)
		}
		v.say(" and all")
		v.end()
	})
	m := start(t, mesh.Options{Upstream: up, Extra: fmt.Sprintf("gateway: {heartbeat: %s}\n", every)})
	y, off := promise(t, "S3", "heartbeats of the dialect's own form"), &durations{}
	together(12, 12, func(i int) {
		model, dialect, provider := []string{"head", "first", "middle"}[i%3], []string{"openai", "anthropic"}[i/3%2], []string{"openai", "claude"}[i/6]
		name := strings.Join([]string{dialect, provider, model}, "/")
		path, text := body(dialect, provider+"/"+model, i, false, false)
		beats, stream, err := listen(request(t.Context(), m, path, text), dialect)
		if err != nil {
			y.broken("%s: %v", name, err)
			return
		}
		for k := 1; k < len(beats); k++ {
			y.kept()
			d := (beats[k].Sub(beats[k-1]) - every).Abs()
			off.add(d)
			if d > late() {
				y.broken("%s: a heartbeat came %s after the one before, want %s", name, beats[k].Sub(beats[k-1]), every)
			}
		}
		s, err := saw(dialect, stream, nil)
		if err != nil || s.end != terminal || !strings.HasSuffix(s.text, " and all") || len(beats) < int(silence/every)-2 {
			y.broken("%s: %d heartbeats, then %q: %v\n%s", name, len(beats), s.end, err, stream)
		}
	})
	y.foundOff(off)
}

// listen reads a stream and notes when heartbeats of the dialect's kind came.
func listen(req *http.Request, dialect string) (beats []time.Time, stream []byte, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	mark := map[string]string{"openai": ": ping\n", "anthropic": "data: {\"type\":\"ping\"}\n"}[dialect]
	for lines := bufio.NewReader(resp.Body); ; {
		line, err := lines.ReadString('\n')
		stream = append(stream, line...)
		if strings.ReplaceAll(line, ": \"", ":\"") == mark {
			beats = append(beats, time.Now())
		}
		if err != nil {
			if err == io.EOF { //nolint:errorlint // the reader's own
				err = nil
			}
			return beats, stream, err
		}
	}
}
