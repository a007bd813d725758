package anthropic_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// frame names an event as its data does.
func frame(payload []byte) []byte {
	var e struct{ Type string }
	_ = json.Unmarshal(payload, &e)
	return sse.Append(nil, e.Type, payload)
}

// spoken is what encoding/json alone finds in a message or an event.
type spoken struct {
	Type    string
	Content []struct{ Type, Text, Thinking string }
	Usage   map[string]json.RawMessage
	Message struct{ Usage map[string]json.RawMessage }
	Block   struct{ Type, Text, Thinking string } `json:"content_block"`
	Delta   struct{ Text, Thinking string }
}

func (s spoken) text() string {
	text := s.Block.Text + s.Delta.Text
	for _, c := range s.Content {
		text += c.Text
	}
	return text
}

func (s spoken) thoughts() string {
	text := s.Block.Thinking + s.Delta.Thinking
	for _, c := range s.Content {
		text += c.Thinking
	}
	return text
}

// counts are the usage fields seen so far, the last one of each.
type counts map[string]int64

func (c counts) add(usage map[string]json.RawMessage) {
	for name, value := range usage {
		var n *int64
		if json.Unmarshal(value, &n) == nil && n != nil {
			c[name] = *n
		}
	}
	var details struct {
		Thinking *int64 `json:"thinking_tokens"`
	}
	if json.Unmarshal(usage["output_tokens_details"], &details) == nil && details.Thinking != nil {
		c["thinking"] = *details.Thinking
	}
}

func (c counts) total() *llmv1.TokenUsage {
	if len(c) == 0 {
		return nil
	}
	return &llmv1.TokenUsage{
		InputTokens:       c["input_tokens"] + c["cache_read_input_tokens"] + c["cache_creation_input_tokens"],
		CachedInputTokens: c["cache_read_input_tokens"], CacheWriteTokens: c["cache_creation_input_tokens"],
		OutputTokens: c["output_tokens"], ReasoningTokens: c["thinking"],
	}
}

func isReason(err error, reason errorsv1.Reason) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Reason == reason
}

func metadata(err error, key string) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return f.Metadata[key]
}

func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	decoded := 0
	for _, r := range recordings(t) {
		var want spoken
		if r.Status != 200 || json.Unmarshal([]byte(r.ResponseBody), &want) != nil || want.Type != "message" {
			continue
		}
		usage := counts{}
		usage.add(want.Usage)
		if got, err := anthropic.ReadResponse([]byte(r.ResponseBody)); err != nil || !proto.Equal(got.Usage, usage.total()) {
			t.Errorf("%s: read %v, %v; want %v", r.ID, got.Usage, err, usage.total())
		}
		c, err := anthropic.DecodeResponse([]byte(r.ResponseBody), false)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		decoded++
		text, thoughts := "", ""
		for _, part := range c.GetMessage().GetParts() {
			text += part.GetText().GetText()
			thoughts += part.GetReasoning().GetText()
		}
		if text != want.text() || thoughts != want.thoughts() || !proto.Equal(c.GetUsage(), usage.total()) {
			t.Errorf("%s: decoded %q %q %v, want %q %q %v", r.ID, text, thoughts, c.GetUsage(), want.text(), want.thoughts(), usage.total())
		}
	}
	t.Logf("%d answers decoded", decoded)
}

// TestRecordedStreams: what a stream tells is what encoding/json alone finds in it, and written anew without its frames it
// is the same message to a client.
func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	told, cut := 0, 0
	for _, r := range recordings(t) {
		if r.Status != 200 || r.counts() || strings.HasPrefix(strings.TrimSpace(r.ResponseBody), "{") {
			continue
		}
		if retell(t, r) {
			told++
		} else {
			cut++
			t.Logf("%s has no end", r.ID)
		}
	}
	t.Logf("%d streams told to their end, %d without one", told, cut)
}

func retell(t *testing.T, r recording) (ended bool) {
	t.Helper()
	tap, decoder, encoder := anthropic.NewTap(dialect.Facts{}), anthropic.NewDecoder(false), anthropic.NewEncoder(dialect.Ask{})
	story, wantText, wantThoughts, usage := &order{}, "", "", counts{}
	var stream []byte
	for _, f := range framesOf(r.ResponseBody) {
		var e spoken
		if json.Unmarshal(f.Data, &e) == nil {
			wantText += e.text()
			wantThoughts += e.thoughts()
			usage.add(e.Message.Usage)
			usage.add(e.Usage)
		}
		if v := tap.Read(f); v.Action == dialect.Malformed {
			t.Fatalf("%s: refused %s", r.ID, f.Raw)
		}
		events, err := decoder.Decode(f)
		if err != nil && string(f.Event) == "message_start" {
			return false // another answer in the middle of the first: vercel/ai#18331
		}
		if err := errors.Join(err, story.add(events)); err != nil {
			t.Fatalf("%s: %v in %s", r.ID, err, f.Raw)
		}
		for _, event := range events {
			if stream, err = encoder.Encode(stream, event); err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
		}
		if decoder.Done() {
			ended = true
			break // some files hold several answers, one after the other
		}
	}
	if !proto.Equal(tap.Reading().Usage, usage.total()) || story.text != wantText || story.thoughts != wantThoughts {
		t.Errorf("%s: told %q %q %v, want %q %q %v", r.ID, story.text, story.thoughts, tap.Reading().Usage, wantText, wantThoughts, usage.total())
	}
	if !ended {
		return false
	}
	if !story.finished || !proto.Equal(story.usage, usage.total()) {
		t.Errorf("%s: finished %v, %v; want %v", r.ID, story.finished, story.usage, usage.total())
	}
	if strings.Count(r.ResponseBody, "message_start\"") == 1 {
		sameMessage(t, r, encoder.End(stream))
	}
	return true
}

// sameMessage compares what a client makes of a stream with what it makes of the stream written anew.
func sameMessage(t *testing.T, r recording, stream []byte) {
	t.Helper()
	got, err := accumulate(framesOf(string(stream)))
	if err != nil {
		if !strings.Contains(err.Error(), "partial_json") { // the bound on tokens may cut a call's arguments
			t.Errorf("%s: %v", r.ID, err)
		}
		return
	}
	var texts, calls, wantTexts, wantCalls []string
	for _, c := range got.Content {
		texts, calls = append(texts, c.Type, c.Text, c.Thinking), append(calls, c.ID, c.Name, string(c.Input))
	}
	whole := gather(framesOf(r.ResponseBody))
	for _, c := range whole.Content {
		wantTexts, wantCalls = append(wantTexts, c.Type, c.Text, c.Thinking), append(wantCalls, c.ID, c.Name, string(c.Input))
	}
	if strings.Join(texts, "|") != strings.Join(wantTexts, "|") || strings.Join(calls, "|") != strings.Join(wantCalls, "|") {
		t.Errorf("%s: a client reads %q %q, want %q %q", r.ID, texts, calls, wantTexts, wantCalls)
	}
	if *got.StopReason != *whole.StopReason || got.Usage["output_tokens"] != whole.Usage["output_tokens"] {
		t.Errorf("%s: ends with %s %v, want %s %v", r.ID, *got.StopReason, got.Usage, *whole.StopReason, whole.Usage)
	}
}

// gather is accumulate for what providers send, who may break its rules.
func gather(frames []sse.Frame) *message {
	m := &message{Usage: map[string]any{}}
	for _, f := range frames {
		var e struct {
			Type  string
			Index int
			Block *content `json:"content_block"`
			Delta map[string]any
			Usage map[string]any
		}
		_ = json.Unmarshal(f.Data, &e)
		switch e.Type {
		case "content_block_start":
			m.Content = append(m.Content, *e.Block)
		case "content_block_delta":
			c := &m.Content[e.Index]
			if c.partial == nil {
				c.partial = new(string)
			}
			_ = c.delta(e.Delta)
		case "content_block_stop":
			c := &m.Content[e.Index]
			c.signatures = 1
			_ = c.stop()
		case "message_delta":
			if reason, ok := e.Delta["stop_reason"].(string); ok {
				m.StopReason = &reason
			}
			for name, value := range e.Usage {
				m.Usage[name] = value
			}
		}
	}
	return m
}
