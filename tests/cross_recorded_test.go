package tests

import (
	"fmt"
	"io"
	"net/http"
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
	list := recordings(t)
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
	return asAnthropic(truth), crossed, err
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
