package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/dialect/sse"
	"github.com/headgate-mesh/headgate/dialect/tgi"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// census counts what became of every recorded body: the same again, or skipped for a reason.
type census struct {
	t    *testing.T
	same map[string]int
	skip map[string]int
}

// TestEveryRecordingComesBackTheSame walks all recordings there are, whatever the index calls them, and decodes and encodes
// every body of the dialects: what comes out is JSON-equal. It says what it skips, and why.
func TestEveryRecordingComesBackTheSame(t *testing.T) {
	t.Parallel()
	dir := fixtures(t)
	c := &census{t: t, same: make(map[string]int), skip: make(map[string]int)}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		id := strings.TrimPrefix(name, dir+string(filepath.Separator))
		switch {
		case strings.HasPrefix(id, "exchanges"):
			c.exchanges(readLines(t, name))
		case entry.Name() == "LICENSE", !strings.Contains(id, string(filepath.Separator)): // the index and its like
		default:
			body, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			c.file(id, body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for what, n := range c.same {
		t.Logf("%5d %s, the same again", n, what)
		total += n
	}
	for why, n := range c.skip {
		t.Logf("%5d skipped: %s", n, why)
	}
	if total == 0 {
		t.Error("nothing was tried")
	}
}

func readLines(t *testing.T, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

func (c *census) exchanges(lines [][]byte) {
	for _, line := range lines {
		var e exchange
		if len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &e); err != nil {
			c.t.Fatalf("%v in %.100s", err, line)
		}
		path, _, _ := strings.Cut(e.URL, "?")
		path, _, _ = strings.Cut(path, "#")
		c.count(e.ID, "request", func() (string, error) { return c.request(path, []byte(e.RequestBody), e.Status) })
		c.count(e.ID, "answer", func() (string, error) { return c.answer(e.body(c.t)) })
	}
}

// file is a body by itself: an answer, a stream, or a stream's payloads as a list or one a line.
func (c *census) file(id string, body []byte) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case strings.HasSuffix(id, ".chunks.txt"):
		body = framed(bytes.Split(body, []byte("\n")))
	case strings.HasPrefix(id, "tgi-snapshots") && bytes.HasPrefix(trimmed, []byte("[")):
		if list := object.Elements(trimmed); len(list) > 0 && rawjson.Get(list[0], "object") != nil && bytes.Contains(list[0], []byte(`.chunk"`)) {
			body = framed(list)
			break
		}
		for _, one := range object.Elements(trimmed) {
			c.count(id, "answer", func() (string, error) { return c.answer(one) })
		}
		return
	}
	c.count(id, "answer", func() (string, error) { return c.answer(body) })
}

func framed(payloads [][]byte) []byte {
	var body []byte
	for _, payload := range payloads {
		var compact bytes.Buffer
		if payload = bytes.TrimSpace(payload); json.Compact(&compact, payload) == nil {
			payload = compact.Bytes()
		}
		if len(payload) > 0 {
			name := ""
			if rawjson.Kind(payload) == 'o' && rawjson.Get(payload, "choices") == nil {
				kind, _ := rawjson.Unquote(rawjson.Get(payload, "type"))
				name = string(kind)
			}
			body = sse.Append(body, name, payload)
		}
	}
	return body
}

// skipped is a reason to leave a body out.
type skipped string

func (s skipped) Error() string { return string(s) }

func (c *census) count(id, what string, try func() (string, error)) {
	kind, err := try()
	var why skipped
	switch {
	case errors.As(err, &why):
		c.skip[what+"s: "+string(why)]++
	case err != nil:
		c.t.Errorf("%s: %s: %v", id, what, err)
	default:
		c.same[kind]++
	}
}

func (c *census) request(path string, body []byte, status int) (string, error) {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return "", skipped("none recorded")
	}
	var kind string
	var again []byte
	var err error
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		kind = "openai chat requests"
		again, err = openAIAgain(body)
	case strings.HasSuffix(path, "/embeddings"):
		kind = "openai embeddings requests"
		again, err = embedAgain(body)
	case strings.HasSuffix(path, "/v1/messages"):
		kind = "anthropic requests"
		again, err = anthropicAgain(body, anthropic.ReadFacts, anthropic.EncodeRequest)
	case strings.HasSuffix(path, "/v1/messages/count_tokens"):
		kind = "anthropic count requests"
		again, err = anthropicAgain(body, anthropic.ReadCountFacts, anthropic.EncodeCountRequest)
	default:
		return "", skipped("to endpoints of other dialects")
	}
	switch {
	case err != nil && status != 200:
		return "", skipped("refused here, as by their providers")
	case err != nil:
		return "", err
	}
	return kind, equal(again, body)
}

func equal(got, want []byte) error {
	if !object.Equal(got, want) {
		return fmt.Errorf("differs by %v", object.Diff(want, got))
	}
	return nil
}

// wholesome is a server that takes whatever a client may say in OpenAI's dialect.
var wholesome = openai.Flavour{
	Reasoning: "reasoning", ReasoningDetails: true, ToolIDs: dialect.IDRule{Max: 1 << 20}, Sampling: true, MediaURLs: true, StructuredOutputs: true,
}

func openAIAgain(body []byte) ([]byte, error) {
	f, err := openai.ReadFacts(body)
	if err != nil {
		return nil, err
	}
	p, err := openai.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	again, _, err := wholesome.EncodeRequest(p, dialect.Ask{Model: f.Model, Stream: f.Stream, IncludeUsage: f.IncludeUsage})
	return again, err
}

func embedAgain(body []byte) ([]byte, error) {
	f, err := openai.ReadEmbedFacts(body)
	if err != nil {
		return nil, err
	}
	in, err := openai.DecodeEmbedRequest(body)
	if err != nil {
		return nil, err
	}
	return openai.EncodeEmbedRequest(in, f.Model, openai.WantsBase64(body)), nil
}

func anthropicAgain(body []byte, facts func([]byte) (dialect.Facts, error), encode func(*llmv1.Prompt, dialect.Ask) ([]byte, []string, error)) ([]byte, error) {
	f, err := facts(body)
	if err != nil {
		return nil, err
	}
	p, err := anthropic.DecodeRequest(body)
	if err != nil {
		return nil, err
	}
	again, _, err := encode(p, dialect.Ask{Model: f.Model, Stream: f.Stream})
	return again, err
}

// answer tells by the body alone whose it is.
func (c *census) answer(body []byte) (string, error) {
	trimmed := bytes.TrimSpace(body)
	if list := object.Elements(trimmed); len(list) > 0 && rawjson.Kind(list[0]) == 's' { // an event stream's lines as a list
		body, trimmed = joined(list), nil
	}
	switch {
	case len(trimmed) == 0 && len(body) == 0, string(trimmed) == "null", string(trimmed) == "[]":
		return "", skipped("none recorded")
	case rawjson.Check(trimmed, dialect.MaxAnswerDepth) == nil:
		return wholeAgain(trimmed)
	case bytes.HasPrefix(body, []byte("data:")), bytes.HasPrefix(body, []byte("event:")), bytes.HasPrefix(body, []byte(":")):
		return streamAgain(body)
	}
	if dialect.DecodeError(500, body).Message == "" {
		return "", errors.New("an error without words")
	}
	return "errors", nil
}

func joined(lines [][]byte) (body []byte) {
	for _, line := range lines {
		text, _ := rawjson.Unquote(line)
		body = append(append(body, text...), '\n')
	}
	return body
}

func wholeAgain(body []byte) (string, error) {
	if first := rawjson.First(body); first != nil {
		body = first
	}
	kind, _ := rawjson.Unquote(rawjson.Get(body, "type"))
	name, _ := rawjson.Unquote(rawjson.Get(body, "object"))
	choice := rawjson.First(rawjson.Get(body, "choices"))
	switch {
	case rawjson.Get(choice, "message") != nil:
		c, err := openai.DecodeResponse(body, true)
		if err != nil {
			return "", err
		}
		return "openai chat answers", equal(openai.EncodeResponse(c), body)
	case choice != nil && rawjson.Get(choice, "delta") != nil:
		return streamAgain(framed([][]byte{body}))
	case choice != nil:
		return "", skipped("text completions, which Headgate doesn't speak")
	case string(kind) == "message":
		c, err := anthropic.DecodeResponse(body, true)
		if err != nil {
			return "", err
		}
		return "anthropic answers", equal(anthropic.EncodeResponse(c), body)
	case rawjson.Get(body, "generated_text") != nil:
		_, err := tgi.DecodeGenerate(body, "")
		return "tgi answers (read only: they aren't written)", err
	case string(name) == "list" && bytes.Contains(body, []byte(`"embedding"`)):
		return embeddingsAgain(body)
	case string(name) == "response", rawjson.Get(body, "output") != nil:
		return "", skipped("OpenAI's Responses, another issue")
	case rawjson.Get(body, "error") != nil, rawjson.Get(body, "detail") != nil, string(kind) == "error":
		if p := dialect.DecodeError(500, body); strings.HasPrefix(p.Message, "the provider answered") {
			return "", errors.New("an error without words")
		}
		return "errors (read only: they are written anew)", nil
	}
	if n := rawjson.Get(body, "input_tokens"); n != nil && name == nil {
		n, err := anthropic.DecodeCountResponse(body)
		if err != nil {
			return "", err
		}
		return "anthropic counts", equal(anthropic.EncodeCountResponse(n), body)
	}
	return "", skipped("lists of models and other endpoints")
}

func embeddingsAgain(body []byte) (string, error) {
	e, err := openai.DecodeEmbedResponse(body, true)
	if err != nil {
		return "", err
	}
	packed := rawjson.Kind(rawjson.Get(rawjson.First(rawjson.Get(body, "data")), "embedding")) == 's'
	return "openai embeddings answers", equal(openai.EncodeEmbedResponse(e, packed), body)
}

// streamCodec is a dialect's decoder and encoder of streams.
type streamCodec struct {
	kind   string
	decode decoder
	encode func(dst []byte, e *llmv1.StreamEvent) ([]byte, error)
	end    func(dst []byte) []byte
}

func streamCodecOf(body []byte) (streamCodec, error) {
	ask := dialect.Ask{Stream: true, IncludeUsage: true}
	switch first := firstData(body); {
	case bytes.Contains(first, []byte(`"delta"`)), bytes.Contains(first, []byte(`"choices"`)) && !bytes.Contains(first, []byte(`"text"`)):
		e := openai.NewEncoder(ask)
		return streamCodec{"openai chat streams", openai.NewDecoder(true), e.Encode, e.End}, nil
	case bytes.Contains(first, []byte(`"message_start"`)):
		e := anthropic.NewEncoder(ask)
		return streamCodec{"anthropic streams", anthropic.NewDecoder(true), e.Encode, e.End}, nil
	case bytes.Contains(first, []byte(`"response.created"`)), bytes.Contains(first, []byte(`"response":`)):
		return streamCodec{}, skipped("OpenAI's Responses, another issue")
	case bytes.Contains(first, []byte(`"choices"`)):
		return streamCodec{}, skipped("text completions, which Headgate doesn't speak")
	case bytes.Contains(first, []byte(`"token"`)):
		return streamCodec{}, skipped("TGI's own streams: read in dialect/tgi, never written")
	}
	return streamCodec{}, skipped("streams that aren't any dialect's")
}

func firstData(body []byte) []byte {
	r := sse.NewReader(bytes.NewReader(body), dialect.MaxFrame)
	for {
		f, err := r.Next()
		if err != nil || len(f.Data) > 2 && !bytes.Contains(f.Data, []byte(`"ping"`)) {
			return f.Data
		}
	}
}

// streamAgain compares frame by frame; comments tell nothing and aren't kept.
func streamAgain(body []byte) (string, error) {
	s, err := streamCodecOf(body)
	if err != nil {
		return "", err
	}
	var failed error
	eachFrame(body, func(f sse.Frame) {
		if failed != nil || f.Comment || s.decode.Done() {
			return
		}
		failed = s.frame(f)
	})
	if failed != nil {
		return "", failed
	}
	return s.kind, nil
}

func (s streamCodec) frame(f sse.Frame) error {
	events, err := s.decode.Decode(f)
	if err != nil {
		if bytes.Contains(f.Data, []byte(`"error"`)) {
			return skipped("streams that end with their provider's error, read to there")
		}
		return fmt.Errorf("%w in %s", err, f.Data)
	}
	var out []byte
	for _, event := range events {
		if out, err = s.encode(out, event); err != nil {
			return err
		}
	}
	if s.decode.Done() {
		out = s.end(out)
	}
	got, err := sse.NewReader(bytes.NewReader(out), dialect.MaxFrame).Next()
	switch {
	case err != nil:
		return fmt.Errorf("%w: nothing for %s", err, f.Data)
	case string(bytes.TrimSpace(f.Data)) == "[DONE]" && string(got.Data) == "[DONE]" && len(got.Raw) == len(out):
		return nil
	case string(got.Event) != string(f.Event) || len(got.Raw) != len(out) || !object.Equal(bytes.TrimSpace(got.Data), bytes.TrimSpace(f.Data)):
		return fmt.Errorf("%s became %s", f.Raw, out)
	}
	return nil
}
