package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clock is one that a test turns.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(fixed().UnixNano())
	return c
}

func (c *clock) now() time.Time         { return time.Unix(0, c.at.Load()) }
func (c *clock) pass(d time.Duration)   { c.at.Add(int64(d)) }
func (c *clock) config(s string) Config { return Config{Now: c.now, Faults: Script(s)} }

// askFor sends a request with a key at the vendor whose batches the path names.
func askFor(t *testing.T, srv *httptest.Server, method, path, body string) exchanged {
	t.Helper()
	return send(t, srv, method, path, body, "Authorization", "Bearer k", "Anthropic-Version", version(path))
}

func version(path string) string {
	if isMessages(path) {
		return "2023-06-01"
	}
	return ""
}

// asked is askFor that must succeed.
func asked(t *testing.T, srv *httptest.Server, method, path, body string) []byte {
	t.Helper()
	res := askFor(t, srv, method, path, body)
	if res.err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %v %s", method, path, res.err, res.body)
	}
	return res.body
}

// form is a multipart body; fields come in pairs, and the file comes first.
func form(t *testing.T, file string, fields ...string) (body, sort string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "in.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write([]byte(file))
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// uploading sends a file.
func uploading(t *testing.T, srv *httptest.Server, file string, fields ...string) exchanged {
	t.Helper()
	body, sort := form(t, file, fields...)
	return send(t, srv, http.MethodPost, "/v1/files", body, "Authorization", "Bearer k", "Content-Type", sort)
}

// uploaded is the id of a file that was uploaded.
func uploaded(t *testing.T, srv *httptest.Server, file string) string {
	t.Helper()
	res := uploading(t, srv, file, "purpose", "batch")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, res.body)
	}
	id, _ := dig(t, res.body, "id").(string)
	return id
}

// createdOf is the body that makes a batch of a file.
func createdOf(file, endpoint string) string {
	return fmt.Sprintf(`{"input_file_id":%q,"endpoint":%q,"completion_window":"24h","metadata":{"k":"v"}}`, file, endpoint)
}

// openAIJob uploads lines and makes a batch of them; it returns the id.
func openAIJob(t *testing.T, srv *httptest.Server, file string) string {
	t.Helper()
	endpoint := chatPath
	if strings.Contains(file, "/v1/embeddings") {
		endpoint = "/v1/embeddings"
	}
	body := asked(t, srv, http.MethodPost, "/v1/batches", createdOf(uploaded(t, srv, file), endpoint))
	id, _ := dig(t, body, "id").(string)
	return id
}

// chatLine is a line of an input file.
func chatLine(id, model, text string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":%q}]}}`, id, model, text) + "\n"
}

// chatLines are n lines, the first of which has a model name that carries a script.
func chatLines(n int, script string) string {
	var b strings.Builder
	for i := range n {
		model := "gpt-4o"
		if i == 0 && script != "" {
			model += "#" + script
		}
		b.WriteString(chatLine(fmt.Sprint("r", i), model, fmt.Sprint("question ", i)))
	}
	return b.String()
}

// messageRequests are n requests in the same way.
func messageRequests(n int, script string) string {
	list := make([]string, n)
	for i := range list {
		model := "claude-opus-4-6"
		if i == 0 && script != "" {
			model += "#" + script
		}
		list[i] = fmt.Sprintf(`{"custom_id":"r%d","params":{"model":%q,"max_tokens":200,"messages":[{"role":"user","content":"question %d"}]}}`, i, model, i)
	}
	return `{"requests":[` + strings.Join(list, ",") + `]}`
}

// anthropicJob makes a batch; it returns the id.
func anthropicJob(t *testing.T, srv *httptest.Server, requests string) string {
	t.Helper()
	id, _ := dig(t, asked(t, srv, http.MethodPost, batchesPath, requests), "id").(string)
	return id
}

// jsonl are lines by custom id, and the order in which they came.
func jsonl(t *testing.T, body []byte) (byID map[string][]byte, order []string) {
	t.Helper()
	byID = make(map[string][]byte)
	for line := range bytes.Lines(body) {
		id, _ := dig(t, line, "custom_id").(string)
		byID[id] = bytes.TrimSpace(line)
		order = append(order, id)
	}
	return byID, order
}

// same compares two JSON texts but for some members.
func same(t *testing.T, a, b any, without ...string) bool {
	t.Helper()
	strip := func(v any) string {
		m, _ := v.(map[string]any)
		m = maps.Clone(m)
		for _, name := range without {
			delete(m, name)
		}
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return strip(a) == strip(b)
}
