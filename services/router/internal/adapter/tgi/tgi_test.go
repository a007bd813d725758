package tgi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/tgi"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// server answers each path with a body, and keeps what it was asked.
type server struct {
	answers map[string]string
	status  int
	asked   chan string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.asked <- r.URL.Path + " " + string(body)
	answer := s.answers[r.URL.Path]
	w.Header().Set("X-Prompt-Tokens", "7")
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(answer, "data:") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, answer)
}

func start(t *testing.T, o tgi.Options, status int, answers map[string]string) (*provider.Provider, *server) {
	t.Helper()
	s := &server{answers: answers, status: status, asked: make(chan string, 8)}
	web := httptest.NewServer(s)
	p, _, err := tgi.New(adapter.Config{Name: "tgi", BaseURLs: []string{web.URL}, Connect: time.Second}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		web.Close()
	})
	return p, s
}

func prompt() *llmv1.Prompt {
	text := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}
	return &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{text}}}}
}

const (
	chat = `{"id":"","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Ho"},"finish_reason":"stop_sequence"}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}`
	// chatStream is of version 1.4: no [DONE] behind it.
	chatStream     = `data:{"id":"","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Ho"},"finish_reason":null}]}` + "\n\n" + `data:{"id":"","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}` + "\n\n"
	generated      = `{"generated_text":"Ho","details":{"finish_reason":"eos_token","generated_tokens":2,"seed":null,"prefill":[],"tokens":[]}}`
	generateStream = `data: {"index":1,"token":{"id":1,"text":"Ho","logprob":-0.1,"special":false},"generated_text":"Ho","details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":7}}` + "\n\n"
)

func TestBothAPIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o                         tgi.Options
		path, streamPath, counted string
	}{
		"messages": {tgi.Options{}, "/v1/chat/completions", "/v1/chat/completions", "/chat_tokenize"},
		"generate": {tgi.Options{Generate: true}, "/generate", "/generate_stream", "/tokenize"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := start(t, c.o, http.StatusOK, map[string]string{
				"/v1/chat/completions": chat, "/generate": generated, "/chat_tokenize": `{"tokenize_response":[{"id":1},{"id":2}],"templated_text":"x"}`, "/tokenize": `[{"id":1},{"id":2}]`,
			})
			whole, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: prompt()})
			if err != nil || whole.GetCompletion().GetMessage().GetParts()[0].GetText().GetText() != "Ho" || whole.GetCompletion().GetUsage().GetInputTokens() != 7 {
				t.Errorf("%v, %v", whole, err)
			}
			if asked := <-s.asked; !strings.HasPrefix(asked, c.path+" ") {
				t.Errorf("asked %s", asked)
			}
			count, err := p.CountTokens(t.Context(), &providerv1.CountTokensRequest{Model: "m", Prompt: prompt()})
			if asked := <-s.asked; err != nil || count.GetInputTokens() != 2 || !strings.HasPrefix(asked, c.counted+" ") {
				t.Errorf("%v, %v, asked %s", count, err, asked)
			}
			if p.Speaks(llmv1.Dialect_DIALECT_OPENAI, routerv1.Operation_OPERATION_CHAT) {
				t.Error("its quirks would reach clients")
			}
		})
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	silences := provider.Silences{FirstContent: time.Minute, Gap: time.Minute}
	for name, c := range map[string]struct {
		o       tgi.Options
		answers map[string]string
		want    string
		status  string
	}{
		"messages":             {tgi.Options{}, map[string]string{"/v1/chat/completions": chatStream}, "Ho length", ""},
		"generate":             {tgi.Options{Generate: true}, map[string]string{"/generate_stream": generateStream}, "Ho length", ""},
		"messages, cut":        {tgi.Options{}, map[string]string{"/v1/chat/completions": chatStream[:strings.Index(chatStream, "\n\n")+2]}, "Ho", "cut"},
		"messages, overloaded": {tgi.Options{}, map[string]string{"/v1/chat/completions": `data: {"error":{"message":"Model is overloaded","http_status_code":422}}` + "\n\ndata: [DONE]\n\n"}, "", "429"},
		"generate, overloaded": {tgi.Options{Generate: true}, map[string]string{"/generate_stream": `data: {"error":"Model is overloaded","error_type":"overloaded"}` + "\n\n"}, "", "429"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := start(t, c.o, http.StatusOK, c.answers)
			said := ""
			err := p.StreamChat(context.Background(), &providerv1.StreamChatRequest{Model: "m", Prompt: prompt()}, silences, func(m *providerv1.StreamChatResponse, _ bool) error {
				said += m.GetEvent().GetPartDelta().GetText()
				if f := m.GetEvent().GetFinish(); f != nil {
					said += " " + f.GetRawReason()
				}
				return nil
			})
			got := ""
			if err != nil {
				got = fault.From(err).Metadata["http_status"]
			}
			if err != nil && fault.From(err).Reason == errorsv1.Reason_REASON_STREAM_TRUNCATED {
				got = "cut"
			}
			if said != c.want || got != c.status {
				t.Errorf("%q, %v, want %q and %q", said, err, c.want, c.status)
			}
		})
	}
}

// TestErrors: TGI's words for what went wrong, its own failure under a status that says so.
func TestErrors(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct {
		status int
		want   string
	}{
		`{"error":"Model is overloaded","error_type":"overloaded"}`:                          {429, "429"},
		`{"error":"Request failed during generation","error_type":"generation"}`:             {424, "502"},
		"Failed to deserialize the JSON body into the target type: missing field `messages`": {422, "422"},
	} {
		p, _ := start(t, tgi.Options{}, c.status, map[string]string{"/v1/chat/completions": body})
		_, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: prompt()})
		if f := fault.From(err); f.Reason != errorsv1.Reason_REASON_PROVIDER_ERROR || f.Metadata["http_status"] != c.want || !strings.Contains(body, f.Message) {
			t.Errorf("%s: %v %v", body, err, f.Metadata)
		}
	}
}
