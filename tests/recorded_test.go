package tests

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// recording is one exchange with a real provider.
type recording struct {
	ID           string `json:"id"`
	Method       string `json:"method"`
	URL          string `json:"url"`
	RequestBody  string `json:"request_body"`
	Status       int    `json:"status"`
	ResponseBody string `json:"response_body"`
	BodyEncoding string `json:"body_encoding"`
}

func (r *recording) path() string {
	path, _, _ := strings.Cut(r.URL, "?")
	switch {
	case r.Method != http.MethodPost || !json.Valid([]byte(r.RequestBody)) || !r.asSent():
		return ""
	case strings.HasSuffix(path, "/chat/completions"):
		return "/v1/chat/completions"
	case strings.HasSuffix(path, "/v1/messages"):
		return "/v1/messages"
	}
	return ""
}

func (r *recording) body() []byte {
	if r.BodyEncoding == "base64" {
		body, _ := base64.StdEncoding.DecodeString(r.ResponseBody)
		return body
	}
	return []byte(r.ResponseBody)
}

// asSent leaves out recordings that hold what a library made of the answer.
func (r *recording) asSent() bool {
	body := bytes.TrimSpace(r.body())
	return len(body) > 0 && body[0] != '[' && string(body) != "null"
}

func (r *recording) streamed() bool {
	return r.Status == http.StatusOK && !bytes.HasPrefix(bytes.TrimSpace(r.body()), []byte("{"))
}

// whole reports whether a recorded stream goes to its end: some were cut, or aren't kept as they were sent.
func (r *recording) whole() bool {
	body := string(r.body())
	return strings.Contains(body, "data: [DONE]") || strings.Contains(body, "event: message_stop") || strings.Contains(body, `data: {"error"`)
}

func recordings(t *testing.T) []*recording {
	t.Helper()
	dir := os.Getenv("HEADGATE_FIXTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "fixtures")
	}
	files, err := filepath.Glob(filepath.Join(dir, "exchanges", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skip("no recorded traffic here: it isn't part of the repository; set HEADGATE_FIXTURES to its folder")
	}
	var list []*recording
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			r := new(recording)
			if err := json.Unmarshal(lines.Bytes(), r); err != nil {
				t.Fatal(err)
			}
			if r.path() != "" {
				list = append(list, r)
			}
		}
	}
	return list
}

// replayer plays the provider of recordings; the model's name is the number of one.
func replayer(list []*recording) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		n, err := strconv.Atoi(body.Model)
		if err != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if list[n].streamed() {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		}
		w.WriteHeader(list[n].Status)
		_, _ = w.Write(list[n].body())
	})
}

// TestRecordedTraffic replays real exchanges in the same dialect: what the provider said reaches the client byte for
// byte.
func TestRecordedTraffic(t *testing.T) {
	t.Parallel()
	list := recordings(t)
	m := mesh.Start(t, mesh.Options{Upstream: replayer(list)})
	var streams, wholes, failures int
	for n, r := range list {
		status, got, err := replay(t, m, n, r)
		switch {
		case err != nil:
			t.Errorf("%s: %v", r.ID, err)
		case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
			failures++
			if status != http.StatusBadGateway {
				t.Errorf("%s: status %d", r.ID, status)
			}
		case r.streamed():
			streams++
			if r.whole() && !sameEvents(got, r.body()) {
				t.Errorf("%s: the stream changed:\n%s\nwas\n%s", r.ID, tail(got), tail(r.body()))
			}
		case r.Status >= http.StatusBadRequest:
			failures++
			checkFailure(t, r, status, got)
		default:
			wholes++
			if status != r.Status || !bytes.Equal(got, r.body()) {
				t.Errorf("%s: status %d, was %d:\n%s\nwas\n%s", r.ID, status, r.Status, tail(got), tail(r.body()))
			}
		}
	}
	t.Logf("%d streams, %d whole answers, %d errors", streams, wholes, failures)
}

// checkFailure: an error of the dialect arrives as it was; one in another shape, under its status, in the dialect's; a
// request that no provider takes may be refused before it is sent.
func checkFailure(t *testing.T, r *recording, status int, got []byte) {
	t.Helper()
	if bytes.Equal(got, r.body()) && status == r.Status {
		return
	}
	if !json.Valid(got) || !bytes.Contains(got, []byte(`"error":{`)) || status/100 != r.Status/100 {
		t.Errorf("%s: status %d, was %d:\n%s\nwas\n%s", r.ID, status, r.Status, tail(got), tail(r.body()))
	}
}

func replay(t *testing.T, m *mesh.Mesh, n int, r *recording) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL(r.path()), strings.NewReader(r.RequestBody))
	if err != nil {
		t.Fatal(err)
	}
	provider := "openai"
	if r.path() == "/v1/messages" {
		provider = "claude"
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Headgate-Route", fmt.Sprintf("%s/%d", provider, n))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

// sameEvents compares up to the terminal event: what follows it is nobody's, and a usage chunk that the client didn't
// ask for isn't shown.
func sameEvents(got, want []byte) bool {
	g, w := events(got), events(want)
	for len(w) > 0 && len(g) > 0 {
		switch {
		case g[0] == w[0]:
			g = g[1:]
		case !strings.Contains(w[0], `"choices":[]`) && !strings.Contains(w[0], `"choices": []`):
			return false
		}
		w = w[1:]
	}
	return len(g) == 0 && strings.TrimSpace(strings.Join(w, "")) == ""
}

func events(stream []byte) []string {
	text := strings.ReplaceAll(string(stream), "\r\n", "\n")
	return strings.FieldsFunc(strings.ReplaceAll(text, "\n\n", "\x00"), func(r rune) bool { return r == 0 })
}

func tail(b []byte) []byte { return b[max(0, len(b)-400):] }
