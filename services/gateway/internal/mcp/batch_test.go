package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/meta"
)

func (r *router) CreateBatch(ctx context.Context, m *batchv1.CreateBatchRequest, _ ...grpc.CallOption) (*batchv1.CreateBatchResponse, error) {
	return &batchv1.CreateBatchResponse{Batch: &batchv1.Batch{Id: "batch_1", State: batchv1.BatchState_BATCH_STATE_VALIDATING}}, r.take(ctx, m)
}

func (r *router) GetBatch(ctx context.Context, m *batchv1.GetBatchRequest, _ ...grpc.CallOption) (*batchv1.GetBatchResponse, error) {
	b := &batchv1.Batch{
		Id: m.GetId(), State: batchv1.BatchState_BATCH_STATE_FAILED, Model: "m", EndedAt: timestamppb.New(time.Unix(1, 0)),
		Counts: &batchv1.BatchCounts{Total: 3, Completed: 2, Failed: 1}, Usage: &llmv1.TokenUsage{InputTokens: 5, OutputTokens: 6},
	}
	for line := range int64(30) {
		b.Errors = append(b.Errors, &batchv1.BatchError{Line: line + 1, Field: "custom_id", Message: "is twice"})
	}
	return &batchv1.GetBatchResponse{Batch: b}, r.take(ctx, m)
}

func (r *router) StreamResults(ctx context.Context, m *batchv1.StreamResultsRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[batchv1.StreamResultsResponse], error) {
	left := slices.Clone(r.results)
	left = slices.DeleteFunc(left, func(line *batchv1.StreamResultsResponse) bool { return line.GetLine() <= m.GetAfter() })
	return &resultStream{ctx: ctx, left: left}, r.take(ctx, m)
}

type resultStream struct {
	grpc.ClientStream

	ctx  context.Context //nolint:containedctx // a stream has one
	left []*batchv1.StreamResultsResponse
}

func (s *resultStream) Recv() (*batchv1.StreamResultsResponse, error) {
	if len(s.left) == 0 {
		return nil, io.EOF
	}
	next := s.left[0]
	s.left = s.left[1:]
	return next, s.ctx.Err()
}

func TestBatchTools(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, tool, arguments, asks, says string }{
		{
			"create_batch", "create_batch",
			`{"requests":[{"custom_id":"a","model":"m","prompt":"1 < 2"},{"custom_id":"b","model":"m","system":"S","messages":[{"role":"user","content":"A"},` +
				`{"role":"assistant","content":"B"}],"max_output_tokens":5,"temperature":0}],"window":"90m","concurrency":2,"metadata":{"k":"v"},"sensitivity":"low","tags":{"team":"a"}}`,
			`{"requests":[{"customId":"a","body":"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"1 < 2\"}]}"},` +
				`{"customId":"b","body":"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"A\"},{\"role\":\"assistant\",\"content\":\"B\"}],\"max_completion_tokens\":5,\"temperature\":0}"}],` +
				`"dialect":"DIALECT_OPENAI","completionWindow":"5400s","concurrency":2,"sensitivity":"SENSITIVITY_LOW","tags":{"team":"a"},"metadata":{"k":"v"}}`,
			`{"id":"batch_1","state":"validating","ended":false,"total":0,"completed":0,"failed":0}`,
		},
		{"get_batch", "get_batch", `{"id":"batch_1"}`, `{"id":"batch_1"}`, ``},
		{
			"batch_results", "batch_results", `{"id":"batch_1","after":1,"limit":5}`, `{"id":"batch_1","after":"1"}`,
			`{"results":[{"line":2,"custom_id":"l2","outcome":"succeeded","text":"B","http_status":200,"request_id":"r"},{"line":3,"custom_id":"l3","outcome":"errored","error":"No","http_status":400},` +
				`{"line":4,"custom_id":"l4","outcome":"cancelled"},{"line":5,"custom_id":"l5","outcome":"succeeded","body":"{\"data\":[]}"},{"line":6,"custom_id":"l6","outcome":"errored","error":"\"<html>\""}],"next_after":6}`,
		},
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := &router{results: results()}
			session := connect(t, serve(t, options(r)), version, nil)
			for _, c := range cases {
				got, failure := use(t, session, c.tool, c.arguments)
				if failure != "" {
					t.Errorf("%s: %s", c.name, failure)
					continue
				}
				if text, _ := protojson.Marshal(r.asked.(proto.Message)); !same(t, string(text), c.asks) {
					t.Errorf("%s asks %s\nwant %s", c.name, text, c.asks)
				}
				if text, _ := json.Marshal(got); c.says != "" && !same(t, string(text), c.says) {
					t.Errorf("%s says %s\nwant %s", c.name, text, c.says)
				}
			}
			got, _ := use(t, session, "get_batch", `{"id":"batch_1"}`)
			if list := got["mistakes"].([]any); len(list) != 20 || got["ended"] != true || got["state"] != "failed" || got["usage"] == nil {
				t.Errorf("%v", got)
			}
		})
	}
}

// results are one of each kind.
func results() []*batchv1.StreamResultsResponse {
	const good, bad = batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, batchv1.LineOutcome_LINE_OUTCOME_ERRORED
	list := []*batchv1.StreamResultsResponse{
		{Outcome: good, Body: `{"choices":[{"message":{"content":"A"}}]}`},
		{Outcome: good, HttpStatus: 200, RequestId: "r", Body: `{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"B"}]}`},
		{Outcome: bad, HttpStatus: 400, Body: `{"error":{"message":"No"}}`},
		{Outcome: batchv1.LineOutcome_LINE_OUTCOME_CANCELLED},
		{Outcome: good, Body: `{"data":[]}`},
		{Outcome: bad, Body: `"<html>"`},
		{Outcome: good, Body: `{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}`},
	}
	for i, m := range list {
		m.Line, m.CustomId = int64(i+1), fmt.Sprintf("l%d", i+1)
	}
	return list
}

// TestBatchResultsAreBounded: a page ends before it is more than a model can read, and says where to go on.
func TestBatchResultsAreBounded(t *testing.T) {
	t.Parallel()
	r := &router{}
	for line := range int64(5) {
		length := 50_000
		if line == 4 {
			length = 200_000
		}
		body := `{"choices":[{"message":{"content":"` + strings.Repeat("é", length/2) + `"}}]}`
		r.results = append(r.results, &batchv1.StreamResultsResponse{Line: line + 1, Outcome: batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED, Body: body})
	}
	session := connect(t, serve(t, options(r)), newest, nil)
	for _, c := range []struct {
		after, lines int
		next         any
	}{{0, 2, 2.0}, {2, 2, 4.0}, {4, 1, nil}, {5, 0, nil}} {
		got, failure := use(t, session, "batch_results", fmt.Sprintf(`{"id":"b","after":%d}`, c.after))
		list, _ := got["results"].([]any)
		if failure != "" || len(list) != c.lines || got["next_after"] != c.next {
			t.Errorf("after %d: %s, %d lines, then %v", c.after, failure, len(list), got["next_after"])
		}
		for _, one := range list {
			line := one.(map[string]any)
			if text := line["text"].(string); len(text) > maxResultText || (line["truncated"] == true) != (c.after == 4) || strings.Contains(text, "\uFFFD") {
				t.Errorf("line %v: %d bytes, truncated %v", line["line"], len(text), line["truncated"])
			}
		}
	}
}

func TestBatchToolsRefuse(t *testing.T) {
	t.Parallel()
	line := func(s string) string { return `{"requests":[{"custom_id":"a","model":"m","prompt":"x"},` + s + `]}` }
	cases := []struct{ name, tool, arguments, says string }{
		{"no requests", "create_batch", `{}`, "MISSING_FIELD: requests"},
		{"too many", "create_batch", `{"requests":[{}` + strings.Repeat(`,{}`, maxBatchRequests) + `]}`, "INVALID_FIELD: requests must be at most 1000"},
		{"no name", "create_batch", line(`{"model":"m","prompt":"x"}`), "MISSING_FIELD: requests[1].custom_id"},
		{"a name twice", "create_batch", line(`{"custom_id":"a","model":"m","prompt":"canary"}`), "INVALID_FIELD: requests[1].custom_id"},
		{"no model", "create_batch", line(`{"custom_id":"b","prompt":"canary"}`), "MISSING_FIELD: requests[1].model"},
		{"no question", "create_batch", line(`{"custom_id":"b","model":"canary"}`), "MISSING_FIELD: requests[1].prompt"},
		{"fewer tokens than none", "create_batch", line(`{"custom_id":"b","model":"m","prompt":"x","max_output_tokens":-1}`), "INVALID_FIELD: requests[1].max_output_tokens"},
		{"a field that isn't", "create_batch", line(`{"custom_id":"b","top_k":1}`), "INVALID_FIELD: top_k is no field"},
		{"a wrong type", "create_batch", line(`{"custom_id":"b","prompt":1}`), "INVALID_FIELD: requests.prompt has the wrong type"},
		{"a window", "create_batch", `{"requests":[{"custom_id":"a","model":"m","prompt":"x"}],"window":"canary"}`, "INVALID_FIELD: window"},
		{"a long window", "create_batch", `{"requests":[{"custom_id":"a","model":"m","prompt":"x"}],"window":"25h"}`, "INVALID_FIELD: window"},
		{"a label", "create_batch", `{"requests":[{"custom_id":"a","model":"m","prompt":"x"}],"sensitivity":"canary"}`, "INVALID_FIELD: sensitivity"},
		{"no batch", "get_batch", `{}`, "MISSING_FIELD: id"},
		{"no batch's results", "batch_results", `{}`, "MISSING_FIELD: id"},
		{"too long a page", "batch_results", `{"id":"b","limit":201}`, "INVALID_FIELD: limit"},
	}
	session := connect(t, serve(t, options(&router{})), newest, nil)
	for _, c := range cases {
		if _, failure := use(t, session, c.tool, c.arguments); !strings.HasPrefix(failure, c.says) || strings.Contains(failure, "canary") {
			t.Errorf("%s: %q", c.name, failure)
		}
	}
	r := &router{err: refusal(errorsv1.Reason_REASON_NOT_FOUND, "there is no batch with this id")}
	session = connect(t, serve(t, options(r)), newest, nil)
	for tool, arguments := range map[string]string{"get_batch": `{"id":"b"}`, "batch_results": `{"id":"b"}`, "create_batch": line(`{"custom_id":"b","model":"m","prompt":"x"}`)} {
		if _, failure := use(t, session, tool, arguments); failure != "NOT_FOUND: there is no batch with this id" {
			t.Errorf("%s: %q", tool, failure)
		}
	}
}

// TestBatchIsSteeredByHeaders: what a client's configuration sets for all of its calls counts for batches.
func TestBatchIsSteeredByHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, label, tags, own, want string }{
		{"headers alone", "high", "team=a, part = b", ``, "SENSITIVITY_HIGH map[part:b team:a]"},
		{"both", "high", "team=a", `,"sensitivity":"low","tags":{"x":"y"}`, "SENSITIVITY_HIGH map[team:a x:y]"},
		{"raised", "low", "", `,"sensitivity":"medium"`, "SENSITIVITY_MEDIUM map[]"},
		{"a label that isn't", "secret", "", ``, "INVALID_FIELD: x-headgate-sensitivity"},
		{"a label in capitals", "HIGH", "", ``, "INVALID_FIELD: x-headgate-sensitivity"},
		{"tags that aren't", "", "team", ``, "INVALID_FIELD: x-headgate-tags"},
	} {
		r := &router{}
		url := serveAs(t, options(r), func(req *http.Request) context.Context {
			req.Header.Set(meta.Sensitivity, c.label)
			req.Header.Set(meta.Tags, c.tags)
			return req.Context()
		})
		got, failure := use(t, connect(t, url, newest, nil), "create_batch", `{"requests":[{"custom_id":"a","model":"m","prompt":"x"}]`+c.own+`}`)
		if failure == "" && got != nil {
			m := r.asked.(*batchv1.CreateBatchRequest)
			failure = fmt.Sprintf("%v %v", m.GetSensitivity(), m.GetTags())
		}
		if !strings.HasPrefix(failure, c.want) {
			t.Errorf("%s: %s, want %s", c.name, failure, c.want)
		}
	}
}
