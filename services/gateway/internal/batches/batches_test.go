package batches

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// TestCut: content and results that break off are no whole ones: an error where nothing was sent yet, a broken connection
// where something was.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/files/file-1/content", "/v1/messages/batches/msgbatch_1/results"} {
		for _, test := range []struct {
			name   string
			parts  int
			end    error
			status int
			broken bool
		}{
			{"whole", 20, io.EOF, 200, false},
			{"nothing in it", 0, io.EOF, 200, false},
			{"broken at the start", 0, errBroken, 503, false},
			{"broken after a part", 1, errBroken, 200, true},
			{"broken after many", 20_000, errBroken, 200, true},
		} {
			if test.parts > 20 && strings.HasSuffix(path, "/content") {
				test.parts = 20 // each is large
			}
			t.Run(path+" "+test.name, func(t *testing.T) {
				t.Parallel()
				server := serve(t, &service{parts: test.parts, end: test.end}, time.Minute)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
				if err != nil { // nothing had left yet, so not even a status came
					if !test.broken {
						t.Error(err)
					}
					return
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if resp.StatusCode != test.status || (err != nil) != test.broken {
					t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(got), err)
				}
				if strings.HasSuffix(path, "/results") && test.status == 200 && !test.broken && bytes.Count(got, []byte(`{"custom_id":"a","result":{"type":"succeeded","message":{"text":"1 < 2"}}}`+"\n")) != test.parts {
					t.Errorf("%s", got)
				}
			})
		}
	}
}

// TestMessageBatch: the file that stands between is gone once the batch is made; what is wrong with requests is the
// answer, and nothing stays of them.
func TestMessageBatch(t *testing.T) {
	t.Parallel()
	const body = `{"requests":[]}`
	for _, test := range []struct {
		name    string
		state   batchv1.BatchState
		errors  []*batchv1.BatchError
		status  int
		says    string
		deleted []string
	}{
		{"good", batchv1.BatchState_BATCH_STATE_IN_PROGRESS, nil, 200, `"processing_status":"in_progress"`, []string{"file-1"}},
		{"over already", batchv1.BatchState_BATCH_STATE_COMPLETED, nil, 200, `"processing_status":"ended"`, []string{"file-1"}},
		{
			"bad", batchv1.BatchState_BATCH_STATE_FAILED,
			[]*batchv1.BatchError{{Line: 2, Field: "custom_id", Message: "is twice"}, {Line: 3}},
			400, "requests.1.custom_id: is twice (and 1 more mistakes)",
			[]string{"file-1", "msgbatch_1"},
		},
		{"bad as a whole", batchv1.BatchState_BATCH_STATE_FAILED, []*batchv1.BatchError{{Message: "no requests"}}, 400, "requests: no requests", []string{"file-1", "msgbatch_1"}},
		{"bad without a word", batchv1.BatchState_BATCH_STATE_FAILED, nil, 400, "requests", []string{"file-1", "msgbatch_1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &service{state: test.state, errors: test.errors}
			status, got, err := send(t, http.MethodPost, serve(t, s, time.Minute).URL+"/v1/messages/batches", "application/json", strings.NewReader(body),
				"Anthropic-Version", "2023-06-01", "X-Headgate-Sensitivity", "high", "X-Headgate-Tags", "team=a, part=b")
			if err != nil || status != test.status || !bytes.Contains(got, []byte(test.says)) || !slices.Equal(s.deleted, test.deleted) {
				t.Errorf("%d %v: %s; deleted %v", status, err, got, s.deleted)
			}
			m := s.created
			if string(s.content) != body || m.GetInputFileId() != "file-1" || m.GetHeaders()["anthropic-version"] != "2023-06-01" ||
				m.GetSensitivity() != llmv1.Sensitivity_SENSITIVITY_HIGH || m.GetTags()["team"] != "a" || m.GetTags()["part"] != "b" {
				t.Errorf("%s: %v", s.content, m)
			}
		})
	}
}

func TestCreateBatchRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, &service{}, time.Minute)
	for _, test := range []struct{ name, body, says string }{
		{"no JSON", `{`, "JSON"},
		{"no file", `{"endpoint":"/v1/embeddings","completion_window":"24h"}`, `"param":"input_file_id"`},
		{"no endpoint", `{"input_file_id":"f","completion_window":"24h"}`, `"param":"endpoint"`},
		{"another endpoint", `{"input_file_id":"f","endpoint":"/v1/canary","completion_window":"24h"}`, `"param":"endpoint"`},
		{"no window", `{"input_file_id":"f","endpoint":"/v1/embeddings"}`, `"param":"completion_window"`},
		{"a long window", `{"input_file_id":"f","endpoint":"/v1/embeddings","completion_window":"25h"}`, `"param":"completion_window"`},
		{"no window at all", `{"input_file_id":"f","endpoint":"/v1/embeddings","completion_window":"canary"}`, `"param":"completion_window"`},
	} {
		status, got, err := send(t, http.MethodPost, server.URL+"/v1/batches", "application/json", strings.NewReader(test.body))
		if err != nil || status != 400 || !bytes.Contains(got, []byte(test.says)) || bytes.Contains(got, []byte("canary")) {
			t.Errorf("%s: %d %v: %s", test.name, status, err, got)
		}
	}
	for _, path := range []string{"/v1/batches?limit=0", "/v1/batches?limit=101", "/v1/files?limit=10001", "/v1/messages/batches?limit=1001", "/v1/messages/batches?limit=x"} {
		if status, got, _ := send(t, http.MethodGet, server.URL+path, "", nil); status != 400 {
			t.Errorf("%s: %d: %s", path, status, got)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"24h": "24h", "1m": "1m", "90m": "1h30m", "2h": "2h", "61s": "1m1s", "1h1s": "1h0m1s", "100m": "1h40m", "10h": "10h", "10m": "10m"} {
		d, err := windowOf(text)
		if got := durationText(d); err != nil || got != want {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
	}
}
