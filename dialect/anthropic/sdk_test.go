package anthropic_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// order checks that typed events come in the order that headgate.llm.v1 promises, and gathers what they say.
type order struct {
	started, finished bool
	next              int32
	open              map[int32]bool
	text              string
	thoughts          string
	usage             *llmv1.TokenUsage
	finish            *llmv1.StreamFinish
	reasoning         map[int32]bool
	arguments         map[int32]string
	parts             []*llmv1.Part
}

func (o *order) add(events []*llmv1.StreamEvent) error {
	for _, e := range events {
		if !o.fits(e) {
			return fmt.Errorf("out of order: %v", e)
		}
	}
	return nil
}

func (o *order) fits(e *llmv1.StreamEvent) bool {
	if o.open == nil {
		o.open, o.reasoning, o.arguments = map[int32]bool{}, map[int32]bool{}, map[int32]string{}
	}
	switch kind := e.GetEvent().(type) {
	case *llmv1.StreamEvent_Start:
		first := !o.started
		o.started = true
		return first
	case *llmv1.StreamEvent_PartStart:
		at := kind.PartStart.GetIndex()
		fits := o.started && !o.finished && at == o.next
		o.next++
		o.open[at], o.reasoning[at] = true, kind.PartStart.GetPart().GetReasoning() != nil
		o.parts = append(o.parts, kind.PartStart.GetPart())
		return fits
	case *llmv1.StreamEvent_PartDelta:
		d := kind.PartDelta
		if o.reasoning[d.GetIndex()] {
			o.thoughts += d.GetText()
		} else {
			o.text += d.GetText()
		}
		o.arguments[d.GetIndex()] += d.GetArguments()
		return o.open[d.GetIndex()]
	case *llmv1.StreamEvent_PartEnd:
		fits := o.open[kind.PartEnd.GetIndex()]
		delete(o.open, kind.PartEnd.GetIndex())
		return fits
	case *llmv1.StreamEvent_Usage:
		o.usage = kind.Usage
		return o.started
	case *llmv1.StreamEvent_Finish:
		o.finish = kind.Finish
		fits := o.started && !o.finished && len(o.open) == 0
		o.finished = true
		return fits
	}
	return true
}

// message is what a client's SDK makes of a stream.
type message struct {
	ID, Model    string
	Content      []content
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
	Usage        map[string]any
}

type content struct {
	Type, Text, Thinking, Signature, Data, ID, Name string
	Input                                           json.RawMessage
	Citations                                       []map[string]any
	partial                                         *string
	signatures                                      int
	stopped                                         bool
}

// accumulate builds the message as strictly as the strictest of the SDKs does, each rule by one that throws.
func accumulate(frames []sse.Frame) (*message, error) {
	var m *message
	stopped := false
	for _, f := range frames {
		var e struct {
			Type    string
			Index   *int
			Message *message
			Block   *content `json:"content_block"`
			Delta   map[string]any
			Usage   map[string]any
		}
		if err := json.Unmarshal(f.Data, &e); err != nil {
			return nil, err
		}
		switch {
		case string(f.Event) != e.Type:
			return nil, fmt.Errorf("event %s is %s", f.Event, e.Type)
		case stopped:
			return nil, errors.New("something after message_stop")
		case (m == nil) != (e.Type == "message_start"):
			return nil, errors.New("message_start has to come first and once")
		}
		switch e.Type {
		case "message_start":
			if m = e.Message; m.Content == nil || len(m.Content) > 0 || m.Usage["input_tokens"] == nil || m.Usage["output_tokens"] == nil || m.StopReason != nil {
				return nil, fmt.Errorf("message_start: %s", f.Data)
			}
		case "content_block_start":
			if e.Index == nil || *e.Index != len(m.Content) || e.Index != nil && *e.Index > 0 && !m.Content[*e.Index-1].stopped {
				return nil, fmt.Errorf("content_block_start: %s", f.Data)
			}
			if e.Block.Type == "tool_use" && string(e.Block.Input) != "{}" {
				return nil, fmt.Errorf("input isn't empty: %s", f.Data)
			}
			m.Content = append(m.Content, *e.Block)
		case "content_block_delta":
			if e.Index == nil || *e.Index != len(m.Content)-1 || m.Content[*e.Index].stopped {
				return nil, fmt.Errorf("a delta of no open block: %s", f.Data)
			}
			if err := m.Content[*e.Index].delta(e.Delta); err != nil {
				return nil, err
			}
		case "content_block_stop":
			if e.Index == nil || *e.Index != len(m.Content)-1 {
				return nil, fmt.Errorf("a stop of no open block: %s", f.Data)
			}
			if err := m.Content[*e.Index].stop(); err != nil {
				return nil, err
			}
		case "message_delta":
			if e.Usage["output_tokens"] == nil || m.StopReason != nil {
				return nil, fmt.Errorf("message_delta: %s", f.Data)
			}
			if reason, ok := e.Delta["stop_reason"].(string); ok {
				m.StopReason = &reason
			}
			if sequence, ok := e.Delta["stop_sequence"].(string); ok {
				m.StopSequence = &sequence
			}
			for name, value := range e.Usage {
				m.Usage[name] = value
			}
		case "message_stop":
			stopped = true
		}
	}
	switch {
	case m == nil || !stopped:
		return nil, errors.New("the stream ended without producing a message")
	case m.StopReason == nil:
		return nil, errors.New("no stop_reason")
	case len(m.Content) > 0 && !m.Content[len(m.Content)-1].stopped:
		return nil, errors.New("the last block never stopped")
	}
	return m, nil
}

func (c *content) delta(d map[string]any) error {
	want := map[string]string{"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use", "citations_delta": "text"}
	kind, _ := d["type"].(string)
	if c.Type != want[kind] && (kind != "input_json_delta" || c.Input == nil) {
		return fmt.Errorf("%s for a block of type %s", kind, c.Type)
	}
	text := func(name string) string { s, _ := d[name].(string); return s }
	switch kind {
	case "text_delta":
		c.Text += text("text")
	case "thinking_delta":
		c.Thinking += text("thinking")
	case "signature_delta":
		c.signatures++
		c.Signature += text("signature")
	case "citations_delta":
		citation, _ := d["citation"].(map[string]any)
		c.Citations = append(c.Citations, citation)
	case "input_json_delta":
		piece := text("partial_json")
		if c.partial == nil {
			if c.Type == "tool_use" && piece != "" {
				return errors.New("the first partial_json isn't empty")
			}
			c.partial = new(string)
		}
		*c.partial += piece
	}
	return nil
}

func (c *content) stop() error {
	c.stopped = true
	switch {
	case c.Type == "thinking" && c.signatures != 1:
		return fmt.Errorf("%d signatures", c.signatures)
	case c.Type != "tool_use" || c.partial == nil || *c.partial == "":
		return nil
	case !json.Valid([]byte(*c.partial)) || (*c.partial)[0] != '{' && (*c.partial)[0] != ' ':
		return fmt.Errorf("partial_json is no object: %s", *c.partial)
	}
	c.Input = json.RawMessage(*c.partial)
	return nil
}

func textPart(text string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}
}

func call(id, arguments string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCallPart{Id: id, Name: "f", Arguments: arguments}}}
}

func result(id string, texts ...string) *llmv1.Part {
	r := &llmv1.ToolCallResponsePart{Id: id}
	for _, text := range texts {
		r.Parts = append(r.Parts, textPart(text))
	}
	return &llmv1.Part{Kind: &llmv1.Part_ToolCallResponse{ToolCallResponse: r}}
}

func thoughts(text, signature string) *llmv1.Part {
	return &llmv1.Part{Kind: &llmv1.Part_Reasoning{Reasoning: &llmv1.ReasoningPart{Text: text, Signature: signature}}}
}
