package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOpenAIBatchLife(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config("batch_delay=10s,batch_line=1s"))
	file := chatLines(9, "") + chatLine("bad", "gpt-4o#status=429", "x")
	in := uploaded(t, srv, file)
	body := asked(t, srv, http.MethodPost, "/v1/batches", createdOf(in, chatPath))
	id, _ := dig(t, body, "id").(string)
	if !strings.HasPrefix(id, "batch_") || dig(t, body, "object") != "batch" || dig(t, body, "input_file_id") != in ||
		dig(t, body, "metadata", "k") != "v" || dig(t, body, "completion_window") != "24h" {
		t.Errorf("made %s", body)
	}
	for _, step := range []struct {
		pass             time.Duration
		status           string
		total, completed float64
	}{
		{0, "validating", 0, 0},
		{5 * time.Second, "in_progress", 10, 0},
		{3500 * time.Millisecond, "in_progress", 10, 3},
		{6500 * time.Millisecond, "finalizing", 10, 9},
		{5 * time.Second, "completed", 10, 9},
		{time.Hour, "completed", 10, 9},
	} {
		c.pass(step.pass)
		body = asked(t, srv, http.MethodGet, "/v1/batches/"+id, "")
		if dig(t, body, "status") != step.status || dig(t, body, "request_counts", "total") != step.total ||
			dig(t, body, "request_counts", "completed") != step.completed {
			t.Errorf("after %s, want %+v: %s", step.pass, step, body)
		}
		if ended := step.status == "completed"; (dig(t, body, "output_file_id") != nil) != ended || (dig(t, body, "error_file_id") != nil) != ended {
			t.Errorf("files at %s: %s", step.status, body)
		}
	}
	start := float64(fixed().Unix())
	for name, want := range map[string]any{
		"created_at": start, "in_progress_at": start + 5, "finalizing_at": start + 15, "completed_at": start + 20,
		"expires_at": start + 86400, "failed_at": nil, "expired_at": nil, "cancelling_at": nil, "cancelled_at": nil,
		"errors": nil, "model": "gpt-4o-2024-08-06",
	} {
		if got := dig(t, body, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	checkOutput(t, body, func(path string) []byte { return asked(t, srv, http.MethodGet, path, "") })
	for i := range 9 { // as the live request is answered
		live := chat(t, srv, fmt.Sprintf(`{"model":"gpt-4o","messages":[{"role":"user","content":"question %d"}]}`, i), "none")
		lines, _ := jsonl(t, asked(t, srv, http.MethodGet, "/v1/files/"+dig(t, body, "output_file_id").(string)+"/content", ""))
		if got := dig(t, lines[fmt.Sprint("r", i)], "response", "body"); !same(t, got, dig(t, live.body), "created") {
			t.Errorf("line %d: %v, live %s", i, got, live.body)
		}
	}
	if res := askFor(t, srv, http.MethodPost, "/v1/batches/"+id+"/cancel", ""); res.StatusCode != http.StatusConflict {
		t.Errorf("cancel of what is done: %d %s", res.StatusCode, res.body)
	}
}

// checkOutput looks at the files of TestOpenAIBatchLife.
func checkOutput(t *testing.T, batch []byte, get func(string) []byte) {
	t.Helper()
	out, _ := dig(t, batch, "output_file_id").(string)
	errs, _ := dig(t, batch, "error_file_id").(string)
	content := get("/v1/files/" + out + "/content")
	lines, order := jsonl(t, content)
	if len(lines) != 9 || slices.IsSorted(order) {
		t.Errorf("order %v", order)
	}
	object := get("/v1/files/" + out)
	if dig(t, object, "bytes") != float64(len(content)) || dig(t, object, "purpose") != "batch_output" || dig(t, object, "object") != "file" {
		t.Errorf("%d bytes in %s", len(content), object)
	}
	var input, output float64
	for id, line := range lines {
		if dig(t, line, "error") != nil || dig(t, line, "response", "status_code") != 200.0 ||
			!strings.HasPrefix(dig(t, line, "id").(string), "batch_req_") || dig(t, line, "response", "request_id") == "" {
			t.Errorf("%s: %s", id, line)
		}
		input += dig(t, line, "response", "body", "usage", "prompt_tokens").(float64)
		output += dig(t, line, "response", "body", "usage", "completion_tokens").(float64)
	}
	if dig(t, batch, "usage", "input_tokens") != input || dig(t, batch, "usage", "output_tokens") != output ||
		dig(t, batch, "usage", "total_tokens") != input+output {
		t.Errorf("%v and %v tokens, but %s", input, output, batch)
	}
	bad, _ := jsonl(t, get("/v1/files/"+errs+"/content"))
	if line := bad["bad"]; len(bad) != 1 || dig(t, line, "error") != nil || dig(t, line, "response", "status_code") != 429.0 ||
		dig(t, line, "response", "body", "error", "code") != "rate_limit_exceeded" {
		t.Errorf("errors %s", bad)
	}
}

func TestOpenAIBatchEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script   string
		cancel   time.Duration // 0: never
		wait     time.Duration
		status   string
		answered int
		code     string
	}{
		"script expires":    {script: "batch_expire=3", wait: time.Minute, status: "expired", answered: 3, code: "batch_expired"},
		"nothing done":      {script: "batch_expire=0", wait: time.Minute, status: "expired", code: "batch_expired"},
		"day is over":       {script: "batch_line=1h,batch_delay=0s", wait: 25 * time.Hour, status: "expired", answered: 24, code: "batch_expired"},
		"cancelled":         {script: "batch_line=1s,batch_delay=0s", cancel: 5500 * time.Millisecond, wait: time.Minute, status: "cancelled", answered: 5, code: "batch_cancelled"},
		"cancelling":        {script: "batch_line=1s,batch_delay=0s,batch_cancel=1h", cancel: 5500 * time.Millisecond, wait: time.Minute, status: "cancelling", answered: 5},
		"cancelled early":   {script: "batch_delay=1m", cancel: time.Second, wait: time.Minute, status: "cancelled", code: "batch_cancelled"},
		"expire in no time": {script: "batch_expire=3,batch_line=0s", wait: time.Minute, status: "expired", answered: 3, code: "batch_expired"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			_, srv := server(t, c.config(""))
			id := openAIJob(t, srv, chatLines(30, tt.script))
			if tt.cancel > 0 {
				c.pass(tt.cancel)
				for range 2 { // once more does no harm
					if body := asked(t, srv, http.MethodPost, "/v1/batches/"+id+"/cancel", ""); dig(t, body, "status") != "cancelling" {
						t.Errorf("%s", body)
					}
				}
			}
			c.pass(tt.wait)
			body := asked(t, srv, http.MethodGet, "/v1/batches/"+id, "")
			if dig(t, body, "status") != tt.status || dig(t, body, "request_counts", "completed") != float64(tt.answered) {
				t.Errorf("%s", body)
			}
			if tt.code == "" {
				return
			}
			if dig(t, body, "finalizing_at") != nil || dig(t, body, "completed_at") != nil {
				t.Errorf("%s", body)
			}
			if (dig(t, body, "output_file_id") != nil) != (tt.answered > 0) || dig(t, body, tt.status+"_at") == nil {
				t.Errorf("%s", body)
			}
			bad, _ := jsonl(t, asked(t, srv, http.MethodGet, "/v1/files/"+dig(t, body, "error_file_id").(string)+"/content", ""))
			if len(bad) != 30-tt.answered {
				t.Errorf("%d lines without an answer", len(bad))
			}
			for _, line := range bad {
				if dig(t, line, "error", "code") != tt.code || dig(t, line, "response") != nil {
					t.Errorf("%s", line)
				}
			}
		})
	}
}

func TestOpenAIBatchValidation(t *testing.T) {
	t.Parallel()
	line := chatLine("a", "gpt-4o", "x")
	tests := map[string]struct {
		file, code string
		line       any
		param      any
	}{
		"empty":        {"\n", "empty_file", nil, nil},
		"no json":      {line + "{\n", "invalid_json_line", 2.0, nil},
		"twice":        {line + "\n" + line, "duplicate_custom_id", 3.0, "custom_id"},
		"no id":        {strings.Replace(line, `"custom_id":"a",`, "", 1), "missing_required_parameter", 1.0, "custom_id"},
		"get":          {strings.Replace(line, "POST", "GET", 1), "invalid_method", 1.0, "method"},
		"other url":    {strings.Replace(line, chatPath, "/v1/embeddings", 1), "invalid_url", 1.0, "url"},
		"no body":      {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions"}`, "missing_required_parameter", 1.0, "body"},
		"no model":     {strings.Replace(line, `"model":"gpt-4o",`, "", 1), "missing_required_parameter", 1.0, "body.model"},
		"two models":   {line + chatLine("b", "gpt-5", "x"), "mismatched_model", 2.0, "body.model"},
		"who is that":  {chatLine("a", "nobody", "x"), "model_not_found", 1.0, "body.model"},
		"too many":     {chatLines(21, ""), "too_many_tasks", nil, nil},
		"refused":      {chatLines(3, "batch_refuse"), "token_limit_exceeded", nil, nil},
		"an embedding": {chatLine("a", "text-embedding-3-small", "x"), "model_not_found", 1.0, "body.model"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s, srv := server(t, c.config(""))
			s.desk.limits.lines = 20
			body := asked(t, srv, http.MethodPost, "/v1/batches", createdOf(uploaded(t, srv, tt.file), chatPath))
			if dig(t, body, "status") != "validating" {
				t.Errorf("%s", body)
			}
			c.pass(time.Minute)
			body = asked(t, srv, http.MethodGet, "/v1/batches/"+dig(t, body, "id").(string), "")
			if dig(t, body, "status") != "failed" || dig(t, body, "failed_at") == nil || dig(t, body, "errors", "object") != "list" ||
				dig(t, body, "errors", "data", 0, "code") != tt.code || dig(t, body, "errors", "data", 0, "line") != tt.line ||
				dig(t, body, "errors", "data", 0, "param") != tt.param || dig(t, body, "errors", "data", 0, "message") == "" {
				t.Errorf("%s", body)
			}
			if dig(t, body, "output_file_id") != nil || dig(t, body, "error_file_id") != nil {
				t.Errorf("files in %s", body)
			}
		})
	}
}

func TestOpenAIBatchRefuses(t *testing.T) {
	t.Parallel()
	_, srv := server(t, Config{})
	in := uploaded(t, srv, chatLines(1, ""))
	body, sort := form(t, "x", "purpose", "user_data")
	res := send(t, srv, http.MethodPost, "/v1/files", body, "Authorization", "Bearer k", "Content-Type", sort)
	other, _ := dig(t, res.body, "id").(string)
	good := createdOf(in, chatPath)
	for name, tt := range map[string]struct{ body, param string }{
		"no file":       {strings.Replace(good, `"input_file_id":"`+in+`",`, "", 1), "input_file_id"},
		"unknown file":  {strings.Replace(good, in, "file-x", 1), "input_file_id"},
		"other purpose": {strings.Replace(good, in, other, 1), "input_file_id"},
		"no endpoint":   {strings.Replace(good, `"endpoint":"/v1/chat/completions",`, "", 1), "endpoint"},
		"endpoint":      {strings.Replace(good, chatPath, "/v1/moderations", 1), "endpoint"},
		"window":        {strings.Replace(good, "24h", "1h", 1), "completion_window"},
		"unknown":       {strings.Replace(good, "{", `{"priority":1,`, 1), "priority"},
		"metadata":      {strings.Replace(good, `{"k":"v"}`, `{"k":1}`, 1), "metadata"},
		"metadata long": {strings.Replace(good, `"v"`, `"`+strings.Repeat("v", 513)+`"`, 1), "metadata"},
		"keep":          {strings.Replace(good, "{", `{"output_expires_after":{"anchor":"created_at","seconds":3599},`, 1), "output_expires_after.seconds"},
		"keep anchor":   {strings.Replace(good, "{", `{"output_expires_after":{"seconds":3600},`, 1), "output_expires_after.anchor"},
	} {
		res := askFor(t, srv, http.MethodPost, "/v1/batches", tt.body)
		if res.StatusCode != http.StatusBadRequest || dig(t, res.body, "error", "param") != tt.param {
			t.Errorf("%s: %d %s", name, res.StatusCode, res.body)
		}
	}
	if res := askFor(t, srv, http.MethodGet, "/v1/batches/batch_x", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	if res := askFor(t, srv, http.MethodPut, "/v1/batches", ""); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	if res := askFor(t, srv, http.MethodGet, "/v1/batches?limit=101", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	c := newClock()
	s, srv := server(t, c.config(""))
	s.desk.limits.batchFile, s.desk.limits.file = 2000, 3000
	res := uploading(t, srv, "one\n", "purpose", "batch", "expires_after[anchor]", "created_at", "expires_after[seconds]", "3600")
	one, _ := dig(t, res.body, "id").(string)
	if !strings.HasPrefix(one, filePrefix) || dig(t, res.body, "bytes") != 4.0 || dig(t, res.body, "filename") != "in.jsonl" ||
		dig(t, res.body, "expires_at") != float64(fixed().Unix()+3600) || dig(t, res.body, "purpose") != "batch" {
		t.Errorf("%s", res.body)
	}
	c.pass(time.Second)
	two := uploaded(t, srv, strings.Repeat("x", 2000))
	if got := asked(t, srv, http.MethodGet, "/v1/files/"+two+"/content", ""); len(got) != 2000 {
		t.Errorf("%d bytes", len(got))
	}
	for query, want := range map[string][2]any{
		"":                   {two, one},
		"?order=asc":         {one, two},
		"?limit=1":           {two, nil},
		"?after=" + two:      {one, nil},
		"?purpose=batch":     {two, one},
		"?purpose=fine-tune": {nil, nil},
	} {
		body := asked(t, srv, http.MethodGet, "/v1/files"+query, "")
		if dig(t, body, "data", 0, "id") != want[0] || dig(t, body, "data", 1, "id") != want[1] ||
			dig(t, body, "first_id") != want[0] || dig(t, body, "has_more") != (query == "?limit=1") {
			t.Errorf("%q: %s", query, body)
		}
	}
	if body := asked(t, srv, http.MethodDelete, "/v1/files/"+two, ""); dig(t, body, "deleted") != true || dig(t, body, "id") != two {
		t.Errorf("%s", body)
	}
	c.pass(time.Hour)
	for _, id := range []string{one, two} { // expired, deleted
		for _, path := range []string{"", "/content"} {
			if res := askFor(t, srv, http.MethodGet, "/v1/files/"+id+path, ""); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %d", id, path, res.StatusCode)
			}
		}
	}
}

func TestUploadRefuses(t *testing.T) {
	t.Parallel()
	s, srv := server(t, Config{})
	s.desk.limits.batchFile, s.desk.limits.file = 2000, 3000
	for name, tt := range map[string]struct {
		size   int
		fields []string
		status int
		param  any
	}{
		"no purpose":   {1, nil, 400, "purpose"},
		"odd purpose":  {1, []string{"purpose", "fun"}, 400, "purpose"},
		"long":         {2001, []string{"purpose", "batch"}, 413, nil},
		"other's long": {3001, []string{"purpose", "evals"}, 413, nil},
		"very long":    {1 << 20, []string{"purpose", "evals"}, 413, nil},
		"other's":      {2001, []string{"purpose", "evals"}, 200, nil},
		"no anchor":    {1, []string{"purpose", "batch", "expires_after[seconds]", "3600"}, 400, "expires_after.anchor"},
		"short":        {1, []string{"purpose", "batch", "expires_after[anchor]", "created_at", "expires_after[seconds]", "3599"}, 400, "expires_after.seconds"},
	} {
		res := uploading(t, srv, strings.Repeat("x", tt.size), tt.fields...)
		if res.err != nil || res.StatusCode != tt.status || tt.status != 200 && dig(t, res.body, "error", "param") != tt.param {
			t.Errorf("%s: %v %s", name, res.err, res.body)
		}
	}
	if res := askFor(t, srv, http.MethodPost, "/v1/files", "{}"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
	res := send(t, srv, http.MethodPost, "/v1/files", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhalf",
		"Authorization", "Bearer k", "Content-Type", "multipart/form-data; boundary=b")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("half a form: %d %s", res.StatusCode, res.body)
	}
	if names, _ := s.desk.names(); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
}

func TestEmbeddingBatch(t *testing.T) {
	t.Parallel()
	c := newClock()
	s, srv := server(t, c.config(""))
	s.desk.limits.inputs = 3
	line := func(id, input string) string {
		return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/embeddings","body":{"model":"text-embedding-3-small","dimensions":4,"input":%s}}`, id, input) + "\n"
	}
	id := openAIJob(t, srv, line("a", `"hello"`)+line("b", `["x","y"]`))
	many := openAIJob(t, srv, line("a", `[1,2,3,4]`)+line("b", `["x","y","z"]`))
	c.pass(time.Minute)
	body := asked(t, srv, http.MethodGet, "/v1/batches/"+id, "")
	lines, _ := jsonl(t, asked(t, srv, http.MethodGet, "/v1/files/"+dig(t, body, "output_file_id").(string)+"/content", ""))
	live := askFor(t, srv, http.MethodPost, "/v1/embeddings", `{"model":"text-embedding-3-small","dimensions":4,"input":["x","y"]}`)
	if !same(t, dig(t, lines["b"], "response", "body"), dig(t, live.body)) || dig(t, body, "error_file_id") != nil {
		t.Errorf("%s, live %s", lines["b"], live.body)
	}
	if body := asked(t, srv, http.MethodGet, "/v1/batches/"+many, ""); dig(t, body, "errors", "data", 0, "code") != "too_many_inputs" {
		t.Errorf("%s", body)
	}
}

func TestOpenAIBatchList(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config(""))
	var ids []string
	for range 3 {
		ids = append(ids, openAIJob(t, srv, chatLines(1, "")))
	}
	slices.Reverse(ids)
	body := asked(t, srv, http.MethodGet, "/v1/batches?limit=2", "")
	if dig(t, body, "data", 0, "id") != ids[0] || dig(t, body, "last_id") != ids[1] || dig(t, body, "has_more") != true {
		t.Errorf("%s", body)
	}
	body = asked(t, srv, http.MethodGet, "/v1/batches?limit=2&after="+ids[1], "")
	if dig(t, body, "data", 0, "id") != ids[2] || dig(t, body, "data", 1) != nil || dig(t, body, "has_more") != false {
		t.Errorf("%s", body)
	}
	for _, path := range []string{"/v1/batches/" + ids[0], "/v1/batches/" + ids[0] + "/cancel"} {
		method := http.MethodGet
		if strings.HasSuffix(path, "cancel") {
			method = http.MethodPost
		}
		if res := send(t, srv, method, path, "", "Authorization", "Bearer other"); res.StatusCode != http.StatusNotFound {
			t.Errorf("another key: %s is %d", path, res.StatusCode)
		}
	}
	if res := send(t, srv, http.MethodGet, "/v1/batches", "", "Authorization", "Bearer other"); dig(t, res.body, "data", 0) != nil {
		t.Errorf("another key: %s", res.body)
	}
	if res := send(t, srv, http.MethodGet, "/v1/batches", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("no key: %d", res.StatusCode)
	}
}

func TestFilesAreKept(t *testing.T) {
	t.Parallel()
	c := newClock()
	_, srv := server(t, c.config("batch_delay=0s,batch_line=0s"))
	in := uploaded(t, srv, chatLines(1, ""))
	create := createdOf(in, chatPath)
	first := asked(t, srv, http.MethodPost, "/v1/batches", create)
	short := asked(t, srv, http.MethodPost, "/v1/batches", strings.Replace(create, "{", `{"output_expires_after":{"anchor":"created_at","seconds":3600},`, 1))
	c.pass(time.Hour)
	for name, tt := range map[string]struct {
		id   any
		kept bool
	}{
		"input": {in, true}, "output": {dig(t, first, "output_file_id"), true}, "short": {dig(t, short, "output_file_id"), false},
	} {
		path := "/v1/files/" + tt.id.(string)
		if res := askFor(t, srv, http.MethodGet, path, ""); (res.StatusCode == http.StatusOK) != tt.kept {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	c.pass(fileKept)
	if body := asked(t, srv, http.MethodGet, "/v1/files", ""); dig(t, body, "data", 0) != nil {
		t.Errorf("after a month: %s", body)
	}
}

func TestInputDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	c := newClock()
	s, srv := server(t, c.config(""))
	in := uploaded(t, srv, chatLines(2, ""))
	batch := asked(t, srv, http.MethodPost, "/v1/batches", createdOf(in, chatPath))
	asked(t, srv, http.MethodDelete, "/v1/files/"+in, "")
	if err := s.SetFaults("status=503"); err != nil { // hits requests, not the lines of a batch
		t.Fatal(err)
	}
	c.pass(time.Minute)
	l, err := s.Ledger()
	if err != nil || l.Answered != 2 || l.Failed != 0 {
		t.Errorf("%+v %v", l, err)
	}
	if err := s.SetFaults(""); err != nil {
		t.Fatal(err)
	}
	batch = asked(t, srv, http.MethodGet, "/v1/batches/"+dig(t, batch, "id").(string), "")
	_, order := jsonl(t, asked(t, srv, http.MethodGet, "/v1/files/"+dig(t, batch, "output_file_id").(string)+"/content", ""))
	if len(order) != 2 {
		t.Errorf("%v", order)
	}
}

func TestShuffled(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		for i := range 20 {
			order := shuffled(fmt.Sprint(i), n)
			if n > 1 && slices.IsSorted(order) || !slices.Equal(order, shuffled(fmt.Sprint(i), n)) {
				t.Errorf("%d lines: %v", n, order)
			}
		}
	}
}
