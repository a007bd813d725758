package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// Whole streams of both dialects, small, with every ending that matters within: padding, a comment, several frames.
const (
	openAIStream = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n" +
		": keepalive\n\n" +
		"data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}]}\n\n" +
		"data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
		"data: [DONE]\n\n"
	anthropicStream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-4-6\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}        }\n\n" +
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}   }\n\n" +
		"event: ping\ndata: {\"type\": \"ping\"}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hé\"} }\n\n" +
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n" +
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
)

type cutDialect struct {
	path, stream, model, terminal, errorMark string
}

func cutDialects() map[string]cutDialect {
	return map[string]cutDialect{
		"openai":    {"/v1/chat/completions", openAIStream, "gpt-cut", "data: [DONE]\n\n", "data: {\"error\":"},
		"anthropic": {"/v1/messages", anthropicStream, "claude-cut", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", "event: error\ndata: "},
	}
}

// cutter answers with the first n bytes of the dialect's stream and then ends the body cleanly, resets the connection,
// or flips the byte at n and goes on; the model's name says which: gpt-cut-120-reset.
func cutter() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if !strings.Contains(body.Model, "-cut-") {
			return // somebody asks how busy we are
		}
		stream := openAIStream
		if strings.HasPrefix(body.Model, "claude") {
			stream = anthropicStream
		}
		var n int
		var how string
		_, _ = fmt.Sscanf(strings.ReplaceAll(body.Model[strings.Index(body.Model, "-cut-")+5:], "-", " "), "%d %s", &n, &how)
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		switch how {
		case "flip":
			flipped := []byte(stream)
			flipped[n] ^= 0x15
			_, _ = w.Write(flipped)
		case "eof":
			_, _ = io.WriteString(w, stream[:n])
		case "reset":
			_, _ = io.WriteString(w, stream[:n])
			_ = rc.Flush()
			panic(http.ErrAbortHandler)
		}
	})
}

// TestEveryCut cuts streams at every byte, in every way. What a client sees is a prefix of what the provider sent,
// followed by nothing if that was all of it, by an error frame, or by a broken connection (promise S1).
func TestEveryCut(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: cutter()})
	for name, d := range cutDialects() {
		for _, how := range []string{"eof", "reset", "flip"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				atOnce(8, len(d.stream), func(n int) { checkCut(t, m, d, n, how) })
			})
		}
	}
}

// TestEveryCutCrossed is TestEveryCut for a client of the other dialect: what it sees ends in the terminal frame only
// where the provider's whole stream came.
func TestEveryCutCrossed(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Upstream: cutter()})
	all := cutDialects()
	for name, client := range all {
		provider := all[map[string]string{"openai": "anthropic", "anthropic": "openai"}[name]]
		route := map[string]string{"openai": "claude/", "anthropic": "openai/"}[name]
		for _, how := range []string{"eof", "reset", "flip"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				atOnce(8, len(provider.stream), func(n int) {
					checkCrossedCut(t, m, client, fmt.Sprintf("%s%s-%d-%s", route, provider.model, n, how), how)
				})
			})
		}
	}
}

func checkCrossedCut(t *testing.T, m *mesh.Mesh, d cutDialect, model, how string) {
	status, got, err := post(m, d.path, fmt.Sprintf(`{"model":%q,"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`, model))
	if status == 0 || (status != http.StatusOK && status != http.StatusBadGateway) {
		t.Errorf("%s: status %d, %v", model, status, err)
		return
	}
	if status == http.StatusBadGateway || err != nil {
		return // a real status or a broken connection: nobody takes that for an answer
	}
	switch end := bytes.Index(got, []byte(d.errorMark)); {
	case end >= 0:
		if !bytes.HasSuffix(got, []byte("\n\n")) || bytes.Contains(got, []byte(d.terminal)) {
			t.Errorf("%s: the error isn't the end:\n%s", model, got)
		}
	case !bytes.HasSuffix(got, []byte(d.terminal)):
		t.Errorf("%s: a clean end short of the end:\n%s", model, got)
	case how != "flip":
		t.Errorf("%s: looks whole and isn't:\n%s", model, got)
	}
}

func checkCut(t *testing.T, m *mesh.Mesh, d cutDialect, n int, how string) {
	status, got, err := post(m, d.path, fmt.Sprintf(`{"model":"%s-%d-%s","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`, d.model, n, how))
	if status == 0 || (status != http.StatusOK && status != http.StatusBadGateway) {
		t.Errorf("cut at %d: status %d, %v", n, status, err)
		return
	}
	if status == http.StatusBadGateway || err != nil {
		return // a real status or a broken connection: nobody takes that for an answer
	}
	switch end := bytes.Index(got, []byte(d.errorMark)); {
	case end >= 0:
		if how != "flip" && !strings.HasPrefix(d.stream, string(got[:end])) {
			t.Errorf("cut at %d: what came before the error isn't a prefix of the stream:\n%s", n, got)
		}
		if !bytes.HasSuffix(got, []byte("\n\n")) || bytes.Contains(got[end:], []byte(d.terminal)) {
			t.Errorf("cut at %d: something follows the error:\n%s", n, got[end:])
		}
	case !bytes.HasSuffix(got, []byte(d.terminal)):
		t.Errorf("cut at %d by %s: a clean end short of the end:\n%s", n, how, got)
	case how != "flip" && string(got) != d.stream:
		t.Errorf("cut at %d by %s: looks whole and isn't:\n%s", n, how, got)
	}
}

// atOnce calls f for 0..n-1 from a few goroutines.
func atOnce(workers, n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// post sends a request with both dialects' headers and returns what came, and the error that ended it.
func post(m *mesh.Mesh, path, body string) (int, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, m.URL(path), strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}
