package tgi

import (
	"strconv"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// PromptTokensHeader is the header of an answer of /generate that tells how many tokens its prompt had.
const PromptTokensHeader = "X-Prompt-Tokens" //nolint:gosec // no credential

// DecodeGenerate reads a whole answer of POST /generate, or the list with one that POST / gives; promptTokens is the value
// of [PromptTokensHeader]. Errors are *fault.Error: PROVIDER_MALFORMED, or PROVIDER_ERROR for an error in its place.
func DecodeGenerate(body []byte, promptTokens string) (*llmv1.Completion, error) {
	if err := rawjson.Check(body, dialect.MaxAnswerDepth); err != nil {
		return nil, malformed(err)
	}
	if first := rawjson.First(body); first != nil {
		body = first
	}
	text, ok := rawjson.Unquote(rawjson.Get(body, "generated_text"))
	switch {
	case !ok && rawjson.Get(body, "error") != nil:
		return nil, failure(body)
	case !ok:
		return nil, malformed(nil)
	}
	details := rawjson.Get(body, "details")
	c := &llmv1.Completion{Id: mintID(), Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}}
	if len(text) > 0 {
		c.Message.Parts = []*llmv1.Part{textOf(string(text))}
	}
	c.RawFinishReason, c.FinishReason = finishOf(details)
	n, err := strconv.ParseInt(promptTokens, 10, 64)
	c.Usage = usageOf(details, n, err == nil && n >= 0)
	return c, nil
}

func textOf(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

// finishOf reads why the model stopped.
func finishOf(details []byte) (raw string, reason llmv1.FinishReason) {
	word, _ := rawjson.Unquote(rawjson.Get(details, "finish_reason"))
	switch raw = string(word); raw {
	case "length":
		return raw, llmv1.FinishReason_FINISH_REASON_LENGTH
	case "", "eos_token", "stop_sequence":
		return raw, llmv1.FinishReason_FINISH_REASON_STOP
	}
	return raw, llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
}

// usageOf reads what was consumed; nil where neither the details nor the headers tell.
func usageOf(details []byte, prompt int64, known bool) *llmv1.TokenUsage {
	output, counted := rawjson.Int(rawjson.Get(details, "generated_tokens"))
	if input, ok := rawjson.Int(rawjson.Get(details, "input_length")); ok {
		prompt, known = input, true
	}
	if !counted && !known {
		return nil
	}
	return &llmv1.TokenUsage{InputTokens: max(prompt, 0), OutputTokens: max(output, 0)}
}

// GenerateDecoder turns the events of POST /generate_stream into typed ones. It belongs to one goroutine.
type GenerateDecoder struct {
	started, open, done bool
}

// NewGenerateDecoder returns a decoder for one stream.
func NewGenerateDecoder() *GenerateDecoder { return &GenerateDecoder{} }

// Done reports whether the last event was seen: the one with the whole text. There is no [DONE].
func (d *GenerateDecoder) Done() bool { return d.done }

// Decode returns the events that one frame completes. Errors are *fault.Error: PROVIDER_ERROR for the provider's own, under
// the status that it would have had before the stream, and PROVIDER_MALFORMED.
func (d *GenerateDecoder) Decode(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if f.Comment {
		return nil, nil
	}
	return eachLine(f, d.line)
}

func (d *GenerateDecoder) line(f sse.Frame) ([]*llmv1.StreamEvent, error) {
	if d.done {
		return nil, nil
	}
	if err := rawjson.Check(f.Data, dialect.MaxAnswerDepth); err != nil {
		return nil, malformed(err)
	}
	token := rawjson.Get(f.Data, "token")
	whole := rawjson.Get(f.Data, "generated_text")
	switch {
	case rawjson.Get(f.Data, "error") != nil:
		return nil, failure(f.Data)
	case rawjson.Kind(token) != 'o' && rawjson.Kind(whole) != 's':
		return nil, malformed(nil)
	}
	events := d.say(token)
	if rawjson.Kind(whole) == 's' {
		events = append(events, d.finish(rawjson.Get(f.Data, "details"))...)
	}
	return events, nil
}

// say tells a token; special ones, such as the end of the text, are none of the answer.
func (d *GenerateDecoder) say(token []byte) (events []*llmv1.StreamEvent) {
	if !d.started {
		d.started = true
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: mintID()}}})
	}
	text, _ := rawjson.Unquote(rawjson.Get(token, "text"))
	if len(text) == 0 || string(rawjson.Get(token, "special")) == "true" {
		return events
	}
	if !d.open {
		d.open = true
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Part: textOf("")}}})
	}
	return append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartDelta{
		PartDelta: &llmv1.PartDelta{Delta: &llmv1.PartDelta_Text{Text: string(text)}},
	}})
}

func (d *GenerateDecoder) finish(details []byte) (events []*llmv1.StreamEvent) {
	d.done = true
	if d.open {
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_PartEnd{PartEnd: &llmv1.PartEnd{}}})
	}
	raw, reason := finishOf(details)
	events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Finish{Finish: &llmv1.StreamFinish{Reason: reason, RawReason: raw}}})
	if u := usageOf(details, 0, false); u != nil {
		events = append(events, &llmv1.StreamEvent{Event: &llmv1.StreamEvent_Usage{Usage: u}})
	}
	return events
}
