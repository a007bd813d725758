// Package recorded finds the recorded provider traffic that tests replay. It isn't part of the repository: where it is
// absent, tests skip.
package recorded

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Exchange is one recorded answer.
type Exchange struct {
	// ID names it in messages.
	ID string
	// Status is its HTTP status, 200 where only the body was recorded.
	Status int
	// Body is the answer's body.
	Body []byte
	// Stream says that the body is an event stream.
	Stream bool
	// Whole says that the recording is known to be complete.
	Whole bool
}

// line is one exchange as it is recorded.
type line struct {
	ID           string `json:"id"`
	URL          string `json:"url"`
	Status       int    `json:"status"`
	ResponseBody string `json:"response_body"`
	BodyEncoding string `json:"body_encoding"`
}

// Dir returns the folder of recordings: $HEADGATE_FIXTURES, or shared/fixtures beside the repository. It skips the test
// where there is none.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("HEADGATE_FIXTURES")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "fixtures")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no recorded traffic here: it isn't part of the repository; set HEADGATE_FIXTURES to its folder")
	}
	return dir
}

// root is the repository's, where go.work is.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	return dir
}

// Exchanges returns the recorded answers of requests whose path ends so.
func Exchanges(t testing.TB, path string) []Exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), "exchanges", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Exchange
	for _, name := range files {
		for _, text := range lines(t, name) {
			var l line
			if err := json.Unmarshal(text, &l); err != nil {
				t.Fatal(err)
			}
			url, _, _ := strings.Cut(l.URL, "?")
			if url, _, _ = strings.Cut(url, "#"); strings.HasSuffix(url, path) {
				all = append(all, l.exchange(t))
			}
		}
	}
	return all
}

func (l line) exchange(t testing.TB) Exchange {
	body := []byte(l.ResponseBody)
	if l.BodyEncoding == "base64" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(l.ResponseBody); err != nil {
			t.Fatal(err)
		}
	}
	return Exchange{ID: l.ID, Status: l.Status, Body: body, Stream: isStream(body), Whole: true}
}

func isStream(body []byte) bool {
	for _, start := range []string{"data:", "event:", ":"} {
		if bytes.HasPrefix(body, []byte(start)) {
			return true
		}
	}
	return false
}

// Files returns the recorded bodies that match a pattern under the folder of recordings. A file of payloads, one a line
// (*.chunks.txt), becomes a stream with frame; a recording of this kind may be cut.
func Files(t testing.TB, pattern string, frame func(payload []byte) []byte) []Exchange {
	t.Helper()
	dir := Dir(t)
	names, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]Exchange, 0, len(names))
	for _, name := range names {
		e := Exchange{ID: strings.TrimPrefix(name, dir+string(filepath.Separator)), Status: 200}
		if strings.HasSuffix(name, ".chunks.txt") {
			for _, payload := range lines(t, name) {
				if payload = bytes.TrimSpace(payload); len(payload) > 0 {
					e.Body = append(e.Body, frame(payload)...)
				}
			}
			e.Stream = true
		} else {
			if e.Body, err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
			e.Stream = isStream(e.Body)
		}
		all = append(all, e)
	}
	return all
}

func lines(t testing.TB, name string) [][]byte {
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
