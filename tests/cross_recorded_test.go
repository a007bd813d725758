package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestRecordedTrafficCrossed replays real answers to clients of the other dialect: what their SDK understands is what
// the provider's own SDK, asked directly, understands.
func TestRecordedTrafficCrossed(t *testing.T) {
	t.Parallel()
	list := append(recordings(t), bodies(t)...)
	m := mesh.Start(t, mesh.Options{Upstream: replayer(list)})
	var streams, wholes, unheard int
	for n, r := range list {
		if r.Status != http.StatusOK || (r.streamed() && !r.whole()) {
			continue
		}
		truth, crossed, err := hearBoth(t, m, n, r)
		switch {
		case err != nil && truth.Text == "" && truth.Finish == "":
			unheard++ // the provider's own SDK can't make anything of it
		case err != nil:
			t.Errorf("%s: %v", r.ID, err)
		case !same(crossed, truth):
			t.Errorf("%s:\nheard %v\nsaid  %v", r.ID, crossed, truth)
		case r.streamed():
			streams++
		default:
			wholes++
		}
	}
	t.Logf("%d streams, %d whole answers, %d that no SDK understands", streams, wholes, unheard)
}

// hearBoth hears a recorded answer directly, in the crossed client's words, and through the mesh. The first is empty
// where the provider's own SDK fails.
func hearBoth(t *testing.T, m *mesh.Mesh, n int, r *recording) (truth, crossed heard, err error) {
	t.Helper()
	model := fmt.Sprint(n)
	if r.path() == "/v1/messages" {
		direct := anthropic.NewClient(anthropicoption.WithBaseURL("http://"+m.Upstream), anthropicoption.WithAPIKey("x"), anthropicoption.WithMaxRetries(0))
		if truth, err = hearAnthropic(t.Context(), &direct, message(model), r.streamed()); err != nil {
			return heard{}, heard{}, err
		}
		crossed, err = hearOpenAI(t.Context(), openAIClient(m), question("claude/"+model), r.streamed())
		return asOpenAI(truth), crossed, err
	}
	direct := openai.NewClient(openaioption.WithBaseURL("http://"+m.Upstream+"/v1"), openaioption.WithAPIKey("x"), openaioption.WithMaxRetries(0))
	if truth, err = hearOpenAI(t.Context(), &direct, question(model), r.streamed()); err != nil {
		return heard{}, heard{}, err
	}
	crossed, err = hearAnthropic(t.Context(), anthropicClient(m), message("openai/"+model), r.streamed())
	if truth.Finish == "" {
		truth.Finish = crossed.Finish // the SDK for Go forgets it when a further chunk follows
	}
	if truth = asAnthropic(truth); truth.Finish == "end_turn" && crossed.Finish == "refusal" {
		truth.Finish = "refusal" // OpenAI tells it by where the text stands
	}
	return truth, unwrapped(crossed), err
}

// unwrapped takes arguments that are no JSON out of the object that Anthropic's dialect demands around them.
func unwrapped(h heard) heard {
	for i, c := range h.Calls {
		if o, ok := c.Arguments.(map[string]any); ok && len(o) == 1 && o["_raw_arguments"] != nil {
			h.Calls[i].Arguments = o["_raw_arguments"]
		}
	}
	return h
}

// TestRecordedRequestsCrossed sends real requests to a provider of the other dialect: each is translated, or refused with
// a field's name.
func TestRecordedRequestsCrossed(t *testing.T) {
	t.Parallel()
	list := recordings(t)
	m := mesh.Start(t, mesh.Options{})
	refused := make(map[string]int)
	var translated, provider int
	for _, r := range list {
		model := "gpt-5"
		if r.path() == "/v1/chat/completions" {
			model = "claude-opus-4-6"
		}
		status, body, err := postTo(t, m, r.path(), model, r.RequestBody)
		switch {
		case err != nil:
			t.Errorf("%s: %v", r.ID, err)
		case status == http.StatusOK:
			translated++
		case status == http.StatusBadRequest && strings.Contains(string(body), "UNSUPPORTED"):
			refused[fieldIn(body)]++
		case status >= http.StatusInternalServerError:
			t.Errorf("%s: %d %s", r.ID, status, tail(body))
		default:
			provider++
			if status == http.StatusBadRequest && r.Status == http.StatusOK {
				t.Logf("%s: %s", r.ID, tail(body))
			}
		}
	}
	t.Logf("%d translated, %d refused by the provider, refused for fields: %v", translated, provider, refused)
}

func fieldIn(body []byte) string {
	for _, mark := range []string{`"param":"`, `"field":"`} {
		if _, rest, ok := strings.Cut(string(body), mark); ok {
			field, _, _ := strings.Cut(rest, `"`)
			return field
		}
	}
	return "?"
}

func postTo(t *testing.T, m *mesh.Mesh, path, route, body string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Headgate-Route", route)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

// bodies are the recordings of answers alone: whole ones, streams, and streams' payloads, one a line. What isn't a chat of
// either dialect is left out.
func bodies(t *testing.T) (list []*recording) {
	t.Helper()
	dir := os.Getenv("HEADGATE_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "fixtures")
	}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(name, "exchanges") || strings.Contains(name, "tgi-snapshots") {
			return err
		}
		body, err := os.ReadFile(name)
		if strings.HasSuffix(name, ".chunks.txt") {
			body = framed(body)
		} else if !json.Valid(body) {
			body = append(bytes.TrimSpace(body), "\n\n"...) // the files lack the stream's last blank line
		}
		if url := urlOf(body); url != "" && !odd(name, body) {
			list = append(list, &recording{ID: strings.TrimPrefix(name, dir), Method: http.MethodPost, URL: url, RequestBody: "{}", Status: http.StatusOK, ResponseBody: string(body)})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// odd reports whether a file is none of what a provider sends: several answers one after the other, as its project's tests
// want them, or several choices, which no client of the other dialect can ask for.
func odd(name string, body []byte) bool {
	return bytes.Count(body, []byte("event: message_start")) > 1 || strings.Contains(name, "multiple_choices") ||
		strings.Contains(name, "programmatic-tool-calling") ||
		strings.Contains(name, "mistral-reasoning") || // the SDK knows no lists of content
		strings.Contains(name, "incomplete_partial_json") // the SDK reads cut arguments as none
}

// framed makes a stream of payloads.
func framed(payloads []byte) []byte {
	var stream bytes.Buffer
	anthropics := false
	for line := range bytes.SplitSeq(payloads, []byte("\n")) {
		var e struct{ Type string }
		if line = bytes.TrimSpace(line); json.Unmarshal(line, &e) != nil {
			continue
		}
		if e.Type != "" {
			anthropics = true
			fmt.Fprintf(&stream, "event: %s\n", e.Type)
		}
		fmt.Fprintf(&stream, "data: %s\n\n", line)
	}
	if !anthropics {
		stream.WriteString("data: [DONE]\n\n")
	}
	return stream.Bytes()
}

// urlOf tells whose chat an answer is of; empty for anything else.
func urlOf(body []byte) string {
	var whole struct {
		Type    string
		Choices []struct{ Message json.RawMessage }
	}
	switch {
	case json.Unmarshal(body, &whole) == nil && whole.Type == "message", bytes.Contains(body, []byte("event: message_start")):
		return "/v1/messages"
	case len(whole.Choices) > 0 && whole.Choices[0].Message != nil, bytes.HasPrefix(body, []byte("data:")) && bytes.Contains(body, []byte(`"delta"`)):
		return "/v1/chat/completions"
	}
	return ""
}

// TestRecordedCallIDsCrossed: the ids of tool calls reach a client of the other dialect as they were, in their order, but
// for those that its vendor would refuse when they come back.
func TestRecordedCallIDsCrossed(t *testing.T) {
	t.Parallel()
	list := append(recordings(t), bodies(t)...)
	m := mesh.Start(t, mesh.Options{Upstream: replayer(list)})
	kept, replaced := 0, 0
	for n, r := range list {
		if r.Status != http.StatusOK || (r.streamed() && !r.whole()) || !calling(r) {
			continue
		}
		want, got := callIDs(t, m, n, r)
		if len(want) != len(got) || len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Errorf("%s: %q became %q", r.ID, want, got)
			continue
		}
		for i := range want {
			switch {
			case want[i] == got[i]:
				kept++
			case want[i] != "" && len(want[i]) <= 40 && plainID.MatchString(want[i]):
				t.Errorf("%s: %q became %q", r.ID, want[i], got[i])
			default:
				replaced++
			}
		}
	}
	t.Logf("%d ids kept, %d replaced", kept, replaced)
}

// calling reports whether an answer may call tools.
func calling(r *recording) bool {
	body := r.body()
	return bytes.Contains(body, []byte(`"tool_use"`)) || bytes.Contains(body, []byte(`"tool_calls"`))
}

// plainID is what both vendors take.
var plainID = regexp.MustCompile("^[a-zA-Z0-9_-]+$")

// callIDs are the ids of a recording's calls as its provider's SDK reads them, and as a client of the other dialect does.
func callIDs(t *testing.T, m *mesh.Mesh, n int, r *recording) (want, got []string) {
	t.Helper()
	if r.path() == "/v1/messages" {
		direct := anthropic.NewClient(anthropicoption.WithBaseURL("http://"+m.Upstream), anthropicoption.WithAPIKey("x"), anthropicoption.WithMaxRetries(0))
		return anthropicIDs(t, &direct, fmt.Sprint(n), r.streamed()), openAIIDs(t, openAIClient(m), "claude/"+fmt.Sprint(n), r.streamed())
	}
	direct := openai.NewClient(openaioption.WithBaseURL("http://"+m.Upstream+"/v1"), openaioption.WithAPIKey("x"), openaioption.WithMaxRetries(0))
	return openAIIDs(t, &direct, fmt.Sprint(n), r.streamed()), anthropicIDs(t, anthropicClient(m), "openai/"+fmt.Sprint(n), r.streamed())
}

func openAIIDs(t *testing.T, client *openai.Client, model string, stream bool) (ids []string) {
	t.Helper()
	whole := &openai.ChatCompletion{}
	if !stream {
		whole, _ = client.Chat.Completions.New(t.Context(), question(model))
	} else {
		var acc openai.ChatCompletionAccumulator
		for chunks := client.Chat.Completions.NewStreaming(t.Context(), question(model)); chunks.Next(); {
			acc.AddChunk(chunks.Current())
		}
		whole = &acc.ChatCompletion
	}
	if whole == nil || len(whole.Choices) == 0 {
		return nil
	}
	for _, call := range whole.Choices[0].Message.ToolCalls {
		ids = append(ids, call.ID)
	}
	return ids
}

func anthropicIDs(t *testing.T, client *anthropic.Client, model string, stream bool) (ids []string) {
	t.Helper()
	whole := &anthropic.Message{}
	if !stream {
		whole, _ = client.Messages.New(t.Context(), message(model))
	} else {
		for events := client.Messages.NewStreaming(t.Context(), message(model)); events.Next(); {
			_ = whole.Accumulate(events.Current())
		}
	}
	if whole == nil {
		return nil
	}
	for _, block := range whole.Content {
		if block.Type == "tool_use" {
			ids = append(ids, block.ID)
		}
	}
	return ids
}
