package mcp

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

func step(e *llmv1.StreamEvent) *routerv1.StreamChatResponse {
	return &routerv1.StreamChatResponse{Event: e}
}

func delta(index, choice int32, text string) *routerv1.StreamChatResponse {
	return step(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{PartDelta: &llmv1.PartDelta{
		Index: index, Choice: choice, Delta: &llmv1.PartDelta_Text{Text: text},
	}}})
}

func opening(index, choice int32, part *llmv1.Part) *routerv1.StreamChatResponse {
	return step(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Index: index, Choice: choice, Part: part}}})
}

func text(s string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: s}}}
}

func finished(choice int32) *routerv1.StreamChatResponse {
	return step(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{
		Reason: llmv1.FinishReason_FINISH_REASON_STOP, Choice: choice,
	}}})
}

// steps are an answer with thoughts and a second choice beside it.
func steps() []*routerv1.StreamChatResponse {
	return []*routerv1.StreamChatResponse{
		{Served: served, Event: &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Model: "m-1-0613"}}}},
		opening(0, 0, &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: "hm"}}}),
		delta(0, 0, "hm"),
		opening(1, 0, text("He")),
		delta(1, 0, "llo"),
		opening(0, 1, text("other")),
		delta(1, 1, "other"),
		delta(1, 0, " there"),
		finished(0),
		finished(1),
		step(&llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 9}}}),
	}
}

// listener collects progress.
type listener struct {
	heard chan *mcp.ProgressNotificationParams
}

func listen() (*listener, *mcp.ClientOptions) {
	l := &listener{heard: make(chan *mcp.ProgressNotificationParams, 100)}
	return l, &mcp.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
		l.heard <- r.Params
	}}
}

// withToken is a chat whose progress is wanted.
func withToken(arguments string) *mcp.CallToolParams {
	p := &mcp.CallToolParams{Name: "chat", Arguments: json.RawMessage(arguments)}
	p.SetProgressToken("p1")
	return p
}

// TestChatProgress: with a progress token the text comes while it is written, and the result is the whole of it.
func TestChatProgress(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			clock := now()
			o := options(&router{steps: steps()})
			o.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
			heard, listening := listen()
			session := connect(t, serve(t, o), version, listening)
			result, err := session.CallTool(t.Context(), withToken(`{"model":"m","prompt":"Hi"}`))
			if err != nil || result.IsError {
				t.Fatal(err, result)
			}
			got, _ := json.Marshal(result.StructuredContent)
			want := `{"text":"Hello there","finish_reason":"stop","usage":{"input_tokens":3,"output_tokens":9},` +
				`"provider":"acme","model":"m-1-0613","request_id":"req_1","warnings":["dropped seed"]}`
			if !same(t, string(got), want) {
				t.Errorf("%s, want %s", got, want)
			}
			said, last := "", 0.0
			for said != "Hello there" {
				p := <-heard.heard
				if said += p.Message; p.ProgressToken != "p1" || p.Progress <= last || p.Progress != float64(len(said)) {
					t.Fatalf("%+v after %q", p, said)
				}
				last = p.Progress
			}
		})
	}
}

// TestChatStreamFails: an error in the middle is a result, and so is an end before the end.
func TestChatStreamFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		r    *router
		says string
	}{
		"in the middle":  {&router{steps: steps()[:5], err: errCause}, "INTERNAL"},
		"without an end": {&router{steps: steps()[:5]}, "STREAM_TRUNCATED"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := connect(t, serve(t, options(c.r)), newest, nil)
			result, err := session.CallTool(t.Context(), withToken(`{"model":"m","prompt":"Hi"}`))
			if err != nil || !result.IsError || !strings.HasPrefix(result.Content[0].(*mcp.TextContent).Text, c.says) {
				t.Errorf("%v %+v, want %s", err, result, c.says)
			}
		})
	}
}

// TestProgressIsSeldom: what comes within a moment leaves together.
func TestProgressIsSeldom(t *testing.T) {
	t.Parallel()
	clock := now()
	o := options(&router{steps: []*routerv1.StreamChatResponse{
		opening(0, 0, text("a")), delta(0, 0, "b"), delta(0, 0, "c"), delta(0, 0, "d"), delta(0, 0, "e"), finished(0),
	}})
	o.Now = func() time.Time { clock = clock.Add(40 * time.Millisecond); return clock }
	heard, listening := listen()
	session := connect(t, serve(t, o), newest, listening)
	if _, err := session.CallTool(t.Context(), withToken(`{"model":"m","prompt":"Hi"}`)); err != nil {
		t.Fatal(err)
	}
	got := []string{(<-heard.heard).Message, (<-heard.heard).Message}
	if !slices.Equal(got, []string{"a", "bcd"}) || len(heard.heard) != 0 {
		t.Errorf("%q and %d more", got, len(heard.heard))
	}
}
