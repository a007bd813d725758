package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// counts are the request_counts of a batch.
func counts(t *testing.T, body []byte) string {
	t.Helper()
	s := ""
	for _, name := range []string{"processing", "succeeded", "errored", "canceled", "expired"} {
		s += fmt.Sprint(dig(t, body, "request_counts", name), " ")
	}
	return strings.TrimSpace(s)
}

func TestMessageBatchLife(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config("batch_delay=10s,batch_line=1s"))
	requests := strings.Replace(messageRequests(10, ""), `{"requests":[`, `{"requests":[{"custom_id":"bad","params":{"model":"claude-opus-4-6","messages":[]}},`, 1)
	body := asked(t, srv, http.MethodPost, batchesPath, requests)
	id, _ := dig(t, body, "id").(string)
	if !strings.HasPrefix(id, "msgbatch_01") || dig(t, body, "type") != "message_batch" {
		t.Errorf("made %s", body)
	}
	for _, step := range []struct {
		pass           time.Duration
		status, counts string
	}{
		{0, "in_progress", "11 0 0 0 0"},
		{10 * time.Second, "in_progress", "11 0 0 0 0"}, // five are answered, and nobody is told
		{11 * time.Second, "ended", "0 10 1 0 0"},
	} {
		c.pass(step.pass)
		body = asked(t, srv, http.MethodGet, batchesPath+"/"+id, "")
		if dig(t, body, "processing_status") != step.status || counts(t, body) != step.counts {
			t.Errorf("after %s: %s", step.pass, body)
		}
		ended := step.status == "ended"
		if (dig(t, body, "results_url") != nil) != ended || (dig(t, body, "ended_at") != nil) != ended {
			t.Errorf("%s", body)
		}
		if res := askFor(t, srv, http.MethodGet, batchesPath+"/"+id+"/results", ""); (res.StatusCode == http.StatusOK) != ended {
			t.Errorf("results: %d", res.StatusCode)
		}
	}
	for name, want := range map[string]any{
		"created_at": "2026-01-02T03:04:05.000000Z", "expires_at": "2026-01-03T03:04:05.000000Z", "ended_at": "2026-01-02T03:04:26.000000Z",
		"archived_at": nil, "cancel_initiated_at": nil, "results_url": srv.URL + batchesPath + "/" + id + "/results",
	} {
		if got := dig(t, body, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	checkResults(t, asked(t, srv, http.MethodGet, batchesPath+"/"+id+"/results", ""), func(i int) []byte {
		return asked(t, srv, http.MethodPost, "/v1/messages",
			fmt.Sprintf(`{"model":"claude-opus-4-6","max_tokens":200,"messages":[{"role":"user","content":"question %d"}]}`, i))
	})
	c.pass(jobKept)
	body = asked(t, srv, http.MethodGet, batchesPath+"/"+id, "")
	if dig(t, body, "archived_at") == nil || dig(t, body, "results_url") != nil {
		t.Errorf("much later: %s", body)
	}
}

// checkResults looks at the results of TestMessageBatchLife.
func checkResults(t *testing.T, body []byte, live func(i int) []byte) {
	t.Helper()
	lines, order := jsonl(t, body)
	if len(lines) != 11 || slices.IsSorted(order[1:]) {
		t.Errorf("order %v", order)
	}
	for i := range 10 {
		line := lines[fmt.Sprint("r", i)]
		got := dig(t, line, "result", "message")
		if dig(t, line, "result", "type") != "succeeded" || dig(t, line, "result", "message", "usage", "service_tier") != "batch" ||
			!same(t, got, dig(t, live(i)), "usage") {
			t.Errorf("%d: %s", i, line)
		}
	}
	bad := lines["bad"]
	if dig(t, bad, "result", "type") != "errored" || dig(t, bad, "result", "error", "type") != "error" ||
		dig(t, bad, "result", "error", "error", "type") != invalidRequest || dig(t, bad, "result", "error", "request_id") == nil {
		t.Errorf("%s", bad)
	}
}

func TestMessageBatchEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		cancel time.Duration
		counts string
	}{
		"expired":   {"batch_expire=3", 0, "0 3 0 0 7"},
		"canceled":  {"batch_delay=0s,batch_line=1s", 4500 * time.Millisecond, "0 4 0 6 0"},
		"day":       {"batch_delay=0s,batch_line=1h,batch_expire=20", 0, "0 10 0 0 0"},
		"at once":   {"batch_delay=1s", time.Millisecond, "0 0 0 10 0"},
		"no errors": {"batch_line=0s", 0, "0 10 0 0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			_, srv := server(t, c.config(""))
			id := anthropicJob(t, srv, messageRequests(10, tt.script))
			path := batchesPath + "/" + id
			if res := askFor(t, srv, http.MethodDelete, path, ""); res.StatusCode != http.StatusBadRequest {
				t.Errorf("deleted in the middle: %d", res.StatusCode)
			}
			if tt.cancel > 0 {
				c.pass(tt.cancel)
				body := asked(t, srv, http.MethodPost, path+"/cancel", "")
				if dig(t, body, "processing_status") != "canceling" || dig(t, body, "cancel_initiated_at") == nil || counts(t, body) != "10 0 0 0 0" {
					t.Errorf("%s", body)
				}
			}
			c.pass(12 * time.Hour)
			if body := asked(t, srv, http.MethodGet, path, ""); counts(t, body) != tt.counts || dig(t, body, "processing_status") != "ended" {
				t.Errorf("%s", body)
			}
			sorts := map[any]int{}
			lines, _ := jsonl(t, asked(t, srv, http.MethodGet, path+"/results", ""))
			for _, line := range lines {
				sorts[dig(t, line, "result", "type")]++
			}
			if got := fmt.Sprint("0 ", sorts["succeeded"], sorts["errored"], sorts["canceled"], sorts["expired"]); got != tt.counts {
				t.Errorf("%s in the results", got)
			}
			if res := askFor(t, srv, http.MethodPost, path+"/cancel", ""); res.StatusCode != http.StatusBadRequest {
				t.Errorf("canceled at the end: %d", res.StatusCode)
			}
			if body := asked(t, srv, http.MethodDelete, path, ""); dig(t, body, "type") != "message_batch_deleted" || dig(t, body, "id") != id {
				t.Errorf("%s", body)
			}
			if res := askFor(t, srv, http.MethodGet, path, ""); res.StatusCode != http.StatusNotFound || dig(t, res.body, "error", "type") != "not_found_error" {
				t.Errorf("deleted: %d %s", res.StatusCode, res.body)
			}
			if body := asked(t, srv, http.MethodGet, batchesPath, ""); dig(t, body, "data", 0) != nil {
				t.Errorf("deleted, and in the list: %s", body)
			}
		})
	}
}

func TestMessageBatchRefuses(t *testing.T) {
	t.Parallel()
	s, srv := server(t, Config{})
	s.desk.limits.requests = 20
	s.desk.limits.create = 1 << 16
	good := messageRequests(2, "")
	for name, tt := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"no json":    {"{", 400, "not valid JSON"},
		"a list":     {"[]", 400, "not valid JSON"},
		"nothing":    {"{}", 400, "requests: Field required"},
		"empty":      {`{"requests":[]}`, 400, "at least 1"},
		"no list":    {`{"requests":{}}`, 400, "requests: Input should be a valid list"},
		"too many":   {messageRequests(21, ""), 400, "at most 20"},
		"too long":   {`{"requests":[` + strings.Repeat(" ", 1<<16), 413, ""},
		"twice":      {strings.Replace(good, "r1", "r0", 1), 400, "requests.1.custom_id: custom_id must be unique"},
		"odd id":     {strings.Replace(good, "r1", "r 1", 1), 400, "requests.1.custom_id: String should match"},
		"long id":    {strings.Replace(good, "r1", strings.Repeat("r", 65), 1), 400, "requests.1.custom_id: String should match"},
		"no id":      {strings.Replace(good, `"custom_id":"r1",`, "", 1), 400, "requests.1.custom_id: Field required"},
		"no params":  {`{"requests":[{"custom_id":"a"}]}`, 400, "requests.0.params: Field required"},
		"stream":     {strings.Replace(good, `"max_tokens"`, `"stream":true,"max_tokens"`, 1), 400, "requests.0.params.stream: "},
		"more":       {`{"requests":[{"custom_id":"a","params":{},"x":1}]}`, 400, "requests.0.x: Extra inputs"},
		"more above": {`{"x":1,` + good[1:], 400, "x: Extra inputs"},
		"by script":  {messageRequests(2, "batch_refuse"), 400, "refused"},
		"long is ok": {strings.Replace(good, "r1", strings.Repeat("r", 64), 1), 200, ""},
	} {
		res := askFor(t, srv, http.MethodPost, batchesPath, tt.body)
		if res.StatusCode != tt.status || tt.status == 400 && (dig(t, res.body, "error", "type") != invalidRequest ||
			!strings.Contains(dig(t, res.body, "error", "message").(string), tt.says)) {
			t.Errorf("%s: %d %s", name, res.StatusCode, res.body)
		}
	}
	if res := send(t, srv, http.MethodGet, batchesPath, "", "X-Api-Key", "k"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("no version: %d %s", res.StatusCode, res.body)
	}
}

func TestMessageBatchVersion(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config(""))
	body := strings.ReplaceAll(messageRequests(1, ""), `"max_tokens"`, `"temperature":1,"max_tokens"`)
	res := send(t, srv, http.MethodPost, batchesPath, body, "Authorization", "Bearer k", "Anthropic-Version", newestVersion)
	c.pass(time.Minute)
	got := asked(t, srv, http.MethodGet, batchesPath+"/"+dig(t, res.body, "id").(string)+"/results", "")
	if dig(t, got, "result", "type") != "errored" || !strings.Contains(string(got), "temperature") {
		t.Errorf("%s", got)
	}
}

func TestMessageBatchList(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config(""))
	ids := make([]string, 4)
	for i := range ids {
		ids[3-i] = anthropicJob(t, srv, messageRequests(1, ""))
	}
	for query, want := range map[string]struct {
		ids  []string
		more bool
	}{
		"":                                    {ids, false},
		"?limit=2":                            {ids[:2], true},
		"?limit=2&after_id=" + ids[1]:         {ids[2:], false},
		"?limit=1&after_id=" + ids[1]:         {ids[2:3], true},
		"?limit=2&before_id=" + ids[3]:        {ids[1:3], true},
		"?limit=2&before_id=" + ids[2]:        {ids[:2], false},
		"?limit=2&before_id=" + ids[0]:        {nil, false},
		"?limit=1000&beta=true&after_id=none": {ids, false},
	} {
		body := asked(t, srv, http.MethodGet, batchesPath+query, "")
		var got []string
		for i := range ids {
			if id, ok := dig(t, body, "data", i, "id").(string); ok {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want.ids) || dig(t, body, "has_more") != want.more {
			t.Errorf("%s: %s", query, body)
		}
		if len(want.ids) > 0 && (dig(t, body, "first_id") != want.ids[0] || dig(t, body, "last_id") != want.ids[len(want.ids)-1]) {
			t.Errorf("%s: %s", query, body)
		}
	}
	if res := askFor(t, srv, http.MethodGet, batchesPath+"?limit=1001", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	for path, method := range map[string]string{"": http.MethodGet, "/cancel": http.MethodPost, "/results": http.MethodGet} {
		res := send(t, srv, method, batchesPath+"/"+ids[0]+path, "", "X-Api-Key", "other", "Anthropic-Version", "2023-06-01")
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("another key: %s %d", path, res.StatusCode)
		}
	}
	for _, path := range []string{"/v1/batches/" + ids[0], "/v1/files"} { // Anthropic has neither
		res := send(t, srv, http.MethodGet, path, "", "Authorization", "Bearer k", "Anthropic-Version", "2023-06-01")
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
