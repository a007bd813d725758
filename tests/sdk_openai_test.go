package tests

import (
	"errors"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

func openAIClient(m *mesh.Mesh, extra ...option.RequestOption) *openai.Client {
	client := openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(m.URL("/v1")), option.WithAPIKey(mesh.Key), option.WithMaxRetries(0),
	}, extra...)...)
	return &client
}

func question(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Explain RAG")},
	}
}

func TestOpenAISDK(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		client := openAIClient(m)
		whole, err := client.Chat.Completions.New(t.Context(), question("gpt-5"))
		if err != nil {
			t.Fatal(err)
		}
		text := whole.Choices[0].Message.Content
		if text == "" || whole.Usage.TotalTokens == 0 {
			t.Fatalf("an answer without text or usage: %+v", whole)
		}
		params := question("gpt-5")
		params.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		var acc openai.ChatCompletionAccumulator
		for stream.Next() {
			if !acc.AddChunk(stream.Current()) {
				t.Fatalf("the accumulator refuses %s", stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if got := acc.Choices[0].Message.Content; got != text {
			t.Errorf("the stream says %q, the whole answer %q", got, text)
		}
		if acc.Usage.TotalTokens != whole.Usage.TotalTokens {
			t.Errorf("the stream counts %d tokens, the whole answer %d", acc.Usage.TotalTokens, whole.Usage.TotalTokens)
		}
	})
}

// TestOpenAIUsageChunk: Headgate asks for usage in its own interest; a client that didn't ask doesn't see the chunk,
// which some clients trip over.
func TestOpenAIUsageChunk(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	stream := openAIClient(m).Chat.Completions.NewStreaming(t.Context(), question("gpt-5"))
	for stream.Next() {
		if len(stream.Current().Choices) == 0 {
			t.Errorf("a chunk without choices: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAISDKErrors(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	cases := map[string]struct {
		model  string
		key    string
		status int
		code   string
	}{
		"wrong key":             {"gpt-5", "sk-wrong", 401, "invalid_api_key"},
		"unknown model":         {"nobody-knows", mesh.Key, 404, "model_not_found"},
		"provider's limit":      {"gpt-5#status=429", mesh.Key, 429, ""},
		"provider is down":      {"gpt-5#status=503", mesh.Key, 503, ""},
		"our key is refused":    {"gpt-5#status=401", mesh.Key, 502, "PROVIDER_CREDENTIALS"},
		"provider talks HTML":   {"gpt-5#garbage", mesh.Key, 502, "PROVIDER_MALFORMED"},
		"provider says nothing": {"gpt-5#empty", mesh.Key, 502, "PROVIDER_MALFORMED"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openAIClient(m, option.WithAPIKey(c.key)).Chat.Completions.New(t.Context(), question(c.model))
			var failure *openai.Error
			if !errors.As(err, &failure) {
				t.Fatalf("not an error of the SDK: %v", err)
			}
			if failure.StatusCode != c.status || (c.code != "" && failure.Code != c.code) || failure.Message == "" {
				t.Errorf("got %d %q %q", failure.StatusCode, failure.Code, failure.Message)
			}
			if failure.Response.Header.Get("x-request-id") == "" {
				t.Error("no request id")
			}
		})
	}
}

// TestOpenAISDKNoSilentTruncation: through the official SDK, an answer that was cut is an error.
func TestOpenAISDKNoSilentTruncation(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	for _, script := range []string{"cut=3", "cut_bytes=700", "reset=3", "no_terminal", "malformed=3", "error=3"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			stream := openAIClient(m).Chat.Completions.NewStreaming(t.Context(), question("gpt-5#"+script))
			for stream.Next() {
				continue
			}
			if stream.Err() == nil {
				t.Error("a stream that was cut looks whole")
			}
		})
	}
}
