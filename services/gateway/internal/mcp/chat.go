package mcp

import (
	"context"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/peer"
)

var chatSpec = spec{
	name: "chat", title: "Ask a model", asksModel: true,
	description: "Asks a language model and returns its answer with what it consumed. Counts against the key's limits. " +
		"With a progress token the answer's text comes as progress while it is written.",
}

// question is the chat tool's input.
type question struct {
	asked
	steering

	MaxOutputTokens int64    `json:"max_output_tokens,omitempty" jsonschema:"Most tokens of the answer, at least 1. Default: the provider's."`
	Temperature     *float64 `json:"temperature,omitempty" jsonschema:"Randomness, from 0; most models take up to 1 or 2. Default: the provider's."`
}

// reply is the chat tool's output.
type reply struct {
	Text         string    `json:"text" jsonschema:"The answer."`
	FinishReason string    `json:"finish_reason" jsonschema:"Why the model stopped: stop, length, tool_call, content_filter, pause, or unspecified."`
	Usage        *consumed `json:"usage,omitempty" jsonschema:"What was consumed, as the provider counted it."`
	Provider     string    `json:"provider" jsonschema:"The configured provider that answered."`
	Model        string    `json:"model" jsonschema:"The model as the provider names it."`
	RequestID    string    `json:"request_id" jsonschema:"Finds the call in the log and in the usage."`
	Warnings     []string  `json:"warnings,omitempty" jsonschema:"What of the request this provider can't express and was left out."`
}

// consumed is what a call consumed, in tokens.
type consumed struct {
	InputTokens       int64 `json:"input_tokens" jsonschema:"All input tokens."`
	CachedInputTokens int64 `json:"cached_input_tokens,omitempty" jsonschema:"The part read from the provider's prompt cache."`
	CacheWriteTokens  int64 `json:"cache_write_tokens,omitempty" jsonschema:"The part written to the provider's prompt cache."`
	OutputTokens      int64 `json:"output_tokens" jsonschema:"All output tokens."`
	ReasoningTokens   int64 `json:"reasoning_tokens,omitempty" jsonschema:"The part spent on reasoning."`
}

// chat asks a model.
type chat struct {
	router routerv1.RouterServiceClient
	now    func() time.Time
}

func (c *chat) call(ctx context.Context, req *mcp.CallToolRequest, q question) (*reply, error) {
	prompt, err := q.sampled()
	if err != nil {
		return nil, err
	}
	if ctx, err = q.steer(ctx); err != nil {
		return nil, err
	}
	if token := req.Params.GetProgressToken(); token != nil {
		return c.stream(ctx, &routerv1.StreamChatRequest{Model: q.Model, Prompt: prompt}, &progress{session: req.Session, token: token, now: c.now})
	}
	return c.whole(ctx, &routerv1.ChatRequest{Model: q.Model, Prompt: prompt})
}

// sampled is the prompt with how the model picks its words.
func (q question) sampled() (*llmv1.Prompt, error) {
	p, err := q.prompt()
	if err != nil {
		return nil, err
	}
	p.Sampling = &llmv1.Sampling{Temperature: q.Temperature}
	switch {
	case q.MaxOutputTokens < 0:
		return nil, invalid("max_output_tokens", "must be at least 1")
	case q.MaxOutputTokens > 0:
		p.Sampling.MaxOutputTokens = &q.MaxOutputTokens
	}
	return p, nil
}

func (c *chat) whole(ctx context.Context, m *routerv1.ChatRequest) (*reply, error) {
	answer, err := c.router.Chat(ctx, m)
	if err != nil {
		return nil, err
	}
	r := &reply{RequestID: requestID(ctx)}
	r.served(answer.GetServed())
	completion := answer.GetCompletion()
	var text strings.Builder
	for _, part := range completion.GetMessage().GetParts() {
		text.WriteString(textOf(part))
	}
	r.Text, r.FinishReason, r.Usage = text.String(), finish(completion.GetFinishReason()), tokens(completion.GetUsage())
	if model := completion.GetModel(); model != "" {
		r.Model = model
	}
	return r, nil
}

// stream asks for a stream and passes its text on as progress.
func (c *chat) stream(ctx context.Context, m *routerv1.StreamChatRequest, p *progress) (*reply, error) {
	ctx, cancel := context.WithCancel(ctx) // whatever ends the tool ends the call
	defer cancel()
	in, err := c.router.StreamChat(ctx, m)
	if err != nil {
		return nil, err
	}
	a := &answer{reply: reply{RequestID: requestID(ctx)}}
	err = peer.Each[routerv1.StreamChatRequest](in, func(m *routerv1.StreamChatResponse) error {
		p.write(ctx, a.take(m))
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return a.whole()
}

// answer puts a stream together.
type answer struct {
	reply

	text strings.Builder
	// visible are the parts of the first choice whose deltas are text for the reader, by index.
	visible  map[int32]bool
	finished bool
}

// take returns the text that a step adds.
func (a *answer) take(m *routerv1.StreamChatResponse) string {
	if m.GetServed() != nil {
		a.served(m.GetServed())
	}
	added := ""
	switch e := m.GetEvent().GetEvent().(type) {
	case *llmv1.StreamEvent_Start:
		if e.Start.GetModel() != "" {
			a.Model = e.Start.GetModel()
		}
	case *llmv1.StreamEvent_PartStart:
		added = a.open(e.PartStart)
	case *llmv1.StreamEvent_PartDelta:
		if e.PartDelta.GetChoice() == 0 && a.visible[e.PartDelta.GetIndex()] {
			added = e.PartDelta.GetText()
		}
	case *llmv1.StreamEvent_Usage:
		a.Usage = tokens(e.Usage)
	case *llmv1.StreamEvent_Finish:
		if e.Finish.GetChoice() == 0 {
			a.FinishReason, a.finished = finish(e.Finish.GetReason()), true
		}
	}
	a.text.WriteString(added)
	return added
}

func (a *answer) open(p *llmv1.PartStart) string {
	if p.GetChoice() != 0 {
		return ""
	}
	if a.visible == nil {
		a.visible = make(map[int32]bool)
	}
	switch p.GetPart().GetKind().(type) {
	case *llmv1.Part_Text, *llmv1.Part_Refusal:
		a.visible[p.GetIndex()] = true
	}
	return textOf(p.GetPart())
}

// whole is the answer at the stream's end; one without a finish isn't whole.
func (a *answer) whole() (*reply, error) {
	if !a.finished {
		return nil, fault.New(errorsv1.Reason_REASON_STREAM_TRUNCATED, "the answer ended before its end; try again")
	}
	a.Text = a.text.String()
	return &a.reply, nil
}

// textOf is what of a part is said to the reader.
func textOf(p *llmv1.Part) string { return p.GetText().GetText() + p.GetRefusal().GetText() }

func (r *reply) served(s *routerv1.Served) {
	r.Provider, r.Model, r.Warnings = s.GetProvider(), s.GetModel(), s.GetWarnings()
}

func finish(r llmv1.FinishReason) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "FINISH_REASON_"))
}

func tokens(u *llmv1.TokenUsage) *consumed {
	if u == nil {
		return nil
	}
	return &consumed{
		InputTokens: u.GetInputTokens(), CachedInputTokens: u.GetCachedInputTokens(), CacheWriteTokens: u.GetCacheWriteTokens(),
		OutputTokens: u.GetOutputTokens(), ReasoningTokens: u.GetReasoningTokens(),
	}
}
