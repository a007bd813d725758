package openai_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// richest is a flavour that leaves nothing of a request out: what a client of the dialect wrote comes back whole.
var richest = openai.Flavour{
	Reasoning: "reasoning", ReasoningDetails: true, ToolIDs: dialect.IDRule{Max: 1 << 20}, Sampling: true, MediaURLs: true, StructuredOutputs: true,
}

// recording is one exchange, or one body, of the dialect.
type recording struct {
	id              string
	request, answer []byte
	status          int
}

// recordings returns all of a dialect that the index lists; of exchanges, those to a path.
func recordings(t *testing.T, name, path string) []recording {
	t.Helper()
	dir := recorded.Dir(t)
	var all []recording
	seen := map[string]bool{}
	for _, line := range lines(t, filepath.Join(dir, "index.jsonl")) {
		var entry struct{ In, Dialect string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Dialect != name || seen[entry.In] {
			continue
		}
		seen[entry.In] = true
		file := filepath.Join(dir, filepath.FromSlash(entry.In))
		if strings.HasPrefix(entry.In, "exchanges/") {
			all = append(all, exchanges(t, file, path)...)
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".chunks.txt") {
			body = stream(bytes.Split(body, []byte("\n")))
		}
		if list := object.Elements(bytes.TrimSpace(body)); list != nil { // chunks as a list
			body = stream(list)
		}
		all = append(all, recording{id: entry.In, answer: body, status: 200})
	}
	return all
}

func stream(payloads [][]byte) []byte {
	var body []byte
	for _, payload := range payloads {
		if payload = bytes.TrimSpace(payload); len(payload) > 0 {
			body = sse.Append(body, "", payload)
		}
	}
	return body
}

func exchanges(t *testing.T, file, path string) []recording {
	t.Helper()
	var all []recording
	for _, line := range lines(t, file) {
		var e struct {
			ID, URL      string
			Status       int
			RequestBody  string `json:"request_body"`
			ResponseBody string `json:"response_body"`
			BodyEncoding string `json:"body_encoding"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		url, _, _ := strings.Cut(e.URL, "?")
		if url, _, _ = strings.Cut(url, "#"); !strings.HasSuffix(url, path) {
			continue
		}
		body := []byte(e.ResponseBody)
		if e.BodyEncoding == "base64" {
			var err error
			if body, err = base64.StdEncoding.DecodeString(e.ResponseBody); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, recording{id: e.ID, request: []byte(e.RequestBody), answer: body, status: e.Status})
	}
	return all
}

func lines(t *testing.T, name string) [][]byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 64<<20)
	var all [][]byte
	for s.Scan() {
		all = append(all, bytes.Clone(s.Bytes()))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
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

// isStream tells an event stream from JSON.
func isStream(body []byte) bool {
	trimmed := bytes.TrimSpace(body)
	return len(trimmed) > 0 && trimmed[0] != '{' && trimmed[0] != '<'
}

// TestRecordedRequests: decode then encode gives the same JSON.
func TestRecordedRequests(t *testing.T) {
	t.Parallel()
	same, refused, none := 0, 0, 0
	for _, r := range recordings(t, "openai-chat", "/chat/completions") {
		body := bytes.TrimSpace(r.request)
		if rawjson.Check(body, dialect.MaxDepth) != nil {
			none++
			continue
		}
		facts, err := openai.ReadFacts(body)
		if err == nil {
			var again []byte
			if again, err = requestAgain(body, facts); err == nil {
				if same++; !object.Equal(body, again) {
					t.Errorf("%s: %v\n%s", r.id, object.Diff(body, again), again)
				}
				continue
			}
		}
		if refused++; r.status == 200 {
			t.Errorf("%s: refused, but the provider took it: %v", r.id, err)
		}
	}
	t.Logf("%d requests the same again, %d refused, as their providers did, %d recordings have none", same, refused, none)
}

func requestAgain(body []byte, f dialect.Facts) ([]byte, error) {
	prompt, err := openai.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	again, _, err := richest.EncodeRequest(prompt, dialect.Ask{Model: f.Model, Stream: f.Stream, IncludeUsage: f.IncludeUsage})
	return again, err
}

// TestRecordedAnswers: decode then encode gives the same JSON, and without extensions the same words are read.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	same, failed, other := 0, 0, 0
	for _, r := range recordings(t, "openai-chat", "/chat/completions") {
		body := bytes.TrimSpace(r.answer)
		if isStream(body) || rawjson.Check(body, dialect.MaxAnswerDepth) != nil {
			continue
		}
		c, err := openai.DecodeResponse(body, true)
		switch {
		case err == nil:
			same++
			if again := openai.EncodeResponse(c); !object.Equal(body, again) {
				t.Errorf("%s: %v", r.id, object.Diff(body, again))
			}
			checkWords(t, r)
		case isReason(err, errorsv1.Reason_REASON_PROVIDER_ERROR) || r.status != 200:
			failed++
		default:
			if other++; bytes.Contains(body, []byte(`"choices"`)) {
				t.Errorf("%s: %v", r.id, err)
			}
		}
	}
	t.Logf("%d answers the same again, %d errors, %d that are no chat completion", same, failed, other)
}

// checkWords compares what is read without extensions with what encoding/json alone finds.
func checkWords(t *testing.T, r recording) {
	t.Helper()
	c, err := openai.DecodeResponse(r.answer, false)
	if isReason(err, errorsv1.Reason_REASON_UNSUPPORTED) {
		return
	}
	var want spoken
	if jsonErr := json.Unmarshal(r.answer, &want); err != nil || jsonErr != nil {
		t.Fatalf("%s: %v %v", r.id, err, jsonErr)
	}
	got := ""
	for _, part := range c.GetMessage().GetParts() {
		if len(part.GetExtensions()) > 0 {
			t.Errorf("%s: extensions that nobody asked for", r.id)
		}
		got += part.GetText().GetText() + part.GetRefusal().GetText()
	}
	if got != want.text() || len(c.GetExtensions()) > 0 {
		t.Errorf("%s: read %q, want %q", r.id, got, want.text())
	}
	if u := want.Usage; u != nil && (u.Prompt != c.GetUsage().GetInputTokens() || u.Completion != c.GetUsage().GetOutputTokens()) {
		t.Errorf("%s: usage %v", r.id, c.GetUsage())
	}
}

// spoken is what encoding/json alone finds in an answer or a chunk: the first choice's text, and the usage.
type spoken struct {
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

// TestRecordedStreams: decode then encode gives the same events, frame by frame, and the canonical form of what is read
// without extensions satisfies the SDKs' accumulators.
func TestRecordedStreams(t *testing.T) {
	t.Parallel()
	streams, frames, failed := 0, 0, 0
	for _, r := range recordings(t, "openai-chat", "/chat/completions") {
		if !isStream(r.answer) || r.status != 200 || !bytes.Contains(r.answer, []byte(`"choices"`)) {
			continue
		}
		n, err := streamAgain(t, r.id, r.answer)
		frames += n
		if err != nil {
			failed++
			continue
		}
		streams++
		checkCanonical(t, r.id, r.answer)
	}
	t.Logf("%d streams the same again, %d frames in all, %d that end with the provider's error", streams, frames, failed)
}

// streamAgain returns how many frames came back the same before the end, or the provider's error.
func streamAgain(t *testing.T, id string, body []byte) (frames int, failed error) {
	t.Helper()
	decoder, encoder := openai.NewDecoder(true), openai.NewEncoder(dialect.Ask{Stream: true, IncludeUsage: true})
	eachFrame(body, func(f sse.Frame) {
		if f.Comment || failed != nil {
			return
		}
		events, err := decoder.Decode(f)
		if isReason(err, errorsv1.Reason_REASON_PROVIDER_ERROR) {
			failed = err
			return
		}
		if err != nil {
			t.Fatalf("%s: %v in %s", id, err, f.Raw)
		}
		var again []byte
		for _, e := range events {
			again, _ = encoder.Encode(again, e)
		}
		if decoder.Done() {
			again = encoder.End(again)
		}
		frames++
		sameFrame(t, id, f, again)
	})
	return frames, failed
}

func sameFrame(t *testing.T, id string, f sse.Frame, again []byte) {
	t.Helper()
	got := 0
	eachFrame(again, func(g sse.Frame) {
		got++
		if string(g.Data) == "[DONE]" && string(bytes.TrimSpace(f.Data)) == "[DONE]" {
			return
		}
		if string(f.Event) != string(g.Event) || !object.Equal(bytes.TrimSpace(f.Data), g.Data) {
			t.Fatalf("%s: got %s %s, want %s %s", id, g.Event, g.Data, f.Event, f.Data)
		}
	})
	if got != 1 {
		t.Fatalf("%s: %d frames for %s", id, got, f.Data)
	}
}

func eachFrame(body []byte, visit func(sse.Frame)) {
	r := sse.NewReader(bytes.NewReader(body), dialect.MaxFrame)
	for {
		f, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				panic(err)
			}
			return
		}
		visit(f)
	}
}
