package estimate_test

import (
	"strings"
	"testing"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/estimate"
)

func prompt(text string) *llmv1.Prompt {
	part := &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
	return &llmv1.Prompt{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{part}}}}
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prompt    *llmv1.Prompt
		low, high int64
	}{
		"nothing":  {&llmv1.Prompt{}, 1, 1},
		"english":  {prompt(strings.Repeat("The quick brown fox. ", 100)), 450, 600},
		"chinese":  {prompt(strings.Repeat("敏捷的棕色狐狸", 100)), 350, 900},
		"russian":  {prompt(strings.Repeat("быстрая лиса ", 100)), 350, 900},
		"blob":     {&llmv1.Prompt{SystemParts: []*llmv1.Part{{Kind: &llmv1.Part_Blob{Blob: &llmv1.BlobPart{Data: make([]byte, 1200)}}}}}, 100, 100},
		"tool use": {&llmv1.Prompt{Tools: []*llmv1.Tool{{Name: "weather", InputSchema: strings.Repeat("x", 400)}}}, 100, 120},
	} {
		if n := estimate.Prompt(c.prompt); n < c.low || n > c.high {
			t.Errorf("%s: %d tokens, want %d to %d", name, n, c.low, c.high)
		}
	}
}

// TestBody: text counts by its length, a picture in it as a picture, however many bytes it has.
func TestBody(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a few words ", 1000)
	picture := strings.Repeat("iVBORw0KGgo", 10000)
	cases := []struct {
		name, body  string
		least, most int64
	}{
		{"nothing", "{}", 1, 1},
		{"a short question", `{"messages":[{"content":"Hi"}]}`, 5, 10},
		{"a long text", `{"content":"` + text + `"}`, 2900, 3100},
		{"a picture", `{"text":"what is it","url":"data:image/png;base64,` + picture + `"}`, 700, 900},
		{"no end", `{"text":"` + picture, 20000, 30000},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := estimate.Body([]byte(c.body)); got < c.least || got > c.most {
				t.Errorf("%d, want %d to %d", got, c.least, c.most)
			}
		})
	}
}
