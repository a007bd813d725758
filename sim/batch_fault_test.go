package sim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// batchAPI is what the two vendors' batches have in common, so that a fault is tried at both.
type batchAPI struct {
	path   string
	create func(*testing.T, *httptest.Server, string) exchanged // n lines, the first with that script
	get    func(*testing.T, *httptest.Server, []byte) exchanged // the results
}

var batchAPIs = map[string]batchAPI{
	"openai": {
		path: "/v1/batches",
		create: func(t *testing.T, srv *httptest.Server, script string) exchanged {
			t.Helper()
			res := uploading(t, srv, chatLines(10, script), "purpose", "batch")
			if res.StatusCode != http.StatusOK {
				return res
			}
			return askFor(t, srv, http.MethodPost, "/v1/batches", createdOf(dig(t, res.body, "id").(string), chatPath))
		},
		get: func(t *testing.T, srv *httptest.Server, batch []byte) exchanged {
			t.Helper()
			return askFor(t, srv, http.MethodGet, "/v1/files/"+dig(t, batch, "output_file_id").(string)+"/content", "")
		},
	},
	"anthropic": {
		path: batchesPath,
		create: func(t *testing.T, srv *httptest.Server, script string) exchanged {
			t.Helper()
			return askFor(t, srv, http.MethodPost, batchesPath, messageRequests(10, script))
		},
		get: func(t *testing.T, srv *httptest.Server, batch []byte) exchanged {
			t.Helper()
			return askFor(t, srv, http.MethodGet, batchesPath+"/"+dig(t, batch, "id").(string)+"/results", "")
		},
	},
}

// bothVendors runs a test at each.
func bothVendors(t *testing.T, f func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server)) {
	t.Helper()
	for name, api := range batchAPIs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s, srv := server(t, c.config(""))
			f(t, api, c, s, srv)
		})
	}
}

// poll looks at the batch that a create made.
func (a batchAPI) poll(t *testing.T, srv *httptest.Server, made exchanged) exchanged {
	t.Helper()
	return askFor(t, srv, http.MethodGet, a.path+"/"+dig(t, made.body, "id").(string), "")
}

func TestBatchCreateFails(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, _ *clock, _ *Sim, srv *httptest.Server) {
		for _, status := range []int{429, 500, 529} {
			script := fmt.Sprintf("batch_create=%dx2,batch_retry_after=3", status)
			for i, want := range []int{status, status, http.StatusOK} {
				res := api.create(t, srv, script)
				if res.StatusCode != want || want != http.StatusOK && res.Header.Get("Retry-After") != "3" {
					t.Errorf("%d. create: %d, want %d", i, res.StatusCode, want)
				}
			}
		}
		if body := asked(t, srv, http.MethodGet, api.path, ""); dig(t, body, "data", 2) == nil || dig(t, body, "data", 3) != nil {
			t.Errorf("not three batches: %s", body)
		}
	})
}

func TestBatchUploadFails(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config(""))
	for i, want := range []int{503, http.StatusOK} {
		if res := uploading(t, srv, chatLines(2, "batch_upload=503"), "purpose", "batch"); res.StatusCode != want {
			t.Errorf("%d. upload: %d", i, res.StatusCode)
		}
	}
}

func TestBatchAnswerLost(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		if res := api.create(t, srv, "batch_lost=1"); res.err == nil {
			t.Errorf("%d %s", res.StatusCode, res.body)
		}
		body := asked(t, srv, http.MethodGet, api.path, "")
		if dig(t, body, "data", 0) == nil {
			t.Errorf("no batch was made: %s", body)
		}
		if res := api.create(t, srv, "batch_lost=1"); res.StatusCode != http.StatusOK {
			t.Errorf("again: %d", res.StatusCode)
		}
		c.pass(time.Minute)
		l, err := s.Ledger()
		if err != nil || len(l.Batches) != 2 || l.Asked["r3"] != 2 || l.Lines != 20 || l.Answered != 20 || len(l.Bodies) != 10 {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func TestBatchPollsFail(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		made := api.create(t, srv, "batch_poll=500x2")
		for i, want := range []int{500, 500, 200, 200} {
			if res := api.poll(t, srv, made); res.StatusCode != want {
				t.Errorf("%d. poll: %d", i, res.StatusCode)
			}
		}
		if l, err := s.Ledger(); err != nil || l.Batches[0].Polls != 4 {
			t.Errorf("%+v %v", l, err)
		}
		c.pass(time.Minute)
	})
}

func TestBatchResultsBreak(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		made := api.create(t, srv, "batch_cut=1,batch_reset=1,batch_late=1h")
		c.pass(time.Minute)
		batch := api.poll(t, srv, made).body
		if res := api.get(t, srv, batch); res.StatusCode != http.StatusNotFound {
			t.Errorf("late: %d", res.StatusCode)
		}
		c.pass(time.Hour)
		cut, reset, whole := api.get(t, srv, batch), api.get(t, srv, batch), api.get(t, srv, batch)
		if cut.err != nil || len(cut.body) != len(whole.body)/2 || !strings.HasPrefix(string(whole.body), string(cut.body)) {
			t.Errorf("cut: %v, %d of %d bytes", cut.err, len(cut.body), len(whole.body))
		}
		if reset.err == nil || len(reset.body) > len(whole.body)/2 {
			t.Errorf("reset: %v, %d bytes", reset.err, len(reset.body))
		}
		if lines, _ := jsonl(t, whole.body); len(lines) != 10 {
			t.Errorf("%d lines", len(lines))
		}
		if l, err := s.Ledger(); err != nil || l.Batches[0].Downloads != 3 {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func TestBatchResultsMiss(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		made := api.create(t, srv, "batch_missing=2,batch_double=3")
		c.pass(time.Minute)
		lines, order := jsonl(t, api.get(t, srv, api.poll(t, srv, made).body).body)
		if len(lines) != 8 || len(order) != 11 {
			t.Errorf("%v", order)
		}
		if l, err := s.Ledger(); err != nil || l.Answered != 10 {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func TestBatchLinesFail(t *testing.T) {
	t.Parallel()
	for script, status := range map[string]int{
		"status=503": 503, "abort": 500, "hang": 500, "garbage": 500, "empty": 500, "cut_bytes=9": 500, "explode": 400,
		"refuse": 200, "ttft=1h,chunk_delay=1h,header_delay=1h,slow": 200, "error=0": 500,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
				api.create(t, srv, script)
				c.pass(time.Minute)
				l, err := s.Ledger()
				if err != nil || l.Batches[0].Answers[0].Status != status || l.Answered != 10 {
					t.Errorf("%+v %v", l, err)
				}
				if failed := status >= 400; l.Failed != map[bool]int{true: 1}[failed] || failed == (l.Batches[0].Answers[0].OutputTokens > 0) {
					t.Errorf("%+v", l)
				}
			})
		})
	}
}

func TestBatchLineFailsOnce(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		for _, want := range []int{1, 1} { // the second batch brings no failure more
			api.create(t, srv, "status=500,times=1")
			c.pass(time.Minute)
			if l, err := s.Ledger(); err != nil || l.Failed != want {
				t.Errorf("%+v %v", l, err)
			}
		}
	})
}

func TestBatchSurvivesRestart(t *testing.T) {
	t.Parallel()
	for name, api := range batchAPIs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			cfg := c.config("batch_delay=0s,batch_line=1s")
			cfg.BatchDir = filepath.Join(t.TempDir(), "batches")
			_, srv := server(t, cfg)
			made := api.create(t, srv, "batch_missing=1")
			c.pass(4 * time.Second)
			if res := api.poll(t, srv, made); res.StatusCode != http.StatusOK { // four are answered and written down
				t.Fatalf("%s", res.body)
			}
			tear(t, cfg.BatchDir)
			for _, name := range []string{"file-orphan.data", "batch_orphan.json.tmp"} {
				if err := os.WriteFile(filepath.Join(cfg.BatchDir, name), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, srv := server(t, cfg)
			if l, err := s.Ledger(); err != nil || l.Answered != 4 || l.Lines != 10 {
				t.Errorf("%+v %v", l, err)
			}
			c.pass(time.Minute)
			batch := api.poll(t, srv, made)
			before := api.get(t, srv, batch.body)
			s, srv = server(t, cfg)
			after := api.get(t, srv, batch.body)
			lines, _ := jsonl(t, after.body)
			if string(before.body) != string(after.body) || len(lines) != 9 {
				t.Errorf("%d lines:\n%s\nbefore:\n%s", len(lines), after.body, before.body)
			}
			l, err := s.Ledger()
			if err != nil || l.Answered != 10 || len(l.Asked) != 10 || l.Asked["r3"] != 1 || l.InputTokens == 0 {
				t.Errorf("%+v %v", l, err)
			}
			names, err := s.desk.names()
			if err != nil || slices.Contains(names, "file-orphan.data") {
				t.Errorf("%v %v", names, err)
			}
			if again := api.create(t, srv, "batch_missing=1"); dig(t, again.body, "id") == dig(t, made.body, "id") {
				t.Errorf("an id comes twice: %s", again.body)
			}
		})
	}
}

// tear leaves half a record at the end of the answers' log, as a crash may.
func tear(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*"+answersLog))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"custom_id":"r4","result":{}}`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBatchDirCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "batch_x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "batch_x.json")} {
		if _, err := New(Config{BatchDir: bad}); err == nil || !strings.Contains(err.Error(), "batch_dir") {
			t.Errorf("%v", err)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{Keys: []string{"k"}, Now: newClock().now})
	put := func(query, script string) int {
		return send(t, srv, http.MethodPut, "/sim/faults"+query, script).StatusCode
	}
	get := func(path string) int { return askFor(t, srv, http.MethodGet, path, "").StatusCode }
	if got := put("?method=GET&path=/v1/batches", "status=503,times=2\n"); got != http.StatusNoContent {
		t.Fatal(got)
	}
	id := openAIJob(t, srv, chatLines(1, ""))
	for i, want := range []int{503, 503, 200} {
		if got := get("/v1/batches/" + id); got != want {
			t.Errorf("poll %d: %d, want %d", i, got, want)
		}
	}
	for _, tt := range []struct {
		query, script string
		status, get   int
	}{
		{"?method=GET&path=/v1/batches", "", 204, 200},
		{"", "status=500", 204, 500},
		{"?path=/v1/batches", "status=502", 204, 502},
		{"", "explode", 400, 502},
		{"?path=/v1/batches", "explode", 400, 502},
		{"?path=/v1/batches", "", 204, 500},
		{"", "", 204, 200},
		{"?path=/v1/models", "status=500", 204, 200},
		{"?method=POST", "status=500", 204, 200},
	} {
		if got := put(tt.query, tt.script); got != tt.status {
			t.Errorf("%+v: %d", tt, got)
		}
		if got := get("/v1/batches"); got != tt.get {
			t.Errorf("%+v: %d", tt, got)
		}
	}
	if res := send(t, srv, http.MethodGet, "/sim/ledger", ""); dig(t, res.body, "batches", 0, "lines") != 1.0 || dig(t, res.body, "lines") != 1.0 {
		t.Errorf("%s", res.body)
	}
	if res := send(t, srv, http.MethodGet, "/sim/stats", ""); dig(t, res.body, "batches") != 1.0 || dig(t, res.body, "requests") == 0.0 {
		t.Errorf("%s", res.body)
	}
	if res := send(t, srv, http.MethodGet, "/sim/x", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestBatchesAtOnce(t *testing.T) {
	t.Parallel()
	bothVendors(t, func(t *testing.T, api batchAPI, c *clock, s *Sim, srv *httptest.Server) {
		var group sync.WaitGroup
		for range 4 {
			made := api.create(t, srv, "batch_line=1s")
			for range 3 {
				group.Go(func() {
					for range 5 {
						c.pass(time.Second)
						if res := api.poll(t, srv, made); res.StatusCode != http.StatusOK {
							t.Errorf("%d %s", res.StatusCode, res.body)
						}
						if res := askFor(t, srv, http.MethodGet, api.path, ""); res.StatusCode != http.StatusOK {
							t.Errorf("%d %s", res.StatusCode, res.body)
						}
						s.Stats()
					}
				})
			}
		}
		group.Wait()
		c.pass(time.Minute)
		if l, err := s.Ledger(); err != nil || l.Answered != 40 || l.Asked["r7"] != 4 {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func FuzzBatchBodies(f *testing.F) {
	f.Add(messageRequests(2, ""))
	f.Add(chatLines(2, "batch_line=1s"))
	for _, odd := range []string{`{"requests":[null]}`, `{"requests":[{"custom_id":"a","params":null}]}`, "null\n[]\n{}", `{"requests":[{"custom_id":"a","params":{}}],"requests":[]}`} {
		f.Add(odd)
	}
	s, err := New(Config{Now: fixed})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b := &batchBody{l: vendorLimits, words: usualJob(), seen: make(map[string]bool)}
		if p := b.read([]byte(body)); p == nil && (b.total == 0 || b.total != strings.Count(string(b.lines), "\n")) {
			t.Errorf("%d requests in %q", b.total, b.lines)
		}
		c := &lineCheck{s: s, r: &jobRecord{Endpoint: chatPath, Words: usualJob()}, seen: make(map[string]bool)}
		for n, line := range strings.Split(body, "\n") {
			c.line(n+1, []byte(line))
		}
	})
}

func TestIDsAfterRestart(t *testing.T) {
	t.Parallel()
	cfg := Config{Now: fixed, BatchDir: t.TempDir()}
	_, srv := server(t, cfg)
	one := anthropicJob(t, srv, messageRequests(1, ""))
	_, srv = server(t, cfg)
	if two := anthropicJob(t, srv, messageRequests(1, "")); one == two {
		t.Errorf("%s twice", one)
	}
}
