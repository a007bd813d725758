package promises_test

import (
	"bytes"
	"encoding/json"
	"strings"
)

// content is what of an answer anybody reads, by kind: a client sees a prefix of each.
type content struct {
	text, args, thoughts string
	// whole says that the terminal frame was there, finished that a choice was complete.
	whole, finished bool
}

// begins reports whether c may be the beginning of other. Thoughts may be left out altogether: not every dialect has
// words for them.
func (c content) begins(other content) bool {
	return strings.HasPrefix(other.text, c.text) && strings.HasPrefix(other.args, c.args) && strings.HasPrefix(other.thoughts, c.thoughts)
}

// equals reports whether nothing of other is missing.
func (c content) equals(other content) bool {
	return c.text == other.text && c.args == other.args && (c.thoughts == "" || c.thoughts == other.thoughts)
}

func (c content) empty() bool { return c.text == "" && c.args == "" && c.thoughts == "" }

// frame is one event of an event stream.
type frame struct {
	name, data string
	// comment says that it held nothing but comments.
	comment bool
}

// frames reads an event stream as its specification says (WHATWG HTML, 9.2); rest is what no blank line ended.
func frames(stream []byte) (list []frame, rest []byte) {
	stream = bytes.ReplaceAll(stream, []byte("\r\n"), []byte("\n"))
	for {
		block, after, ok := bytes.Cut(stream, []byte("\n\n"))
		if !ok {
			return list, stream
		}
		if f, any := readFrame(block); any {
			list = append(list, f)
		}
		stream = after
	}
}

func readFrame(block []byte) (f frame, any bool) {
	var data []string
	for line := range strings.SplitSeq(string(block), "\n") {
		if line == "" {
			continue
		}
		any = true
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			f.name = value
		case "data":
			data = append(data, value)
		}
	}
	f.data = strings.Join(data, "\n")
	f.comment = f.name == "" && f.data == ""
	return f, any
}

// said reads what a provider's stream says, in the manner of the path it was asked at.
func said(path string, stream []byte) content {
	list, rest := frames(stream)
	if f, any := readFrame(bytes.TrimRight(rest, "\n")); any {
		list = append(list, f) // a lenient reader takes what the end of the stream ended
	}
	var c content
	for _, f := range list {
		if c.whole {
			break
		}
		switch {
		case strings.HasSuffix(path, "/chat/completions"):
			c.openAI(f.data)
		case strings.HasSuffix(path, "/messages"):
			c.anthropic(f.data)
		default:
			c.tgi(f.data)
		}
	}
	return c
}

// openAI adds a chunk; it returns an error where it is none.
func (c *content) openAI(data string) error {
	if strings.TrimSpace(data) == "[DONE]" {
		c.whole = true
		return nil
	}
	var chunk struct {
		Choices []struct {
			Delta struct {
				Content, Refusal, Reasoning string
				ReasoningContent            string `json:"reasoning_content"`
				ToolCalls                   []struct {
					Function struct{ Arguments string }
				} `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
	}
	if data == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		return err
	}
	for _, choice := range chunk.Choices {
		d := choice.Delta
		c.finished = c.finished || choice.FinishReason != ""
		c.text += d.Content + d.Refusal
		c.thoughts += d.Reasoning
		if d.Reasoning == "" {
			c.thoughts += d.ReasoningContent
		}
		for _, call := range d.ToolCalls {
			c.args += call.Function.Arguments
		}
	}
	return nil
}

// anthropic adds an event; it returns an error where it is none.
func (c *content) anthropic(data string) error {
	var event struct {
		Type  string
		Delta struct {
			Text, Thinking string
			PartialJSON    string `json:"partial_json"`
		}
		ContentBlock struct {
			Text, Thinking string
		} `json:"content_block"`
	}
	if data == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		return err
	}
	c.text += event.ContentBlock.Text + event.Delta.Text
	c.thoughts += event.ContentBlock.Thinking + event.Delta.Thinking
	c.args += event.Delta.PartialJSON
	c.whole = event.Type == "message_stop"
	return nil
}

// tgi adds a token of TGI's own API; the last one has the whole text beside it.
func (c *content) tgi(data string) {
	var event struct {
		Token struct {
			Text    string
			Special bool
		}
		GeneratedText *string `json:"generated_text"`
	}
	if json.Unmarshal([]byte(data), &event) != nil {
		return
	}
	if !event.Token.Special {
		c.text += event.Token.Text
	}
	c.whole = event.GeneratedText != nil
}

// saidWhole reads an answer that isn't a stream; false where it isn't one.
func saidWhole(path string, answer []byte) (c content, ok bool) {
	var a struct {
		Choices []struct {
			Message struct {
				Content, Refusal, Reasoning string
				ReasoningContent            string `json:"reasoning_content"`
				ToolCalls                   []struct {
					Function struct{ Arguments any }
				} `json:"tool_calls"`
			}
		}
		Content []struct {
			Text, Thinking string
			Input          json.RawMessage
		}
		GeneratedText *string `json:"generated_text"`
	}
	if strings.HasSuffix(path, "/tgi/") {
		answer = bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(answer), []byte("[")), []byte("]"))
	}
	if json.Unmarshal(answer, &a) != nil {
		return c, false
	}
	for _, choice := range a.Choices {
		c.text += choice.Message.Content + choice.Message.Refusal
		c.thoughts += choice.Message.Reasoning + choice.Message.ReasoningContent
		for _, call := range choice.Message.ToolCalls {
			c.args += arguments(call.Function.Arguments)
		}
	}
	for _, block := range a.Content {
		c.text += block.Text
		c.thoughts += block.Thinking
		if block.Input != nil {
			c.args += arguments(string(block.Input))
		}
	}
	if a.GeneratedText != nil {
		c.text += *a.GeneratedText
	}
	c.whole = true
	return c, len(a.Choices)+len(a.Content) > 0 || a.GeneratedText != nil
}

// arguments are the same text however a dialect writes them: as text or as an object.
func arguments(v any) string {
	if text, ok := v.(string); ok && json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	b, _ := json.Marshal(v)
	return string(b)
}
