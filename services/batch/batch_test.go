package batch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch"
)

func TestOpenAI(t *testing.T) {
	t.Parallel()
	const n = 300
	r := newRouter()
	r.answer = func(_ context.Context, in *routerv1.RelayRequest, _ string) error {
		if strings.Contains(string(in.GetBody()), `"content":"7"`) {
			return &reply{status: 400, body: "{\n \"error\": {\"message\": \"no\"}}"}
		}
		return nil
	}
	c, ctx := start(t, t.TempDir(), batch.Config{}, r), client(t, "acme")
	b := create(ctx, t, c, openAILines(n), func(r *batchv1.CreateBatchRequest) {
		r.Sensitivity, r.Tags, r.Metadata = llmv1.Sensitivity_SENSITIVITY_HIGH, map[string]string{"team": "a"}, map[string]string{"k": "v"}
		r.Headers = map[string]string{"openai-beta": "x"}
	})
	b = until(ctx, t, c, b.GetId(), ended)
	if b.GetState() != batchv1.BatchState_BATCH_STATE_COMPLETED || b.GetCounts().GetTotal() != n ||
		b.GetCounts().GetCompleted() != n-1 || b.GetCounts().GetFailed() != 1 || b.GetModel() != "m" || b.GetMetadata()["k"] != "v" ||
		b.GetUsage().GetInputTokens() != 3*n || !strings.HasPrefix(b.GetId(), "batch_") {
		t.Errorf("%v", b)
	}
	for i, line := range results(ctx, t, c, b.GetId()) {
		if line.GetLine() != int64(i+1) || line.GetCustomId() != fmt.Sprintf("l%d", i+1) || line.GetRequestId() != fmt.Sprintf("%s.%d", b.GetId(), i+1) ||
			(line.GetOutcome() == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED) != (i != 6) || !json.Valid([]byte(line.GetBody())) {
			t.Fatalf("%v", line)
		}
	}
	output, failed := content(ctx, t, c, b.GetOutputFileId()), content(ctx, t, c, b.GetErrorFileId())
	first, _, _ := strings.Cut(output, "\n")
	id := b.GetId() + ".1"
	_, own, _ := strings.Cut(b.GetId(), "_")
	if want := fmt.Sprintf(`{"id":"batch_req_%s_1","custom_id":"l1","response":{"status_code":200,"request_id":"%s","body":{"id":"%s"}},"error":null}`, own, id, id); first != want {
		t.Errorf("%s, want %s", first, want)
	}
	if strings.Count(output, "\n") != n-1 || strings.Count(failed, "\n") != 1 || !strings.Contains(failed, `"status_code":400`) || !strings.Contains(failed, `"error":null`) {
		t.Errorf("%d lines of output; %s", strings.Count(output, "\n"), failed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	md, in := r.seen[id], r.requests[id]
	for name, want := range map[string]string{
		"x-headgate-priority": "batch", "x-headgate-sensitivity": "high", "x-headgate-tags": "batch=" + b.GetId() + ",team=a",
		"x-headgate-internal-on-behalf": "key_acme", "x-request-id": id,
	} {
		if got := strings.Join(md.Get(name), "|"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if in.GetOperation() != routerv1.Operation_OPERATION_CHAT || in.GetDialect() != llmv1.Dialect_DIALECT_OPENAI ||
		string(in.GetBody()) != `{"model":"m","messages":[{"role":"user","content":"1"}]}` || in.GetHeaders()[0].GetName() != "openai-beta" {
		t.Errorf("%v", in)
	}
	for id, times := range r.asked {
		if times != 1 {
			t.Errorf("%s was asked %d times", id, times)
		}
	}
	if r.most > 8 {
		t.Errorf("%d lines at once", r.most)
	}
}

func TestAnthropic(t *testing.T) {
	t.Parallel()
	r := newRouter()
	r.answer = func(_ context.Context, in *routerv1.RelayRequest, _ string) error {
		if strings.Contains(string(in.GetBody()), `"bad"`) {
			return fault.New(errorsv1.Reason_REASON_MODEL_NOT_FOUND, "no such model").With("field", "model")
		}
		return nil
	}
	c, ctx := start(t, t.TempDir(), batch.Config{}, r), client(t, "acme")
	doc := ` {"note": [1, {"a": "]"}], "requests": [ {"custom_id":"a","params":{"model":"m","max_tokens":1,"messages":[]}},
		{"params": {"model": "bad"}, "custom_id": "\u0062"} ] , "more": null } `
	f, err := upload(ctx, c, &batchv1.FileDescription{Format: batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS}, strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateBatch(ctx, &batchv1.CreateBatchRequest{InputFileId: f.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	b := until(ctx, t, c, made.GetBatch().GetId(), ended)
	if b.GetCounts().GetCompleted() != 1 || b.GetCounts().GetFailed() != 1 || b.GetErrorFileId() != "" || !strings.HasPrefix(b.GetId(), "msgbatch_") {
		t.Errorf("%v", b)
	}
	want := `{"custom_id":"a","result":{"type":"succeeded","message":{"id":"ID.1"}}}
{"custom_id":"b","result":{"type":"errored","error":{"type":"error","error":{"type":"not_found_error","message":"no such model","details":{"error_code":"MODEL_NOT_FOUND","field":"model"}},"request_id":"ID.2"}}}
`
	if got := content(ctx, t, c, b.GetOutputFileId()); got != strings.ReplaceAll(want, "ID", b.GetId()) {
		t.Errorf("%s", got)
	}
	if h := r.requests[b.GetId()+".1"].GetHeaders(); len(h) != 1 || h[0].GetName() != "anthropic-version" || h[0].GetValue() != "2023-06-01" {
		t.Errorf("%v", h)
	}
	if got := string(r.requests[b.GetId()+".1"].GetBody()); got != `{"model":"m","max_tokens":1,"messages":[]}` {
		t.Errorf("asked %s", got)
	}
	if got := string(r.requests[b.GetId()+".2"].GetBody()); got != `{"model": "bad"}` {
		t.Errorf("asked %s", got)
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	r := newRouter()
	c, ctx := start(t, t.TempDir(), batch.Config{}, r), client(t, "acme")
	ask := func(bodies ...string) *batchv1.Batch {
		in := &batchv1.CreateBatchRequest{Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: batchv1.BatchOperation_BATCH_OPERATION_EMBED}
		for i, body := range bodies {
			in.Requests = append(in.Requests, &batchv1.BatchRequest{CustomId: fmt.Sprint("x", i), Body: body})
		}
		made, err := c.CreateBatch(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return until(ctx, t, c, made.GetBatch().GetId(), ended)
	}
	b := ask(`{"model":"e","input":"1"}`, " {\"model\":\"e\",\n\"input\":\"2\"}")
	if b.GetState() != batchv1.BatchState_BATCH_STATE_COMPLETED || b.GetCounts().GetCompleted() != 2 || b.GetInputFileId() != "" {
		t.Errorf("%v", b)
	}
	if in := r.requests[b.GetId()+".2"]; in.GetOperation() != routerv1.Operation_OPERATION_EMBED || string(in.GetBody()) != " {\"model\":\"e\",\n\"input\":\"2\"}" {
		t.Errorf("%v", in)
	}
	b = ask(`{"model":"e"}`, `{"model":"e",}`, `{}`)
	if b.GetState() != batchv1.BatchState_BATCH_STATE_FAILED || len(b.GetErrors()) != 2 || b.GetErrors()[0].GetLine() != 2 || b.GetErrors()[1].GetField() != "body.model" {
		t.Errorf("%v", b)
	}
}

// TestBadLines names all bad lines, and asks nothing.
func TestBadLines(t *testing.T) {
	t.Parallel()
	r := newRouter()
	c := start(t, t.TempDir(), batch.Config{MaxLine: 2048, MaxLines: 1200}, r)
	ctx := as(t.Context(), "CLIENT", "acme", "key_a m other*")
	line := func(id, rest string) string {
		return `{"custom_id":"` + id + `","method":"POST","url":"/v1/chat/completions",` + rest + "}\n"
	}
	good := openAILines(1)
	for _, test := range []struct{ name, content, want string }{
		{"broken JSON", good + "{oops}\n\n" + line("a", `"body":{"model":"m"}`), "2 invalid_json_line "},
		{"cut short", good + `{"custom_id":"a"`, "2 invalid_json_line "},
		{"no object", "[]\n", "1 invalid_json_line "},
		{"text that is no UTF-8", line("\xff", `"body":{"model":"m"}`), "1 invalid_json_line "},
		{"no custom_id", `{"method":"POST"}` + "\n", "1 missing_custom_id custom_id"},
		{"custom_id is a number", `{"custom_id":1}` + "\n", "1 missing_custom_id custom_id"},
		{"long custom_id", line(strings.Repeat("x", 65), `"body":{}`), "1 invalid_custom_id custom_id"},
		{"twice", good + good, "2 duplicate_custom_id custom_id"},
		{"method", `{"custom_id":"a","method":"GET"}`, "1 invalid_method method"},
		{"url", `{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m"}}`, "1 invalid_url url"},
		{"no body", line("a", `"x":1`), "1 missing_required_parameter body"},
		{"body is text", line("a", `"body":"x"`), "1 invalid_type body"},
		{"stream", line("a", `"body":{"model":"m","stream":true}`), "1 invalid_parameter body.stream"},
		{"no model", line("a", `"body":{}`), "1 missing_required_parameter body.model"},
		{"model of others", line("a", `"body":{"model":"secret"}`), "1 model_not_allowed body.model"},
		{"too long", line("a", `"body":{"model":"`+strings.Repeat("m", 3000)+`"}`) + good + "x", "1 line_too_long ,3 invalid_json_line "},
		{"too long without an end", good + strings.Repeat("m", 300_000), "2 line_too_long "},
		{"nothing", "\n \n", "0 empty_file "},
		{"too many", openAILines(1201), "0 too_many_tasks "},
	} {
		b := until(ctx, t, c, create(ctx, t, c, test.content).GetId(), ended)
		var got []string
		for _, e := range b.GetErrors() {
			got = append(got, fmt.Sprintf("%d %s %s", e.GetLine(), e.GetCode(), e.GetField()))
			if strings.Contains(e.GetMessage(), "secret") || e.GetMessage() == "" {
				t.Errorf("%s: %s", test.name, e.GetMessage())
			}
		}
		if strings.Join(got, ",") != test.want || b.GetState() != batchv1.BatchState_BATCH_STATE_FAILED || b.GetCounts().GetTotal() != 0 {
			t.Errorf("%s: %q, %v", test.name, got, b.GetState())
		}
	}
	if b := until(ctx, t, c, create(ctx, t, c, strings.Repeat("x\n", 1100)).GetId(), ended); len(b.GetErrors()) != 1000 {
		t.Errorf("%d errors", len(b.GetErrors()))
	}
	if len(r.asked) > 0 {
		t.Errorf("%v was asked", r.asked)
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	r := newRouter()
	c, ctx := start(t, t.TempDir(), batch.Config{MaxLine: 1 << 20}, r), client(t, "acme")
	good := `{"custom_id":"a","params":{"model":"m"}}`
	for _, test := range []struct{ name, content, want string }{
		{"nothing", ``, "0 invalid_json_line requests"},
		{"a list", `[` + good + `]`, "0 invalid_json_line requests"},
		{"no requests", `{"request":[]}`, "0 invalid_json_line requests"},
		{"no list", `{"requests":{}}`, "0 invalid_json_line requests"},
		{"twice", `{"requests":[` + good + `],"requests":[]}`, "0 invalid_json_line requests"},
		{"empty", `{"requests":[]}`, "0 empty_file "},
		{"cut short", `{"requests":[` + good, "1 invalid_json_line "},
		{"broken", `{"requests":[` + good + `,{"custom_id"}]}`, "2 invalid_json_line "},
		{"more behind", `{"requests":[` + good + `]} x`, "1 invalid_json_line "},
		{
			"several bad lines", `{"requests":[` + good + `,1,` + good + `,{"custom_id":"c"},{"params":{}}]}`,
			"2 invalid_json_line ,3 duplicate_custom_id custom_id,4 missing_required_parameter body,5 missing_custom_id custom_id",
		},
		{"too long", `{"requests":[` + good + `,{"custom_id":"b","params":{"model":"` + strings.Repeat("m", 3<<20) + `"}}]}`, "2 line_too_long "},
	} {
		f, err := upload(ctx, c, &batchv1.FileDescription{Format: batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS}, strings.NewReader(test.content))
		if err != nil {
			t.Fatal(err)
		}
		made, err := c.CreateBatch(ctx, &batchv1.CreateBatchRequest{InputFileId: f.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		b := until(ctx, t, c, made.GetBatch().GetId(), ended)
		var got []string
		for _, e := range b.GetErrors() {
			got = append(got, fmt.Sprintf("%d %s %s", e.GetLine(), e.GetCode(), e.GetField()))
		}
		if strings.Join(got, ",") != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
	if len(r.asked) > 0 {
		t.Errorf("%v was asked", r.asked)
	}
}

// TestWhoSeesWhat: another tenant's files and batches aren't there.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	c := start(t, t.TempDir(), batch.Config{}, newRouter())
	acme := client(t, "acme")
	b := until(acme, t, c, create(acme, t, c, openAILines(1)).GetId(), ended)
	for _, test := range []struct {
		name string
		ctx  context.Context
		sees bool
	}{
		{"the same key", acme, true},
		{"another key of the tenant", as(t.Context(), "CLIENT", "acme", "key_2"), true},
		{"another tenant", client(t, "globex"), false},
		{"another tenant's administrator", as(t.Context(), "ADMIN", "globex", "key_3"), false},
		{"a client without a tenant", as(t.Context(), "CLIENT", "", "key_4"), false},
		{"the operator", as(t.Context(), "ADMIN", "", "admin"), true},
	} {
		errs := map[string]error{}
		_, errs["GetFile"] = c.GetFile(test.ctx, &batchv1.GetFileRequest{Id: b.GetInputFileId()})
		_, errs["GetBatch"] = c.GetBatch(test.ctx, &batchv1.GetBatchRequest{Id: b.GetId()})
		_, errs["CancelBatch"] = c.CancelBatch(test.ctx, &batchv1.CancelBatchRequest{Id: b.GetId()})
		_, errs["CreateBatch"] = c.CreateBatch(test.ctx, &batchv1.CreateBatchRequest{InputFileId: b.GetInputFileId()})
		_, errs["ListBatches after"] = c.ListBatches(test.ctx, &batchv1.ListBatchesRequest{After: b.GetId()})
		_, errs["ListFiles after"] = c.ListFiles(test.ctx, &batchv1.ListFilesRequest{After: b.GetInputFileId()})
		read, err := c.ReadFile(test.ctx, &batchv1.ReadFileRequest{Id: b.GetOutputFileId()})
		if err == nil {
			_, err = read.Recv()
		}
		errs["ReadFile"] = err
		lines, err := c.StreamResults(test.ctx, &batchv1.StreamResultsRequest{Id: b.GetId()})
		if err == nil {
			_, err = lines.Recv()
		}
		errs["StreamResults"] = err
		if !test.sees {
			_, errs["DeleteFile"] = c.DeleteFile(test.ctx, &batchv1.DeleteFileRequest{Id: b.GetInputFileId()})
			_, errs["DeleteBatch"] = c.DeleteBatch(test.ctx, &batchv1.DeleteBatchRequest{Id: b.GetId()})
		}
		for method, err := range errs {
			if absent := err != nil && fault.From(err).Reason == errorsv1.Reason_REASON_NOT_FOUND; absent == test.sees || (err != nil && !absent) {
				t.Errorf("%s: %s: %v", test.name, method, err)
			}
		}
		batches, err := c.ListBatches(test.ctx, &batchv1.ListBatchesRequest{})
		if err != nil || (len(batches.GetBatches()) > 0) != test.sees {
			t.Errorf("%s: %v %v", test.name, batches, err)
		}
		files, err := c.ListFiles(test.ctx, &batchv1.ListFilesRequest{})
		if err != nil || (len(files.GetFiles()) > 0) != test.sees {
			t.Errorf("%s: %v %v", test.name, files, err)
		}
	}
	if _, err := c.ListFiles(t.Context(), &batchv1.ListFilesRequest{}); fault.From(err).Reason != errorsv1.Reason_REASON_MISSING_API_KEY {
		t.Errorf("without a key: %v", err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	c, ctx := start(t, t.TempDir(), batch.Config{MaxFile: 1 << 20}, newRouter()), client(t, "acme")
	d := openAIFile()
	d.ExpiresAfter = durationpb.New(3600e9)
	text := strings.Repeat("0123456789", 70_000)
	f, err := upload(ctx, c, d, strings.NewReader(text))
	if err != nil || f.GetBytes() != 700_000 || f.GetFilename() != "in.jsonl" || f.GetExpiresAt().GetSeconds()-f.GetCreatedAt().GetSeconds() != 3600 {
		t.Fatal(f, err)
	}
	if content(ctx, t, c, f.GetId()) != text {
		t.Error("other bytes came back")
	}
	if _, err := upload(ctx, c, openAIFile(), strings.NewReader(text+text)); fault.From(err).Reason != errorsv1.Reason_REASON_REQUEST_TOO_LARGE {
		t.Errorf("too large: %v", err)
	}
	d.ExpiresAfter = durationpb.New(31 * 24 * 3600e9)
	if _, err := upload(ctx, c, d, strings.NewReader("")); fault.From(err).Metadata["field"] != "description.expires_after" {
		t.Errorf("kept too long: %v", err)
	}
	better := openAIFile()
	better.Filename = "better"
	if g, err := upload(ctx, c, openAIFile(), strings.NewReader("x"), better); err != nil || g.GetFilename() != "better" || g.GetBytes() != 1 {
		t.Errorf("%v %v", g, err)
	}
	better.Format = batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS
	if _, err := upload(ctx, c, openAIFile(), strings.NewReader("x"), better); fault.From(err).Metadata["field"] != "description.format" {
		t.Errorf("another format: %v", err)
	}
	stream, err := c.CreateFile(ctx)
	if err == nil {
		_, err = stream.CloseAndRecv()
	}
	if fault.From(err).Metadata["field"] != "description" {
		t.Errorf("no description: %v", err)
	}
	if _, err := c.DeleteFile(ctx, &batchv1.DeleteFileRequest{Id: f.GetId()}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetFile(ctx, &batchv1.GetFileRequest{Id: f.GetId()}); fault.From(err).Reason != errorsv1.Reason_REASON_NOT_FOUND {
		t.Error(err)
	}
}
