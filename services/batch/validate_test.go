package batch_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch"
)

// TestValidate: every field that is wrong is named, and its value isn't.
func TestValidate(t *testing.T) {
	t.Parallel()
	described := func(change func(*batchv1.FileDescription)) proto.Message {
		d := &batchv1.FileDescription{Filename: "a", Format: batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES}
		change(d)
		return &batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Description{Description: d}}
	}
	made := func(change func(*batchv1.CreateBatchRequest)) proto.Message {
		r := &batchv1.CreateBatchRequest{InputFileId: "file-1"}
		change(r)
		return r
	}
	inline := func(lines ...*batchv1.BatchRequest) proto.Message {
		return &batchv1.CreateBatchRequest{Requests: lines, Dialect: llmv1.Dialect_DIALECT_OPENAI}
	}
	many := map[string]string{}
	for i := range 32 {
		many[strings.Repeat("x", i+1)] = ""
	}
	for _, test := range []struct {
		name    string
		m       proto.Message
		field   string // empty: good
		missing bool
	}{
		{"file", described(func(*batchv1.FileDescription) {}), "", false},
		{"file of no format", described(func(d *batchv1.FileDescription) { d.Format = 0 }), "description.format", true},
		{"file of results", described(func(d *batchv1.FileDescription) { d.Format = batchv1.FileFormat_FILE_FORMAT_RESULTS }), "description.format", false},
		{"file of the store's own format", described(func(d *batchv1.FileDescription) { d.Format = 100 }), "description.format", false},
		{"long name", described(func(d *batchv1.FileDescription) { d.Filename = strings.Repeat("q", 256) }), "description.filename", false},
		{"name with a line break", described(func(d *batchv1.FileDescription) { d.Filename = "q\n" }), "description.filename", false},
		{"kept for a second", described(func(d *batchv1.FileDescription) { d.ExpiresAfter = durationpb.New(time.Second) }), "description.expires_after", false},
		{"large part", &batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Data{Data: make([]byte, 1<<20+1)}}, "data", false},
		{"part", &batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Data{Data: make([]byte, 1<<20)}}, "", false},
		{"no id", &batchv1.GetBatchRequest{}, "id", true},
		{"long id", &batchv1.DeleteFileRequest{Id: strings.Repeat("q", 129)}, "id", false},
		{"files", &batchv1.ListFilesRequest{Limit: 10_000}, "", false},
		{"too many files", &batchv1.ListFilesRequest{Limit: 10_001}, "limit", false},
		{"too many batches", &batchv1.ListBatchesRequest{Limit: 1001}, "limit", false},
		{"dialect of batches", &batchv1.ListBatchesRequest{Dialect: 9}, "dialect", false},
		{"batch", made(func(*batchv1.CreateBatchRequest) {}), "", false},
		{"batch of nothing", &batchv1.CreateBatchRequest{}, "input_file_id", true},
		{"batch of both", made(func(r *batchv1.CreateBatchRequest) { r.Requests = []*batchv1.BatchRequest{{}} }), "requests", false},
		{"requests", inline(&batchv1.BatchRequest{CustomId: "a", Body: "{}"}), "", false},
		{"requests of no dialect", &batchv1.CreateBatchRequest{Requests: []*batchv1.BatchRequest{{CustomId: "a", Body: "{}"}}}, "dialect", true},
		{"request without a name", inline(&batchv1.BatchRequest{CustomId: "a", Body: "{}"}, &batchv1.BatchRequest{Body: "{}"}), "requests[1].custom_id", true},
		{"request with a long name", inline(&batchv1.BatchRequest{CustomId: strings.Repeat("q", 65), Body: "{}"}), "requests[0].custom_id", false},
		{"request without a body", inline(&batchv1.BatchRequest{CustomId: "a"}), "requests[0].body", true},
		{"operation", made(func(r *batchv1.CreateBatchRequest) { r.Operation = 7 }), "operation", false},
		{"window", made(func(r *batchv1.CreateBatchRequest) { r.CompletionWindow = durationpb.New(25 * time.Hour) }), "completion_window", false},
		{"concurrency", made(func(r *batchv1.CreateBatchRequest) { r.Concurrency = -1 }), "concurrency", false},
		{"sensitivity", made(func(r *batchv1.CreateBatchRequest) { r.Sensitivity = 7 }), "sensitivity", false},
		{"many tags", made(func(r *batchv1.CreateBatchRequest) { r.Tags = many }), "tags", false},
		{"tag with a comma", made(func(r *batchv1.CreateBatchRequest) { r.Tags = map[string]string{"a": "q,b=c"} }), "tags", false},
		{"tag with a line break", made(func(r *batchv1.CreateBatchRequest) { r.Tags = map[string]string{"a": "q\r\nx"} }), "tags", false},
		{"tag of Headgate's", made(func(r *batchv1.CreateBatchRequest) { r.Tags = map[string]string{"batch": "x"} }), "tags", false},
		{"metadata", made(func(r *batchv1.CreateBatchRequest) { r.Metadata = many }), "metadata", false},
		{"long metadata", made(func(r *batchv1.CreateBatchRequest) { r.Metadata = map[string]string{"a": strings.Repeat("q", 513)} }), "metadata", false},
		{"headers", made(func(r *batchv1.CreateBatchRequest) { r.Headers = map[string]string{"anthropic-beta": "x"} }), "", false},
		{"header that steers", made(func(r *batchv1.CreateBatchRequest) { r.Headers = map[string]string{"x-headgate-priority": "q"} }), "headers", false},
		{"header with a line break", made(func(r *batchv1.CreateBatchRequest) { r.Headers = map[string]string{"openai-beta": "q\n"} }), "headers", false},
		{"another service's", &usagev1.GetTotalsRequest{}, "", false},
	} {
		err := new(batch.Service).Validate(test.m)
		if test.field == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		want := errorsv1.Reason_REASON_INVALID_FIELD
		if test.missing {
			want = errorsv1.Reason_REASON_MISSING_FIELD
		}
		f := fault.From(err)
		if f == nil || f.Reason != want || f.Metadata["field"] != test.field || strings.Contains(f.Message, "q") && strings.Contains(f.Message, "qq") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		c    batch.Config
		want string
	}{
		{batch.Config{}, ""},
		{batch.Config{Concurrency: -1}, "concurrency"},
		{batch.Config{MaxLines: 2_000_000}, "max_lines"},
		{batch.Config{MaxFile: 1}, "max_file"},
		{batch.Config{MaxLine: 1 << 30}, "max_line"},
		{batch.Config{MaxResult: 1 << 30}, "max_result"},
		{batch.Config{Window: 25 * time.Hour}, "window"},
		{batch.Config{Retention: time.Minute}, "retention"},
		{batch.Config{ProviderBatches: "on"}, "provider_batches"},
		{batch.Config{ProviderBatches: "off", PollLeast: time.Minute}, ""},
		{batch.Config{PollLeast: 10 * time.Minute}, ""},
		{batch.Config{PollLeast: -1}, "poll_least"},
		{batch.Config{PollLeast: time.Minute, PollMost: time.Second}, "poll_most"},
		{batch.Config{PollMost: 2 * time.Hour}, "poll_most"},
		{batch.Config{Files: "somewhere"}, "files"},
		{batch.Config{Files: "file:///tmp/x"}, ""},
	} {
		err := test.c.Validate()
		if (err == nil) != (test.want == "") || (err != nil && !strings.HasPrefix(err.Error(), test.want+":")) {
			t.Errorf("%+v: %v", test.c, err)
		}
	}
	if _, err := batch.New(batch.Config{Files: "s3://bucket"}, batch.Deps{DataDir: t.TempDir(), Router: serve(t, newRouter().register)}); err == nil {
		t.Error("a bucket that no driver opens is taken")
	}
	if _, err := batch.New(batch.Config{}, batch.Deps{DataDir: t.TempDir()}); err == nil {
		t.Error("a service without a router is made")
	}
}
