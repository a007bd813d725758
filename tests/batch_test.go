package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// batchModels take turns in the lines of a batch: in either dialect half of them is the other vendor's.
var batchModels = []string{"gpt-5", "claude-opus-4-6"}

// ownQueue has every line asked live, whoever its provider is.
const ownQueue = "provider_batches: off"

// openAILines are n lines, l1 to ln; the i-th one asks "question i".
func openAILines(n int, models ...string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"custom_id":"l%d","method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"question %d"}]}}`+"\n",
			i+1, models[i%len(models)], i+1)
	}
	return b.String()
}

func uploadBatch(t *testing.T, c *openai.Client, content string) *openai.FileObject {
	t.Helper()
	f, err := c.Files.New(t.Context(), openai.FileNewParams{
		File: openai.File(strings.NewReader(content), "lines.jsonl", "application/jsonl"), Purpose: openai.FilePurposeBatch,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// openAIBatch uploads lines and makes a batch of them.
func openAIBatch(t *testing.T, c *openai.Client, endpoint, content string, o ...option.RequestOption) *openai.Batch {
	t.Helper()
	b, err := c.Batches.New(t.Context(), openai.BatchNewParams{
		InputFileID: uploadBatch(t, c, content).ID, Endpoint: openai.BatchNewParamsEndpoint(endpoint), CompletionWindow: openai.BatchNewParamsCompletionWindow24h,
	}, o...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openAIOver(b *openai.Batch) bool {
	return slices.Contains([]openai.BatchStatus{openai.BatchStatusCompleted, openai.BatchStatusFailed, openai.BatchStatusExpired, openai.BatchStatusCancelled}, b.Status)
}

// within asks again until something is so, for as long as a batch may take.
func within(t *testing.T, d time.Duration, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !f(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, d)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func awaitOpenAI(t *testing.T, c *openai.Client, id string, d time.Duration) (b *openai.Batch) {
	t.Helper()
	within(t, d, "the batch is over", func() bool {
		var err error
		if b, err = c.Batches.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return openAIOver(b)
	})
	return b
}

// openAIResult is a line of OpenAI's files of results.
type openAIResult struct {
	ID       string `json:"id"`
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int             `json:"status_code"`
		RequestID  string          `json:"request_id"`
		Body       json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct{ Code, Message string } `json:"error"`
}

func openAIResults(t *testing.T, c *openai.Client, file string) (list []openAIResult) {
	t.Helper()
	if file == "" {
		return nil
	}
	resp, err := c.Files.Content(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one openAIResult
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		list = append(list, one)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBatchOpenAI: 200 lines for models of both vendors, from the file to the ledger, with the official SDK.
func TestBatchOpenAI(t *testing.T) {
	t.Parallel()
	const n = 200
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"nightly","tenant":"acme"`)
		c := openAIClient(m, option.WithAPIKey(k.Secret))
		content := openAILines(n, batchModels...)
		b := openAIBatch(t, c, "/v1/chat/completions", content, option.WithHeader("x-headgate-tags", "team=search"))
		if b.InputFileID == "" || b.Endpoint != "/v1/chat/completions" || b.CompletionWindow != "24h" || b.ExpiresAt-b.CreatedAt != 24*60*60 {
			t.Errorf("%s", b.RawJSON())
		}
		b = awaitOpenAI(t, c, b.ID, time.Minute)
		if b.Status != openai.BatchStatusCompleted || b.RequestCounts.Total != n || b.RequestCounts.Completed != n || b.RequestCounts.Failed != 0 ||
			b.ErrorFileID != "" || b.CompletedAt == 0 || b.Usage.TotalTokens == 0 {
			t.Fatalf("%s", b.RawJSON())
		}
		for i, r := range openAIResults(t, c, b.OutputFileID) {
			var said openai.ChatCompletion
			if r.CustomID != fmt.Sprintf("l%d", i+1) || r.Response == nil || r.Response.StatusCode != 200 || r.Error != nil {
				t.Fatalf("line %d: %+v", i+1, r)
			}
			if err := json.Unmarshal(r.Response.Body, &said); err != nil || !strings.Contains(said.Choices[0].Message.Content, fmt.Sprintf(`"question %d"`, i+1)) {
				t.Errorf("line %d: %v: %s", i+1, err, r.Response.Body)
			}
		}
		checkBatchRows(t, m, k, b.ID, n, map[string]string{"team": "search", "batch": b.ID})
		in, err := c.Files.Content(t.Context(), b.InputFileID)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Body.Close()
		if back, err := io.ReadAll(in.Body); err != nil || string(back) != content {
			t.Errorf("%v: another file came back: %d bytes", err, len(back))
		}
	})
}

// checkBatchRows: one row for each line, charged to the key that made the batch.
func checkBatchRows(t *testing.T, m *mesh.Mesh, k madeKey, batch string, n int, tags map[string]string) {
	t.Helper()
	var list []row
	eventually(t, "the ledger has every line", func() bool {
		list = rows(t, m, k.Secret, "filter.tag=batch="+batch)
		return len(list) >= n
	})
	seen := make(map[string]int)
	for _, r := range list {
		seen[r.RequestID]++
		if r.KeyID != k.Key.ID || r.Tenant != k.Key.Tenant || r.Outcome != "OUTCOME_COMPLETE" {
			t.Errorf("%+v", r)
		}
		for name, value := range tags {
			if r.Tags[name] != value {
				t.Errorf("tag %s of %+v", name, r)
			}
		}
	}
	for i := range n {
		if id := fmt.Sprintf("%s.%d", batch, i+1); seen[id] != 1 {
			t.Errorf("%s has %d rows", id, seen[id])
		}
	}
	if len(list) != n {
		t.Errorf("%d rows of %d lines", len(list), n)
	}
}

func messageBatch(n int, models ...string) (p anthropic.MessageBatchNewParams) {
	for i := range n {
		p.Requests = append(p.Requests, anthropic.MessageBatchNewParamsRequest{
			CustomID: fmt.Sprintf("l%d", i+1),
			Params: anthropic.MessageBatchNewParamsRequestParams{
				Model: models[i%len(models)], MaxTokens: 1024,
				Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(fmt.Sprintf("question %d", i+1)))},
			},
		})
	}
	return p
}

func awaitAnthropic(t *testing.T, c *anthropic.Client, id string, d time.Duration) (b *anthropic.MessageBatch) {
	t.Helper()
	within(t, d, "the batch is over", func() bool {
		var err error
		if b, err = c.Messages.Batches.Get(t.Context(), id, anthropic.MessageBatchGetParams{}); err != nil {
			t.Fatal(err)
		}
		return b.ProcessingStatus == anthropic.MessageBatchProcessingStatusEnded
	})
	return b
}

// anthropicResults reads the results; the SDK gets them from results_url by itself.
func anthropicResults(t *testing.T, c *anthropic.Client, id string) (list []anthropic.MessageBatchIndividualResponse) {
	t.Helper()
	stream := c.Messages.Batches.ResultsStreaming(t.Context(), id, anthropic.MessageBatchResultsParams{})
	defer stream.Close()
	for stream.Next() {
		list = append(list, stream.Current())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBatchAnthropic: the same in Anthropic's dialect.
func TestBatchAnthropic(t *testing.T) {
	t.Parallel()
	const n = 200
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k := makeKey(t, m, mesh.Key, `"name":"nightly","tenant":"acme"`)
		c := anthropicClient(m, aoption.WithAPIKey(k.Secret))
		b, err := c.Messages.Batches.New(t.Context(), messageBatch(n, batchModels...))
		if err != nil {
			t.Fatal(err)
		}
		if b.ProcessingStatus != anthropic.MessageBatchProcessingStatusInProgress || b.RequestCounts.Processing != n || b.ExpiresAt.Sub(b.CreatedAt) != 24*time.Hour {
			t.Errorf("%s", b.RawJSON())
		}
		b = awaitAnthropic(t, c, b.ID, time.Minute)
		if b.RequestCounts.Succeeded != n || b.RequestCounts.Processing != 0 || b.EndedAt.IsZero() || b.ResultsURL != m.URL("/v1/messages/batches/"+b.ID+"/results") {
			t.Errorf("%s", b.RawJSON())
		}
		list := anthropicResults(t, c, b.ID)
		for i, r := range list {
			if r.CustomID != fmt.Sprintf("l%d", i+1) || r.Result.Type != "succeeded" || !strings.Contains(r.Result.Message.Content[0].Text, fmt.Sprintf(`"question %d"`, i+1)) {
				t.Errorf("line %d: %s", i+1, r.RawJSON())
			}
		}
		if len(list) != n {
			t.Errorf("%d results", len(list))
		}
		checkBatchRows(t, m, k, b.ID, n, nil)
		if gone, err := c.Messages.Batches.Delete(t.Context(), b.ID, anthropic.MessageBatchDeleteParams{}); err != nil || gone.ID != b.ID {
			t.Errorf("%v %v", gone, err)
		}
		var failure *anthropic.Error
		if _, err := c.Messages.Batches.Get(t.Context(), b.ID, anthropic.MessageBatchGetParams{}); !errors.As(err, &failure) || failure.StatusCode != 404 {
			t.Errorf("a batch that was deleted: %v", err)
		}
		// What it asked is gone with it.
		if resp, body := ask(t, m, k.Secret, http.MethodGet, "/v1/files", ""); resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"data":[]`)) {
			t.Errorf("%d: %s", resp.StatusCode, body)
		}
	})
}

// TestBatchEmbeddings: vectors of two vendors in one batch.
func TestBatchEmbeddings(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	c := openAIClient(m)
	var content strings.Builder
	for i := range 20 {
		fmt.Fprintf(&content, `{"custom_id":"v%d","method":"POST","url":"/v1/embeddings","body":{"model":%q,"input":["word %d","gate"]}}`+"\n",
			i, []string{"text-embedding-3-small", "vllm/bge-m3"}[i%2], i)
	}
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/embeddings", content.String()).ID, time.Minute)
	if b.RequestCounts.Completed != 20 {
		t.Fatalf("%s", b.RawJSON())
	}
	for i, r := range openAIResults(t, c, b.OutputFileID) {
		var got openai.CreateEmbeddingResponse
		if err := json.Unmarshal(r.Response.Body, &got); err != nil || len(got.Data) != 2 || len(got.Data[1].Embedding) < 2 || r.CustomID != fmt.Sprintf("v%d", i) {
			t.Errorf("line %d: %v: %.200s", i+1, err, r.Response.Body)
		}
	}
}

// TestBatchMCP: an agent makes a batch, waits for it and reads what was answered.
func TestBatchMCP(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"agent","tenant":"acme"`)
	session := mcpSession(t, m, mcpOptions{key: k.Secret, version: mcpCommon, headers: map[string]string{"x-headgate-tags": "team=search"}})
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"custom_id":"l%d","model":%q,"system":"Be short","prompt":"question %d"}`, i+1, append(batchModels, "nobody-knows")[i%3], i+1))
	}
	b, failure := useTool(t, session, "create_batch", `{"requests":[`+strings.Join(lines, ",")+`],"window":"1h"}`)
	if failure != "" || !strings.HasPrefix(b["id"].(string), "batch_") {
		t.Fatal(failure, b)
	}
	id := b["id"].(string)
	within(t, time.Minute, "the batch is over", func() bool {
		b, failure = useTool(t, session, "get_batch", fmt.Sprintf(`{"id":%q}`, id))
		return failure != "" || b["ended"] == true
	})
	if failure != "" || b["state"] != "completed" || b["completed"] != 20.0 || b["failed"] != 10.0 {
		t.Errorf("%s %v", failure, b)
	}
	seen := 0
	for after, more := 0, true; more; {
		page, failure := useTool(t, session, "batch_results", fmt.Sprintf(`{"id":%q,"after":%d,"limit":12}`, id, after))
		if failure != "" {
			t.Fatal(failure)
		}
		for _, one := range page["results"].([]any) {
			seen++
			line := one.(map[string]any)
			text, _ := line["text"].(string)
			if line["custom_id"] != fmt.Sprintf("l%d", seen) || (line["outcome"] == "succeeded") != (seen%3 != 0) || strings.Contains(text, fmt.Sprintf(`"question %d"`, seen)) != (seen%3 != 0) {
				t.Errorf("line %d: %v", seen, line)
			}
		}
		next, ok := page["next_after"].(float64)
		after, more = int(next), ok
	}
	if seen != 30 {
		t.Errorf("%d results", seen)
	}
	eventually(t, "the ledger has the tag of the headers", func() bool {
		list := rows(t, m, k.Secret, "filter.tag=team=search")
		return len(list) >= 20 && list[0].Tags["batch"] == id
	})
	if _, failure := useTool(t, mcpSession(t, m, mcpOptions{key: makeKey(t, m, mesh.Key, `"name":"b","tenant":"globex"`).Secret, version: mcpNewest}), "get_batch", fmt.Sprintf(`{"id":%q}`, id)); !strings.HasPrefix(failure, "NOT_FOUND") {
		t.Errorf("another tenant sees it: %s", failure)
	}
}
