package tgi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// spoken is what encoding/json alone finds in an answer, or in one of a stream's chunks.
type spoken struct {
	Generated *string `json:"generated_text"`
	Details   *struct {
		Finish    string `json:"finish_reason"`
		Generated int64  `json:"generated_tokens"`
	}
	Choices []struct {
		Message, Delta struct {
			Content *string
			Calls   []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Finish string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	}
}

// add adds up what chunks say, in the simplest way.
func (h *heard) addSpoken(s spoken) {
	if s.Generated != nil {
		h.text += *s.Generated
	}
	for _, c := range s.Choices {
		for _, m := range []struct {
			Content *string
			Calls   []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}{c.Message, c.Delta} {
			if m.Content != nil {
				h.text += *m.Content
			}
			for _, call := range m.Calls {
				h.arguments += call.Function.Name + call.Function.Arguments
			}
		}
		if c.Finish != "" {
			h.raw = c.Finish
		}
	}
	if s.Usage != nil {
		h.usage = &llmv1.TokenUsage{InputTokens: s.Usage.Prompt, OutputTokens: s.Usage.Completion}
	}
	if s.Details != nil {
		h.raw, h.usage = s.Details.Finish, &llmv1.TokenUsage{OutputTokens: s.Details.Generated}
	}
}

// TestSnapshots reads what TGI's own tests recorded: whole answers of /generate, one or several of a load test, and chats,
// whole or as a list of chunks.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	var generated, chats, streams, other int
	for _, e := range recorded.Files(t, "tgi-snapshots/*/*.json", nil) {
		body := bytes.TrimSpace(e.Body)
		list := object.Elements(body)
		switch {
		case bytes.Contains(body, []byte(`"chat.completion.chunk"`)) && list == nil:
			list = [][]byte{body}
			fallthrough
		case bytes.Contains(body, []byte(`"chat.completion.chunk"`)):
			streams++
			snapshotStream(t, e.ID, list)
		case bytes.Contains(body, []byte(`"chat.completion"`)):
			if list == nil {
				list = [][]byte{body}
			}
			for _, one := range list {
				chats++
				snapshotChat(t, e.ID, one)
			}
		case bytes.Contains(body, []byte(`"generated_text"`)):
			if list == nil {
				list = [][]byte{body}
			}
			for _, one := range list {
				generated++
				snapshotGenerated(t, e.ID, one)
			}
		default:
			other++ // text completions, which Headgate doesn't ask for, and an empty list
		}
	}
	t.Logf("%d answers of /generate, %d chats, %d streams; %d skipped: text completions, or nothing in it", generated, chats, streams, other)
}

func snapshotGenerated(t *testing.T, id string, body []byte) {
	t.Helper()
	got, err := tgi.DecodeGenerate(body, "5")
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return
	}
	var s spoken
	want := heard{}
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	want.addSpoken(s)
	text := ""
	for _, part := range got.GetMessage().GetParts() {
		text += part.GetText().GetText()
	}
	if text != want.text || got.GetRawFinishReason() != want.raw || got.GetUsage().GetOutputTokens() != want.usage.GetOutputTokens() || got.GetFinishReason() == 0 {
		t.Errorf("%s: %v, want %+v", id, got, want)
	}
}

func snapshotChat(t *testing.T, id string, body []byte) {
	t.Helper()
	got, err := tgi.DecodeChat(body)
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return
	}
	var s spoken
	want := heard{}
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	want.addSpoken(s)
	var text, calls string
	for _, part := range got.GetMessage().GetParts() {
		text += part.GetText().GetText()
		calls += part.GetToolCall().GetName() + part.GetToolCall().GetArguments()
	}
	if text != want.text || calls != want.arguments || got.GetUsage().GetOutputTokens() != want.usage.GetOutputTokens() ||
		(calls != "") != (got.GetFinishReason() == llmv1.FinishReason_FINISH_REASON_TOOL_CALL) {
		t.Errorf("%s: %v, want %+v", id, got, want)
	}
}

// snapshotStream reads chunks as the server sent them, [DONE] behind them.
func snapshotStream(t *testing.T, id string, chunks [][]byte) {
	t.Helper()
	var stream []byte
	want := heard{}
	for _, chunk := range chunks {
		var s spoken
		if err := json.Unmarshal(chunk, &s); err != nil {
			t.Fatal(err)
		}
		want.addSpoken(s)
		var compact bytes.Buffer
		if err := json.Compact(&compact, chunk); err != nil {
			t.Fatal(err)
		}
		stream = sse.Append(stream, "", compact.Bytes())
	}
	got, err := hear(tgi.NewChatDecoder(), sse.Append(stream, "", []byte("[DONE]")))
	calls := got.arguments
	for _, call := range got.calls {
		calls = call.GetName() + calls
	}
	if err != nil || got.text != want.text || calls != want.arguments || got.usage.GetOutputTokens() != want.usage.GetOutputTokens() || !got.complete || got.finish == "" {
		t.Errorf("%s: %v, %+v, want %+v", id, err, got, want)
	}
}

// TestRecordedExchanges reads what the hub's client recorded over HTTP of TGI 1.4 and 3.0.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, e := range recorded.Exchanges(t, "") {
		if strings.HasPrefix(e.ID, "huggingface_hub-tgi/") {
			counts[recordedExchange(t, e)]++
		}
	}
	t.Logf("%v", counts)
}

// recordedExchange reports what kind of answer it was.
func recordedExchange(t *testing.T, e recorded.Exchange) string {
	t.Helper()
	body := bytes.TrimSpace(e.Body)
	chat := bytes.Contains(body, []byte(`"choices"`))
	switch {
	case e.Status != 200:
		if p := tgi.DecodeError(e.Status, body); p.Message == "" || strings.HasPrefix(p.Message, "the provider answered") || strings.ContainsAny(p.Message[:1], "{[") {
			t.Errorf("%s: %+v of %s", e.ID, p, body)
		}
		return "errors"
	case e.Stream && chat:
		checkHeard(t, e, tgi.NewChatDecoder())
		return "streams of chats"
	case e.Stream:
		checkHeard(t, e, tgi.NewGenerateDecoder())
		return "streams of /generate_stream"
	case chat:
		snapshotChat(t, e.ID, body)
		return "chats"
	case bytes.Contains(body, []byte(`"generated_text"`)):
		if c, err := tgi.DecodeGenerate(body, ""); err != nil || c.GetFinishReason() == 0 {
			t.Errorf("%s: %v, %v", e.ID, c, err)
		}
		return "answers of /generate"
	}
	return "skipped: the hub's own pages"
}

func checkHeard(t *testing.T, e recorded.Exchange, d decoder) {
	t.Helper()
	h, err := hear(d, append(bytes.Clone(e.Body), "\n\n"...))
	if err != nil || !h.complete || h.finish == "" || h.id == "" {
		t.Errorf("%s: %+v, %v", e.ID, h, err)
	}
}
