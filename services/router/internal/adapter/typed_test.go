package adapter_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

func prompt() *llmv1.Prompt {
	return &llmv1.Prompt{Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: "Hi"}}}},
	}}}
}

func TestChat(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		build  func(*testing.T, string) *provider.Provider
		answer string
		path   string
		header http.Header
	}{
		{"OpenAI", openAI, openAIAnswer, "/chat/completions", http.Header{"Authorization": {"Bearer " + ownKey}}},
		{"Anthropic", claude, anthropicAnswer, "/v1/messages", http.Header{"X-Api-Key": {ownKey}, "Anthropic-Version": {"2023-06-01"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			handler, seen := recording(c.answer)
			got, err := c.build(t, serve(t, handler).url).Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: prompt()})
			if err != nil {
				t.Fatal(err)
			}
			if text := got.GetCompletion().GetMessage().GetParts()[0].GetText().GetText(); text != "Hi" {
				t.Errorf("%v", got)
			}
			r := <-seen
			if r.uri != c.path || !strings.Contains(r.body, `"model":"m"`) {
				t.Errorf("%s %s", r.uri, r.body)
			}
			for name := range c.header {
				if r.header.Get(name) != c.header.Get(name) {
					t.Errorf("%s: %q", name, r.header.Get(name))
				}
			}
		})
	}
}

func TestTypedErrors(t *testing.T) {
	t.Parallel()
	const providerError = errorsv1.Reason_REASON_PROVIDER_ERROR
	cases := []struct {
		name    string
		handler http.HandlerFunc
		want    errorsv1.Reason
		says    string
	}{
		{"the provider's words", answering(429, "application/json", `{"error":{"message":"Slow down"}}`), providerError, "Slow down"},
		{"masked", answering(400, "application/json", `{"error":{"message":"key `+ownKey+`"}}`), providerError, "key [redacted]"},
		{"masked plain text", answering(500, "text/plain", "key "+ownKey), providerError, "key [redacted]"},
		{"a page", answering(502, "text/html", "<html>"), providerError, "502"},
		{"credentials", answering(401, "application/json", `{}`), credentials, "api_key"},
		{"garbage", answering(200, "application/json", "}{"), malformed, "understood"},
		{"redirect", answering(307, "text/plain", ""), malformed, "redirect"},
		{"cut short", cutShort(200), malformed, "broke off"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := openAI(t, serve(t, c.handler).url)
			got, err := a.Chat(t.Context(), &providerv1.ChatRequest{Model: "m", Prompt: prompt()})
			if why := reason(t, err); why != c.want || got != nil {
				t.Fatalf("%v, %v, want %v", got, err, c.want)
			}
			if f := fault.From(err); !strings.Contains(f.Message, c.says) || strings.Contains(err.Error(), ownKey) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if c.want != providerError && c.want != credentials {
				return
			}
			err = a.StreamChat(t.Context(), &providerv1.StreamChatRequest{Model: "m", Prompt: prompt()}, patient,
				func(*providerv1.StreamChatResponse, bool) error { return errors.New("nothing to emit") })
			if why := reason(t, err); why != c.want {
				t.Errorf("as a stream: %v", err)
			}
		})
	}
}

// events are what a stream emits, by kind, and its error.
func events(t *testing.T, h http.HandlerFunc) (kinds string, ids []string, err error) {
	t.Helper()
	a := openAI(t, serve(t, h).url)
	err = a.StreamChat(t.Context(), &providerv1.StreamChatRequest{Model: "m", Prompt: prompt()}, patient, func(m *providerv1.StreamChatResponse, _ bool) error {
		kinds += kind(m.GetEvent())
		if id := m.GetUpstreamRequestId(); id != "" {
			ids = append(ids, id)
		}
		return nil
	})
	return kinds, ids, err
}

// kind is one letter for an event.
func kind(e *llmv1.StreamEvent) string {
	switch {
	case e.GetStart() != nil:
		return "S"
	case e.GetPartStart() != nil:
		return "("
	case e.GetPartDelta() != nil:
		return "d"
	case e.GetPartEnd() != nil:
		return ")"
	case e.GetUsage() != nil:
		return "u"
	case e.GetFinish() != nil:
		return "F"
	}
	return "?"
}

func TestStreamChat(t *testing.T) {
	t.Parallel()
	failed := `data: {"error":{"message":"key ` + ownKey + `","code":"busy"}}` + "\n\n"
	cases := []struct {
		name    string
		handler http.HandlerFunc
		kinds   string
		want    errorsv1.Reason
	}{
		{"whole", streaming(role, comment, text, text, stop, usage, done), "S(dd)Fu", 0},
		{"cut before content", streaming(role), "S", truncated},
		{"cut after content", streaming(role, text), "S(d", truncated},
		{"cut before the terminal frame", streaming(role, text, stop, usage), "S(d)", truncated},
		{"the provider's error", streaming(role, text, failed, text, done), "S(d", errorsv1.Reason_REASON_PROVIDER_ERROR},
		{"garbage", streaming(role, "data: {oops\n\n", done), "S", malformed},
		{"an answer instead of a stream", answering(200, "application/json", openAIAnswer), "", malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kinds, ids, err := events(t, c.handler)
			if why := reason(t, err); why != c.want || kinds != c.kinds {
				t.Errorf("%q, %v, want %q, %v", kinds, err, c.kinds, c.want)
			}
			if err != nil && strings.Contains(fault.From(err).Message, ownKey) {
				t.Errorf("%v", err)
			}
			if c.kinds != "" && (len(ids) != 1 || ids[0] != "up-1") {
				t.Errorf("upstream ids %q, want one, on the first event", ids)
			}
		})
	}
}

// TestStreamChatEmitFails: a caller that can't take more ends the provider's work.
func TestStreamChatEmitFails(t *testing.T) {
	t.Parallel()
	gone, full := make(chan struct{}), errors.New("full")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w, role, text)
		untilGone(r)
		close(gone)
	})
	err := openAI(t, s.url).StreamChat(t.Context(), &providerv1.StreamChatRequest{Model: "m", Prompt: prompt()}, patient,
		func(*providerv1.StreamChatResponse, bool) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	<-gone
}
