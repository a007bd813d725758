package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
)

// heard is what a client understands of an answer, whichever SDK it uses.
type heard struct {
	Text, Thoughts string
	Calls          []heardCall
	Finish         string
	Input, Output  int64
	Cached         int64
}

type heardCall struct {
	Name      string
	Arguments any
}

func (h heard) String() string {
	return fmt.Sprintf("%q, thoughts %q, calls %v, %s, %d tokens in (%d cached), %d out", h.Text, h.Thoughts, h.Calls, h.Finish, h.Input, h.Cached, h.Output)
}

func call(name, arguments string) heardCall {
	c := heardCall{Name: name, Arguments: arguments}
	if strings.TrimSpace(arguments) == "" {
		arguments = "{}"
	}
	var value any
	if json.Unmarshal([]byte(arguments), &value) == nil {
		c.Arguments = value
	}
	return c
}

func same(a, b heard) bool { return reflect.DeepEqual(a, b) }

// hearOpenAI asks through the OpenAI SDK for Go, whole or as its accumulator puts a stream together.
func hearOpenAI(ctx context.Context, client *openai.Client, params openai.ChatCompletionNewParams, stream bool) (heard, error) {
	if !stream {
		whole, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			return heard{}, err
		}
		h := understandOpenAI(whole)
		h.Thoughts = thoughtsIn(whole.Choices[0].Message.RawJSON())
		return h, nil
	}
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	chunks := client.Chat.Completions.NewStreaming(ctx, params)
	var acc openai.ChatCompletionAccumulator
	var thoughts strings.Builder
	for chunks.Next() {
		chunk := chunks.Current()
		if !acc.AddChunk(chunk) {
			return heard{}, fmt.Errorf("the accumulator refuses %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			thoughts.WriteString(thoughtsIn(choice.Delta.RawJSON()))
		}
	}
	if err := chunks.Err(); err != nil {
		return heard{}, err
	}
	if len(acc.Choices) == 0 {
		return heard{}, fmt.Errorf("a stream without choices")
	}
	h := understandOpenAI(&acc.ChatCompletion)
	h.Thoughts = thoughts.String()
	return h, nil
}

// thoughtsIn reads what a message or a delta shows of the model's thoughts.
func thoughtsIn(raw string) string {
	var m struct {
		Reasoning        string `json:"reasoning"`
		ReasoningContent string `json:"reasoning_content"`
	}
	_ = json.Unmarshal([]byte(raw), &m)
	if m.Reasoning != "" {
		return m.Reasoning
	}
	return m.ReasoningContent
}

func understandOpenAI(c *openai.ChatCompletion) heard {
	first := c.Choices[0]
	h := heard{
		Text: first.Message.Content + first.Message.Refusal, Finish: first.FinishReason,
		Input: c.Usage.PromptTokens, Output: c.Usage.CompletionTokens, Cached: c.Usage.PromptTokensDetails.CachedTokens,
	}
	for _, t := range first.Message.ToolCalls {
		h.Calls = append(h.Calls, call(t.Function.Name, t.Function.Arguments))
	}
	return h
}

// hearAnthropic asks through the Anthropic SDK for Go, whole or as its accumulator puts a stream together.
func hearAnthropic(ctx context.Context, client *anthropic.Client, params anthropic.MessageNewParams, stream bool) (heard, error) {
	if !stream {
		whole, err := client.Messages.New(ctx, params)
		if err != nil {
			return heard{}, err
		}
		return understandAnthropic(whole), nil
	}
	events := client.Messages.NewStreaming(ctx, params)
	var acc anthropic.Message
	for events.Next() {
		if err := acc.Accumulate(events.Current()); err != nil {
			return heard{}, fmt.Errorf("the accumulator refuses %s: %w", events.Current().RawJSON(), err)
		}
	}
	if err := events.Err(); err != nil {
		return heard{}, err
	}
	return understandAnthropic(&acc), nil
}

func understandAnthropic(m *anthropic.Message) heard {
	h := heard{
		Finish: string(m.StopReason), Output: m.Usage.OutputTokens, Cached: m.Usage.CacheReadInputTokens,
		Input: m.Usage.InputTokens + m.Usage.CacheReadInputTokens + m.Usage.CacheCreationInputTokens,
	}
	for _, block := range m.Content {
		switch block.Type {
		case "text":
			h.Text += block.Text
		case "thinking":
			h.Thoughts += block.Thinking
		case "tool_use":
			h.Calls = append(h.Calls, call(block.Name, string(block.Input)))
		}
	}
	return h
}

// asOpenAI puts a finish in OpenAI's words.
func asOpenAI(h heard) heard {
	switch h.Finish {
	case "end_turn", "stop_sequence", "pause_turn":
		h.Finish = "stop"
	case "max_tokens", "model_context_window_exceeded":
		h.Finish = "length"
	case "tool_use":
		h.Finish = "tool_calls"
	case "refusal":
		h.Finish = "content_filter"
	}
	return h
}

// asAnthropic puts a finish in Anthropic's words; calls are what a turn ends for, whatever the server says.
func asAnthropic(h heard) heard {
	switch h.Finish {
	case "stop", "tool_calls", "function_call", "eos_token", "stop_sequence":
		h.Finish = "end_turn"
		if len(h.Calls) > 0 {
			h.Finish = "tool_use"
		}
	case "length":
		h.Finish = "max_tokens"
	case "content_filter":
		h.Finish = "refusal"
	}
	return h
}
