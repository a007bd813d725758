package openai_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func frame(payload []byte) []byte { return sse.Append(nil, "", payload) }

func all(t *testing.T) []recorded.Exchange {
	t.Helper()
	list := recorded.Exchanges(t, "/chat/completions")
	for _, pattern := range []string{
		"openai-python/chat-stream/*.sse", "vercel-ai/openai/chat/*", "vercel-ai/groq/*", "vercel-ai/mistral/*",
		"vercel-ai/deepseek/chat/*", "vercel-ai/openai-compatible/chat/*", "vercel-ai/xai/*.chunks.txt",
	} {
		for _, e := range recorded.Files(t, pattern, frame) {
			if e.Stream && !bytes.Contains(e.Body, []byte("[DONE]")) { // lists of payloads leave it out
				e.Body = append(e.Body, frame([]byte("[DONE]"))...)
			}
			list = append(list, e)
		}
	}
	return list
}

// spoken is what encoding/json alone finds in an answer or a chunk: the first choice's text, and the usage.
type spoken struct {
	Object  string `json:"object"`
	Choices []struct {
		Index          int
		Message, Delta struct {
			Content any
			Refusal string
		}
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		PromptMore *struct {
			Cached  int64 `json:"cached_tokens"`
			Written int64 `json:"cache_write_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionMore *struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"completion_tokens_details"`
	}
}

func (s spoken) text() (text string) {
	for _, c := range s.Choices {
		if c.Index == 0 {
			text += words(c.Message.Content) + words(c.Delta.Content) + c.Message.Refusal + c.Delta.Refusal
		}
	}
	return text
}

func words(content any) (text string) {
	switch c := content.(type) {
	case string:
		return c
	case []any:
		for _, part := range c {
			if p := part.(map[string]any); p["type"] == "text" {
				text += p["text"].(string)
			}
		}
	}
	return text
}

func (s spoken) usage() *llmv1.TokenUsage {
	if s.Usage == nil {
		return nil
	}
	u := &llmv1.TokenUsage{InputTokens: s.Usage.Prompt, OutputTokens: s.Usage.Completion}
	if m := s.Usage.PromptMore; m != nil {
		u.CachedInputTokens, u.CacheWriteTokens = m.Cached, m.Written
	}
	if m := s.Usage.CompletionMore; m != nil {
		u.ReasoningTokens = m.Reasoning
	}
	return u
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

func fieldOf(err error) string { return metadata(err, "field") }

func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	decoded, unsupported := 0, 0
	for _, e := range all(t) {
		var want spoken
		if e.Stream || e.Status != 200 || json.Unmarshal(e.Body, &want) != nil || want.Object != "chat.completion" {
			continue
		}
		if r, err := openai.ReadResponse(e.Body); err != nil || !proto.Equal(r.Usage, want.usage()) {
			t.Errorf("%s: read %v, %v; want %v", e.ID, r.Usage, err, want.usage())
		}
		c, err := openai.DecodeResponse(e.Body)
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
			got += part.GetText().GetText() + part.GetRefusal().GetText()
		}
		if got != want.text() || !proto.Equal(c.GetUsage(), want.usage()) {
			t.Errorf("%s: decoded %q %v, want %q %v", e.ID, got, c.GetUsage(), want.text(), want.usage())
		}
	}
	t.Logf("%d answers decoded, %d hold what the typed API has no words for", decoded, unsupported)
}

func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	ended, cut, unsupported := 0, 0, 0
	for _, e := range all(t) {
		if !e.Stream || e.Status != 200 {
			continue
		}
		switch story, tapped := replay(t, e); {
		case story == nil:
			unsupported++
		case story.Finished:
			ended++
		case tapped:
			t.Errorf("%s: ended without a finish", e.ID)
		default:
			cut++
			t.Logf("%s has no end", e.ID)
		}
	}
	t.Logf("%d streams decoded to their end, %d without one, %d hold what the typed API has no words for", ended, cut, unsupported)
}

// replay compares a stream with what encoding/json alone finds; the story is nil where the typed API can't tell it.
func replay(t *testing.T, e recorded.Exchange) (story *recorded.Story, ended bool) {
	t.Helper()
	tap, decoder := openai.NewTap(dialect.Facts{Stream: true, IncludeUsage: true}), openai.NewDecoder()
	story = &recorded.Story{}
	var wantText string
	var wantUsage *llmv1.TokenUsage
	var raw []byte
	r := sse.NewReader(bytes.NewReader(e.Body), dialect.MaxFrame)
	for {
		f, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && ended {
				t.Errorf("%s: %v", e.ID, err)
			}
			break
		}
		raw = append(raw, f.Raw...)
		var chunk spoken
		if json.Unmarshal(f.Data, &chunk) == nil {
			wantText += chunk.text()
			if u := chunk.usage(); u != nil {
				wantUsage = u
			}
		}
		switch v := tap.Read(f); v.Action {
		case dialect.Malformed:
			t.Fatalf("%s: refused %s", e.ID, f.Raw)
		case dialect.Terminal:
			ended = true
		case dialect.Failed:
			return nil, true
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
	if !proto.Equal(tap.Reading().Usage, wantUsage) {
		t.Errorf("%s: usage %v, want %v", e.ID, tap.Reading().Usage, wantUsage)
	}
	if story != nil && (story.Text != wantText || story.Finished && !proto.Equal(story.Usage, wantUsage)) {
		t.Errorf("%s: told %q %v, want %q %v", e.ID, story.Text, story.Usage, wantText, wantUsage)
	}
	if ended && !bytes.Equal(raw, e.Body) {
		t.Errorf("%s: the frames are not the body", e.ID)
	}
	return story, ended
}
