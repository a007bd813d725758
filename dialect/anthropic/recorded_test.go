package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
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

func all(t *testing.T) []recorded.Exchange {
	t.Helper()
	list := recorded.Exchanges(t, "/v1/messages")
	for _, pattern := range []string{"anthropic-sdk-python/streaming/*", "vercel-ai/anthropic/*"} {
		for _, e := range recorded.Files(t, pattern, frame) {
			if e.Stream && !bytes.HasSuffix(e.Body, []byte("\n\n")) { // some files lack the last blank line
				e.Body = append(bytes.TrimRight(e.Body, "\n"), "\n\n"...)
			}
			list = append(list, e)
		}
	}
	return list
}

// spoken is what encoding/json alone finds in a message or an event.
type spoken struct {
	Type    string
	Content []struct{ Type, Text string }
	Usage   map[string]json.RawMessage
	Message struct{ Usage map[string]json.RawMessage }
	Block   struct{ Type, Text string } `json:"content_block"`
	Delta   struct{ Text string }
}

func (s spoken) text() string {
	text := s.Block.Text + s.Delta.Text
	for _, c := range s.Content {
		if c.Type == "text" {
			text += c.Text
		}
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
	decoded, unsupported := 0, 0
	for _, e := range all(t) {
		var want spoken
		if e.Stream || e.Status != 200 || json.Unmarshal(e.Body, &want) != nil || want.Type != "message" {
			continue
		}
		usage := counts{}
		usage.add(want.Usage)
		if r, err := anthropic.ReadResponse(e.Body); err != nil || !proto.Equal(r.Usage, usage.total()) {
			t.Errorf("%s: read %v, %v; want %v", e.ID, r.Usage, err, usage.total())
		}
		c, err := anthropic.DecodeResponse(e.Body)
		if isReason(err, errorsv1.Reason_REASON_UNSUPPORTED) {
			unsupported++
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", e.ID, err)
			continue
		}
		decoded++
		got := ""
		for _, part := range c.GetMessage().GetParts() {
			got += part.GetText().GetText()
		}
		if got != want.text() || !proto.Equal(c.GetUsage(), usage.total()) {
			t.Errorf("%s: decoded %q %v, want %q %v", e.ID, got, c.GetUsage(), want.text(), usage.total())
		}
	}
	t.Logf("%d answers decoded, %d hold what the typed API has no words for", decoded, unsupported)
}

func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	told, cut, unsupported := 0, 0, 0
	for _, e := range all(t) {
		if !e.Stream || e.Status != 200 {
			continue
		}
		story, ended := replay(t, e)
		switch {
		case !ended && e.Whole:
			t.Errorf("%s: no message_stop", e.ID)
		case !ended:
			cut++
			t.Logf("%s has no end", e.ID)
		case story == nil:
			unsupported++
		case story.Finished:
			told++
		default:
			t.Errorf("%s: ended without a finish", e.ID)
		}
	}
	t.Logf("%d streams decoded to their end, %d without one, %d hold what the typed API has no words for", told, cut, unsupported)
}

// replay compares a stream with what encoding/json alone finds; the story is nil where the typed API can't tell it.
func replay(t *testing.T, e recorded.Exchange) (story *recorded.Story, ended bool) {
	t.Helper()
	tap, decoder := anthropic.NewTap(dialect.Facts{}), anthropic.NewDecoder()
	story = &recorded.Story{}
	wantText, usage := "", counts{}
	var raw []byte
	r := sse.NewReader(bytes.NewReader(e.Body), dialect.MaxFrame)
	for !ended { // some files hold several answers, one after the other
		f, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", e.ID, err)
			}
			break
		}
		raw = append(raw, f.Raw...)
		var event spoken
		if json.Unmarshal(f.Data, &event) == nil {
			wantText += event.text()
			usage.add(event.Message.Usage)
			usage.add(event.Usage)
		}
		switch v := tap.Read(f); v.Action {
		case dialect.Malformed:
			t.Fatalf("%s: refused %s", e.ID, f.Raw)
		case dialect.Terminal:
			ended = true
		}
		if story == nil {
			continue
		}
		events, err := decoder.Decode(f)
		if isReason(err, errorsv1.Reason_REASON_UNSUPPORTED) {
			story = nil
			continue
		}
		if err := errors.Join(err, story.Add(events)); err != nil {
			t.Fatalf("%s: %v in %s", e.ID, err, f.Raw)
		}
	}
	if !proto.Equal(tap.Reading().Usage, usage.total()) {
		t.Errorf("%s: usage %v, want %v", e.ID, tap.Reading().Usage, usage.total())
	}
	if story != nil && (story.Text != wantText || story.Finished && !proto.Equal(story.Usage, usage.total())) {
		t.Errorf("%s: told %q %v, want %q %v", e.ID, story.Text, story.Usage, wantText, usage.total())
	}
	if !bytes.HasPrefix(e.Body, raw) || e.Whole && len(raw) != len(e.Body) {
		t.Errorf("%s: the frames are not the body", e.ID)
	}
	return story, ended
}
