package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// hear streams an answer through a vendor's own SDK and returns what a program would have understood.
type hear func(ctx context.Context, m *mesh.Mesh, model, prompt string) (content, error)

// TestS1SDK: a program that uses the vendors' SDKs never takes a part of an answer for the whole. Both SDKs take the end
// of the stream for the end of the answer, so what counts is that nothing is missing where they report no error.
func TestS1SDK(t *testing.T) {
	c := newChaos(t, planOf)
	m := chaosMesh(t, c)
	i := 3
	for name, listen := range map[string]hear{"openai-go": hearOpenAI, "anthropic-sdk-go": hearAnthropic} {
		i++
		t.Run(name, func(t *testing.T) {
			y := promise(t, "S1", "no silent truncation, "+name)
			n, clean := size(200, 3000), new(tally)
			together(32, n, func(k int) {
				round := i*1_000_000 + k
				to := routes[chance("request", round, 0).IntN(len(routes))]
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				heard, err := listen(ctx, m, to.model, label(round)+" Explain RAG")
				attempts := c.attempts(round)
				y.kept()
				if err != nil {
					return
				}
				clean.kept()
				if err := judge(sight{content: heard, end: terminal}, attempts); err != nil {
					y.broken("round %d to %s: %v\nattempts: %s\nheard %+v", round, to.model, err, tell(attempts), heard)
				}
			})
			y.found("%d whole, %d errors", clean.rounds.Load(), int64(n)-clean.rounds.Load())
		})
	}
}

func hearOpenAI(ctx context.Context, m *mesh.Mesh, model, prompt string) (c content, err error) {
	sdk := openai.NewClient(openaioption.WithBaseURL(m.URL("/v1")), openaioption.WithAPIKey(mesh.Key), openaioption.WithMaxRetries(0))
	stream := sdk.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
	})
	for stream.Next() {
		if err := c.openAI(stream.Current().RawJSON()); err != nil {
			return c, fmt.Errorf("a chunk that is no JSON: %w", err)
		}
	}
	return c, stream.Err()
}

func hearAnthropic(ctx context.Context, m *mesh.Mesh, model, prompt string) (c content, err error) {
	sdk := anthropic.NewClient(anthropicoption.WithBaseURL(m.URL("")), anthropicoption.WithAPIKey(mesh.Key), anthropicoption.WithMaxRetries(0))
	stream := sdk.Messages.NewStreaming(ctx, anthropic.MessageNewParams{
		Model: model, MaxTokens: 8000, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	})
	for stream.Next() {
		if err := c.anthropic(stream.Current().RawJSON()); err != nil {
			return c, fmt.Errorf("an event that is no JSON: %w", err)
		}
	}
	return c, stream.Err()
}
