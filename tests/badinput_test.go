package tests

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// badCase is one file of testdata/bad_input.
type badCase struct {
	Request struct {
		Method, Path, Body string
		Headers            map[string]string
		NoKey              bool `json:"no_key"`
		// Grow makes a body too long for a file: Open so many times, Close as often, then End.
		Grow *struct {
			Open, Close, End string
			Times            int
		}
	}
	Want struct {
		Status               int
		Code, Field, Message string
		Headers              map[string]string
	}
}

func (c *badCase) body() string {
	g := c.Request.Grow
	if g == nil {
		return c.Request.Body
	}
	return c.Request.Body + strings.Repeat(g.Open, g.Times) + strings.Repeat(g.Close, g.Times) + g.End
}

// failure is an error as a client of any dialect sees it.
type failure struct{ code, field, message string }

// readFailure reads the error shape of the dialect.
func readFailure(t *testing.T, dialect string, body []byte) failure {
	t.Helper()
	var b struct {
		Type  string
		Error struct {
			Message, Type, Code, Param string
			Details                    struct {
				ErrorCode string `json:"error_code"`
				Field     string
			}
		}
		Message   string
		RequestID string `json:"request_id"`
		Details   []struct {
			Reason   string
			Metadata map[string]string
		}
	}
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatalf("not JSON: %s", body)
	}
	switch dialect {
	case "openai":
		return failure{b.Error.Code, b.Error.Param, b.Error.Message}
	case "anthropic":
		if b.Type != "error" || b.Error.Type == "" || b.RequestID == "" {
			t.Errorf("not Anthropic's shape: %s", body)
		}
		return failure{b.Error.Details.ErrorCode, b.Error.Details.Field, b.Error.Message}
	}
	if len(b.Details) == 0 {
		t.Fatalf("no details: %s", body)
	}
	return failure{b.Details[0].Reason, b.Details[0].Metadata["field"], b.Message}
}

// TestBadInput replays testdata/bad_input: the right 4xx in the caller's dialect, which names the field and never quotes
// a value.
func TestBadInput(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad_input/*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		for _, file := range files {
			dialect := filepath.Base(filepath.Dir(file))
			t.Run(dialect+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				t.Parallel()
				checkBadCase(t, m, dialect, file)
			})
		}
	})
}

func checkBadCase(t *testing.T, m *mesh.Mesh, dialect, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c badCase
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	resp, body := sendBadCase(t, m, &c)
	if resp.StatusCode != c.Want.Status {
		t.Fatalf("status %d, want %d: %s", resp.StatusCode, c.Want.Status, body)
	}
	got := readFailure(t, dialect, body)
	if got.code != c.Want.Code || got.field != c.Want.Field || got.message == "" || !strings.Contains(got.message, c.Want.Message) {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(string(body), "secret-value") {
		t.Errorf("the error quotes the request: %s", body)
	}
	if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("X-Request-Id") != resp.Header.Get("Request-Id") {
		t.Errorf("request ids %q, %q", resp.Header.Get("X-Request-Id"), resp.Header.Get("Request-Id"))
	}
	for name, want := range c.Want.Headers {
		if resp.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, resp.Header.Get(name), want)
		}
	}
}

func sendBadCase(t *testing.T, m *mesh.Mesh, c *badCase) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.Request.Method, m.URL(c.Request.Path), strings.NewReader(c.body()))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Request.NoKey {
		req.Header.Set("Authorization", "Bearer "+mesh.Key)
	}
	req.Header.Set("Anthropic-Version", "2023-06-01")
	for name, value := range c.Request.Headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}
