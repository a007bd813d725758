package tests

import (
	"errors"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

func anthropicClient(m *mesh.Mesh, extra ...option.RequestOption) *anthropic.Client {
	client := anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(m.URL("")), option.WithAPIKey(mesh.Key), option.WithMaxRetries(0),
	}, extra...)...)
	return &client
}

func message(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model:     model,
		MaxTokens: 1024,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Explain RAG"))},
	}
}

func TestAnthropicSDK(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		client := anthropicClient(m)
		whole, err := client.Messages.New(t.Context(), message("claude-opus-4-6"))
		if err != nil {
			t.Fatal(err)
		}
		if len(whole.Content) == 0 || whole.Content[0].Text == "" || whole.Usage.OutputTokens == 0 {
			t.Fatalf("an answer without text or usage: %s", whole.RawJSON())
		}
		stream := client.Messages.NewStreaming(t.Context(), message("claude-opus-4-6"))
		var acc anthropic.Message
		for stream.Next() {
			if err := acc.Accumulate(stream.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if acc.Content[0].Text != whole.Content[0].Text || acc.Usage.OutputTokens != whole.Usage.OutputTokens {
			t.Errorf("the stream says %q (%d), the whole answer %q (%d)",
				acc.Content[0].Text, acc.Usage.OutputTokens, whole.Content[0].Text, whole.Usage.OutputTokens)
		}
	})
}

func TestAnthropicSDKErrors(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	cases := map[string]struct {
		model  string
		key    string
		status int
	}{
		"wrong key":           {"claude-opus-4-6", "sk-wrong", 401},
		"unknown model":       {"nobody-knows", mesh.Key, 404},
		"provider overloaded": {"claude-opus-4-6#status=529", mesh.Key, 529},
		"our key is refused":  {"claude-opus-4-6#status=401", mesh.Key, 502},
		"provider talks HTML": {"claude-opus-4-6#garbage", mesh.Key, 502},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := anthropicClient(m, option.WithAPIKey(c.key)).Messages.New(t.Context(), message(c.model))
			var failure *anthropic.Error
			if !errors.As(err, &failure) {
				t.Fatalf("not an error of the SDK: %v", err)
			}
			if failure.StatusCode != c.status || failure.RequestID == "" {
				t.Errorf("got %d, request id %q: %s", failure.StatusCode, failure.RequestID, failure.RawJSON())
			}
		})
	}
}

// TestAnthropicSDKNoSilentTruncation: the SDK takes an end without message_stop for success, so the end must be an
// error.
func TestAnthropicSDKNoSilentTruncation(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	for _, script := range []string{"cut=3", "cut_bytes=700", "reset=3", "no_terminal", "malformed=3", "error=3"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			stream := anthropicClient(m).Messages.NewStreaming(t.Context(), message("claude-opus-4-6#"+script))
			for stream.Next() {
				continue
			}
			if stream.Err() == nil {
				t.Error("a stream that was cut looks whole")
			}
		})
	}
}
