package tests

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// boundless is a simulator that makes nothing of a bound of 300 tokens.
func boundless(t *testing.T) http.Handler {
	t.Helper()
	s, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			body = bytes.ReplaceAll(body, []byte(`:300,`), []byte(`:9000,`))
			r.Body, r.ContentLength = ioNop(body), int64(len(body))
		}
		s.ServeHTTP(w, r)
	})
}

// tokenKey makes a key with a limit on tokens.
func tokenKey(t *testing.T, m *mesh.Mesh, perMinute int64) madeKey {
	t.Helper()
	return makeKey(t, m, mesh.Key, fmt.Sprintf(`"name":"chatty","tenant":"acme","limits":{"tokens_per_minute":"%d"}`, perMinute))
}

// chattyOpenAI is a stream of so many chunks; bound is a field of the request, or nothing.
func chattyOpenAI(chunks int, bound string) string {
	return fmt.Sprintf(`{"model":"gpt-5","user":"sim:chunks=%d,chunk_delay=100us","stream":true,%s"messages":[{"role":"user","content":"Hi"}]}`, chunks, bound)
}

func chattyAnthropic(chunks, bound int) string {
	return fmt.Sprintf(`{"model":"claude-opus-4-6","max_tokens":%d,"metadata":{"user_id":"sim:chunks=%d,chunk_delay=100us"},"stream":true,"messages":[{"role":"user","content":"Hi"}]}`, bound, chunks)
}

// usedBy is what a key's calls used by the ledger, once all of them are there.
func usedBy(t *testing.T, m *mesh.Mesh, k madeKey, calls int) (tokens int64, estimated int) {
	t.Helper()
	var list []row
	eventually(t, "the calls are in the ledger", func() bool {
		list = rows(t, m, k.Secret, "")
		return len(list) >= calls
	})
	for _, r := range list {
		if tokens += r.Tokens.Input + r.Tokens.Output; r.Estimated {
			estimated++
		}
	}
	return tokens, estimated
}

// nearly is a chunk or so.
const nearly = 64

// TestStreamCrossesTokens: a stream that says no bound, or leaves its own behind, ends with an error frame of its dialect
// where the limit on tokens has no more. What is recorded is what there was, and blocks what follows.
func TestStreamCrossesTokens(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{Upstream: boundless(t)}, func(t *testing.T, m *mesh.Mesh) {
		const limit = 2500
		for name, c := range map[string]struct{ path, body, begins, says string }{
			"OpenAI":                         {chatPath, chattyOpenAI(6000, ""), "data: {", `"code":"rate_limit_exceeded"`},
			"OpenAI, a bound left behind":    {chatPath, chattyOpenAI(6000, `"max_completion_tokens":300,`), "data: {", `"code":"rate_limit_exceeded"`},
			"Anthropic, a bound left behind": {"/v1/messages", chattyAnthropic(6000, 300), "event: error\ndata: {", `"rate_limit_error"`},
			"OpenAI's way to Anthropic":      {chatPath, strings.Replace(chattyOpenAI(6000, `"max_completion_tokens":300,`), "gpt-5", "claude-opus-4-6#chunks=6000,chunk_delay=100us", 1), "data: {", `"code":"rate_limit_exceeded"`},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k, began := tokenKey(t, m, limit), time.Now()
				resp, body := ask(t, m, k.Secret, http.MethodPost, c.path, c.body)
				most := limit + limit*time.Since(began).Minutes() + nearly
				frames := bytes.Split(bytes.TrimSpace(body), []byte("\n\n"))
				last := frames[len(frames)-1]
				if resp.StatusCode != 200 || len(frames) < 500 || !bytes.HasPrefix(last, []byte(c.begins)) || !bytes.Contains(last, []byte(c.says)) ||
					!bytes.Contains(last, []byte("the tokens limit of the key (2500 per minute) has ")) {
					t.Errorf("%d, %d frames, at last %s", resp.StatusCode, len(frames), last)
				}
				used, estimated := usedBy(t, m, k, 1)
				t.Logf("%d frames, %d tokens of at most %.0f", len(frames), used, most)
				if float64(used) > most || used < limit*9/10 || estimated != 1 {
					t.Errorf("%d tokens are recorded (%d estimated), at most %.0f could be", used, estimated, most)
				}
				if _, events := ask(t, m, k.Secret, http.MethodGet, "/api/v1/usage/events?", ""); !bytes.Contains(events, []byte(`"reason":"RATE_LIMITED"`)) {
					t.Errorf("the row says %s", events)
				}
				if resp, body := ask(t, m, k.Secret, http.MethodPost, c.path, c.body); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
					t.Errorf("another began: %d %s", resp.StatusCode, tail(body))
				}
			})
		}
		t.Run("gRPC", func(t *testing.T) { crossesTyped(t, m, limit) })
	})
}

// crossesTyped: a typed stream ends with a status that says all of it.
func crossesTyped(t *testing.T, m *mesh.Mesh, limit int64) {
	k, began, said := tokenKey(t, m, limit), time.Now(), 0
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+k.Secret)
	stream, err := routerv1.NewRouterServiceClient(dialGRPC(t, m)).StreamChat(ctx, &routerv1.StreamChatRequest{
		Model: "gpt-5#chunks=6000,chunk_delay=100us", Prompt: prompt(),
	})
	for err == nil {
		var answer *routerv1.StreamChatResponse
		answer, err = stream.Recv()
		said += len(answer.GetEvent().GetPartDelta().GetText())
	}
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.RetryInfo:
			retry = d
		}
	}
	about := info.GetMetadata()
	if status.Code(err) != codes.ResourceExhausted || info.GetReason() != "RATE_LIMITED" || about["scope"] != "key" || about["dimension"] != "tokens" ||
		about["limit"] != strconv.FormatInt(limit, 10) || about["remaining"] == "" || retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("%v: %v, %v", err, info, retry)
	}
	used, _ := usedBy(t, m, k, 1)
	if most := float64(limit)*(1+time.Since(began).Minutes()) + nearly; float64(used) > most || used < limit*9/10 || said < 8000 {
		t.Errorf("%d tokens of at most %.0f are recorded, %d bytes came", used, most, said)
	}
}

// TestStreamWithinTokens: a stream that fits isn't touched, nor one that declares its bound.
func TestStreamWithinTokens(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		for name, c := range map[string]struct {
			path, body, ends string
			least            int64
		}{
			"no bound":           {chatPath, chattyOpenAI(1200, ""), "data: [DONE]", 1200},
			"a bound":            {chatPath, chattyOpenAI(2300, `"max_completion_tokens":2300,`), "data: [DONE]", 2300},
			"a bound, Anthropic": {"/v1/messages", chattyAnthropic(2300, 2300), `"type":"message_stop"`, 2300},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				k := tokenKey(t, m, 2500)
				resp, body := ask(t, m, k.Secret, http.MethodPost, c.path, c.body)
				used, estimated := usedBy(t, m, k, 1)
				if resp.StatusCode != 200 || !bytes.Contains(tail(body), []byte(c.ends)) || used < c.least || estimated != 0 {
					t.Errorf("%d, %d tokens, %d estimated: %s", resp.StatusCode, used, estimated, tail(body))
				}
			})
		}
	})
}

// TestStreamsShareTokens: 16 streams at once on one limit stay within the burst and what refills together, but for a small
// step of each.
func TestStreamsShareTokens(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) { shareTokens(t, m) })
}

// TestTwoNodesShareTokens: so do those of two nodes on one Redis.
func TestTwoNodesShareTokens(t *testing.T) {
	t.Parallel()
	url, _ := startRedis(t)
	first := mesh.Start(t, mesh.Options{Split: true, Env: []string{"HEADGATE_REDIS_URL=" + url}})
	shareTokens(t, first, first.StartNode(t))
}

// shareTokens has nodes serve 16 streams at once that never end by themselves.
func shareTokens(t *testing.T, nodes ...*mesh.Mesh) {
	t.Helper()
	const limit, n = 30_000, 16
	k := tokenKey(t, nodes[0], limit)
	for _, m := range nodes {
		eventually(t, "the node knows the key", func() bool {
			resp, _ := ask(t, m, k.Secret, http.MethodGet, "/v1/models", "")
			return resp.StatusCode == 200
		})
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			resp, body, err := try(t, nodes[i%len(nodes)], k.Secret, http.MethodPost, chatPath, chattyOpenAI(6000, ""))
			if err != nil || resp.StatusCode != 200 || !bytes.Contains(tail(body), []byte("rate_limit_exceeded")) {
				t.Errorf("%v, %v: %s", err, resp, tail(body))
			}
		})
	}
	wg.Wait()
	most := limit*(1+time.Since(began).Minutes()) + n*nearly
	used, estimated := usedBy(t, nodes[0], k, n)
	t.Logf("%d tokens of at most %.0f", used, most)
	if float64(used) > most || used < limit*8/10 || estimated != n {
		t.Errorf("%d tokens are recorded, of %d streams that were ended; at most %.0f could be", used, estimated, most)
	}
}
