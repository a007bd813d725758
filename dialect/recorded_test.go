package dialect_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/sse"
)

// exchange is one recorded request and answer.
type exchange struct {
	ID           string              `json:"id"`
	Method       string              `json:"method"`
	URL          string              `json:"url"`
	RequestBody  string              `json:"request_body"`
	Status       int                 `json:"status"`
	Headers      map[string][]string `json:"response_headers"`
	ResponseBody string              `json:"response_body"`
	BodyEncoding string              `json:"body_encoding"`
}

type tap interface {
	Read(f sse.Frame) dialect.Verdict
	Reading() dialect.Reading
}

type codec struct {
	facts   func([]byte) (dialect.Facts, error)
	rewrite func([]byte, dialect.Facts, string) []byte
	tap     func(dialect.Facts) tap
	whole   func([]byte) (dialect.Reading, error)
	isError func([]byte) bool
	output  func(usage map[string]any) any
}

// tolerant is a server that takes every history: nothing of it is rewritten.
var tolerant = openai.Flavour{Reasoning: "reasoning_content", ReasoningDetails: true, ToolIDs: dialect.IDRule{Max: 1000}}

func codecOf(url string) (codec, bool) {
	path, _, _ := strings.Cut(url, "?")
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return codec{
			openai.ReadFacts, tolerant.Rewrite, func(f dialect.Facts) tap { return openai.NewTap(f) }, openai.ReadResponse, openai.IsError,
			func(u map[string]any) any { return u["completion_tokens"] },
		}, true
	case strings.HasSuffix(path, "/v1/messages"):
		return codec{
			anthropic.ReadFacts, anthropic.Rewrite, func(f dialect.Facts) tap { return anthropic.NewTap(f) }, anthropic.ReadResponse, anthropic.IsError,
			func(u map[string]any) any { return u["output_tokens"] },
		}, true
	}
	return codec{}, false
}

// fixtures returns the folder of recorded traffic, or skips.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "fixtures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no recorded traffic here: it isn't part of the repository; set HEADGATE_FIXTURES to its folder")
	}
	return dir
}

func exchanges(t *testing.T) []exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fixtures(t), "exchanges", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			var e exchange
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if _, ok := codecOf(e.URL); ok && e.Method == "POST" {
				all = append(all, e)
			}
		}
		f.Close()
	}
	return all
}

func (e exchange) body(t *testing.T) []byte {
	t.Helper()
	if e.BodyEncoding != "base64" {
		return []byte(e.ResponseBody)
	}
	body, err := base64.StdEncoding.DecodeString(e.ResponseBody)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	var streams, wholes, failures int
	for _, e := range exchanges(t) {
		c, _ := codecOf(e.URL)
		facts := checkRequest(t, e, c)
		body := e.body(t)
		switch {
		case e.Status != 200:
			failures++
			if p := dialect.DecodeError(e.Status, body); p.Message == "" {
				t.Errorf("%s: no message in %s", e.ID, body)
			}
		case bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
			wholes++
			checkWhole(t, e, c, body)
		default:
			streams++
			checkStream(t, e, c, facts, body)
		}
	}
	t.Logf("%d streams, %d whole answers, %d errors", streams, wholes, failures)
}

// checkRequest: the facts are those that encoding/json sees, and rewriting changes the model and the usage option only.
func checkRequest(t *testing.T, e exchange, c codec) dialect.Facts {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(e.RequestBody), &want); err != nil {
		return dialect.Facts{Stream: true} // some recordings have no request
	}
	f, err := c.facts([]byte(e.RequestBody))
	if err != nil {
		if e.Status == 200 {
			t.Errorf("%s: refused, but the provider took it: %v", e.ID, err)
		}
		return f
	}
	stream, _ := want["stream"].(bool)
	if f.Model != want["model"] || f.Stream != stream {
		t.Errorf("%s: facts %+v", e.ID, f)
	}
	var got map[string]any
	if err := json.Unmarshal(c.rewrite([]byte(e.RequestBody), f, "another"), &got); err != nil {
		t.Fatalf("%s: rewritten: %v", e.ID, err)
	}
	want["model"] = "another"
	if stream && strings.HasSuffix(e.URL, "/chat/completions") {
		options, _ := want["stream_options"].(map[string]any)
		options = maps.Clone(options)
		if options == nil {
			options = map[string]any{}
		}
		options["include_usage"] = true
		want["stream_options"] = options
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: rewriting changed more than it should", e.ID)
	}
	return f
}

func checkWhole(t *testing.T, e exchange, c codec, body []byte) {
	t.Helper()
	var want struct{ Usage map[string]any }
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("%s: %v", e.ID, err)
	}
	got, err := c.whole(body)
	if err != nil {
		t.Errorf("%s: refused: %v", e.ID, err)
		return
	}
	checkOutput(t, e, c, got, want.Usage)
}

func checkOutput(t *testing.T, e exchange, c codec, got dialect.Reading, usage map[string]any) {
	t.Helper()
	want, ok := c.output(usage).(float64)
	if !ok {
		return
	}
	if got.Usage == nil || got.Usage.GetOutputTokens() != int64(want) {
		t.Errorf("%s: usage %v, want %v output tokens", e.ID, got.Usage, want)
	}
}

// checkStream: no frame of a real stream is refused, all its bytes come back, its end is seen, and its last usage is read.
func checkStream(t *testing.T, e exchange, c codec, f dialect.Facts, body []byte) {
	t.Helper()
	f.IncludeUsage = true
	tapped := c.tap(f)
	r := sse.NewReader(bytes.NewReader(body), dialect.MaxFrame)
	var raw []byte
	var usage map[string]any
	ended := false
	for {
		frame, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && ended {
				t.Errorf("%s: %v", e.ID, err)
			}
			break
		}
		raw = append(raw, frame.Raw...)
		usage = lastUsage(usage, frame.Data)
		switch v := tapped.Read(frame); v.Action {
		case dialect.Malformed:
			t.Errorf("%s: refused a frame: %s", e.ID, frame.Raw)
			return
		case dialect.Terminal, dialect.Failed:
			ended = true
		}
	}
	if !bytes.Equal(raw, body) && ended {
		t.Errorf("%s: the frames are not the body", e.ID)
	}
	if !ended {
		t.Logf("%s: no terminal frame; it ends in %q", e.ID, body[max(0, len(body)-80):])
	}
	checkOutput(t, e, c, tapped.Reading(), usage)
}

func lastUsage(last map[string]any, data []byte) map[string]any {
	var d struct {
		Usage   map[string]any
		Message struct{ Usage map[string]any }
	}
	_ = json.Unmarshal(data, &d)
	switch {
	case d.Usage != nil:
		return d.Usage
	case d.Message.Usage != nil:
		return d.Message.Usage
	}
	return last
}
