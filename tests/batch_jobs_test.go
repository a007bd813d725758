package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// oddIDs are names of lines that no provider would take: Headgate has names of its own there.
var oddIDs = []string{
	"plain-1", " with spaces ", "ünïcödé 名前 🚪", strings.Repeat("x", 64), `"quoted" \ and <b>`, "tab\tand\nline", "../../etc/passwd", "a/b?c=d&e%20#f",
}

// jobModels are two whose lines go to their providers' batch APIs, and one whose lines are asked live.
var jobModels = []string{"gpt-5", "claude-opus-4-6", "vllm/qwen3-8b"}

// asked is a line of a batch.
type asked struct{ id, model, text string }

// oddLines are lines with odd names for all jobModels.
func oddLines() (list []asked) {
	for _, id := range oddIDs {
		for j, model := range jobModels {
			name := strings.Repeat("-", j) + id
			list = append(list, asked{name[:min(len(name), 64)], model, fmt.Sprintf("question %d", len(list)+1)})
		}
	}
	return list
}

// chatBodyOf is a line's request in the dialect of a path.
func chatBodyOf(path string, l asked) string {
	bound := "max_completion_tokens"
	if path != chatPath {
		bound = "max_tokens"
	}
	return fmt.Sprintf(`{"model":%q,%q:200,"messages":[{"role":"user","content":%q}]}`, l.model, bound, l.text)
}

// linesOfBatch are the lines of OpenAI's file.
func linesOfBatch(list []asked) string {
	var b strings.Builder
	for _, l := range list {
		id, _ := json.Marshal(l.id)
		fmt.Fprintf(&b, `{"custom_id":%s,"method":"POST","url":"/v1/chat/completions","body":%s}`+"\n", id, chatBodyOf(chatPath, l))
	}
	return b.String()
}

func messagesOf(list []asked) (p anthropic.MessageBatchNewParams) {
	for _, l := range list {
		p.Requests = append(p.Requests, anthropic.MessageBatchNewParamsRequest{CustomID: l.id, Params: anthropic.MessageBatchNewParamsRequestParams{
			Model: l.model, MaxTokens: 200, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(l.text))},
		}})
	}
	return p
}

// TestJobsOpenAI: lines for an OpenAI, an Anthropic and a self-hosted model in one batch of OpenAI's SDK: two jobs and some
// live calls, and nobody sees which.
func TestJobsOpenAI(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k, list := makeKey(t, m, mesh.Key, `"name":"nightly","tenant":"acme"`), oddLines()
		c := openAIClient(m, option.WithAPIKey(k.Secret))
		b := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, linesOfBatch(list), option.WithHeader("x-headgate-tags", "team=search")).ID, time.Minute)
		if b.Status != openai.BatchStatusCompleted || b.RequestCounts.Completed != int64(len(list)) || b.RequestCounts.Failed != 0 || b.OutputFileID == "" || b.ErrorFileID != "" {
			t.Fatalf("%s", b.RawJSON())
		}
		results := openAIResults(t, c, b.OutputFileID)
		for i, r := range results {
			var said openai.ChatCompletion
			if r.CustomID != list[i].id || r.Response == nil || r.Response.StatusCode != 200 || r.Response.RequestID != fmt.Sprintf("%s.%d", b.ID, i+1) {
				t.Fatalf("line %d: %+v", i+1, r)
			}
			if err := json.Unmarshal(r.Response.Body, &said); err != nil || said.Object != "chat.completion" || said.Usage.TotalTokens == 0 ||
				!strings.Contains(said.Choices[0].Message.Content, `"`+list[i].text+`"`) {
				t.Errorf("line %d: %v: %s", i+1, err, r.Response.Body)
			}
		}
		if len(results) != len(list) {
			t.Errorf("%d results", len(results))
		}
		checkBatchRows(t, m, k, b.ID, len(list), map[string]string{"team": "search", "batch": b.ID})
		checkHalfPrice(t, m, k, b.ID, chatPath, list)
		checkJobsMade(t, m, 2, 2*len(oddIDs))
	})
}

// TestJobsAnthropic: the same with Anthropic's SDK.
func TestJobsAnthropic(t *testing.T) {
	t.Parallel()
	bothShapes(t, mesh.Options{}, func(t *testing.T, m *mesh.Mesh) {
		k, list := makeKey(t, m, mesh.Key, `"name":"nightly","tenant":"acme"`), oddLines()
		c := anthropicClient(m, aoption.WithAPIKey(k.Secret))
		b, err := c.Messages.Batches.New(t.Context(), messagesOf(list), aoption.WithHeader("x-headgate-tags", "team=search"))
		if err != nil {
			t.Fatal(err)
		}
		b = awaitAnthropic(t, c, b.ID, time.Minute)
		if b.RequestCounts.Succeeded != int64(len(list)) || b.ResultsURL != m.URL("/v1/messages/batches/"+b.ID+"/results") {
			t.Fatalf("%s", b.RawJSON())
		}
		results := anthropicResults(t, c, b.ID)
		for i, r := range results {
			if r.CustomID != list[i].id || r.Result.Type != "succeeded" || r.Result.Message.Type != "message" || r.Result.Message.Usage.OutputTokens == 0 ||
				!strings.Contains(r.Result.Message.Content[0].Text, `"`+list[i].text+`"`) {
				t.Errorf("line %d: %s", i+1, r.RawJSON())
			}
		}
		if len(results) != len(list) {
			t.Errorf("%d results", len(results))
		}
		checkBatchRows(t, m, k, b.ID, len(list), map[string]string{"team": "search", "batch": b.ID})
		checkHalfPrice(t, m, k, b.ID, "/v1/messages", list)
		checkJobsMade(t, m, 2, 2*len(oddIDs))
	})
}

// TestJobsEmbeddings: vectors come from a job at half the price, in the form that each line asks for.
func TestJobsEmbeddings(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"vectors","tenant":"acme"`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	const n = 20
	body := func(i int) string {
		return fmt.Sprintf(`{"model":%q,"input":["word %d","gate"],"encoding_format":%q}`, []string{"text-embedding-3-small", "vllm/bge-m3"}[i%2], i, []string{"float", "base64"}[i/2%2])
	}
	var content strings.Builder
	for i := range n {
		fmt.Fprintf(&content, `{"custom_id":"v%d","method":"POST","url":"/v1/embeddings","body":%s}`+"\n", i, body(i))
	}
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/embeddings", content.String()).ID, time.Minute)
	results := openAIResults(t, c, b.OutputFileID)
	if len(results) != n || b.RequestCounts.Completed != n {
		t.Fatalf("%s", b.RawJSON())
	}
	for i, r := range results {
		resp, live := ask(t, m, k.Secret, http.MethodPost, "/v1/embeddings", body(i))
		if resp.StatusCode != 200 || r.CustomID != fmt.Sprintf("v%d", i) || vectorsOf(t, r.Response.Body) != vectorsOf(t, live) {
			t.Errorf("line %d: %d: %.300s, live %.300s", i+1, resp.StatusCode, r.Response.Body, live)
		}
	}
	checkBatchRows(t, m, k, b.ID, n, nil)
	batched, live := costsOf(t, m, k, "text-embedding-3-small", b.ID)
	if len(batched) != n/2 || len(live) != n/2 || sum(live) == 0 || sum(live) != 2*sum(batched) {
		t.Errorf("%v in a batch, %v live", batched, live)
	}
	checkJobsMade(t, m, 1, n/2)
}

// vectorsOf is the data of an answer, as text.
func vectorsOf(t *testing.T, body []byte) string {
	t.Helper()
	var a struct{ Data json.RawMessage }
	if err := json.Unmarshal(body, &a); err != nil || len(a.Data) == 0 {
		t.Errorf("%v: %s", err, body)
	}
	return string(a.Data)
}

func sum(list []int64) (n int64) {
	for _, v := range list {
		n += v
	}
	return n
}

// costsOf are the costs of a model's rows: those of a batch, and the others of the key.
func costsOf(t *testing.T, m *mesh.Mesh, k madeKey, model, batch string) (batched, live []int64) {
	t.Helper()
	eventually(t, "every live call has its row", func() bool {
		batched, live = nil, nil
		for _, r := range rows(t, m, k.Secret, "filter.model="+model) {
			cost := r.cost(t)
			if r.Tags["batch"] == batch {
				batched = append(batched, cost)
			} else {
				live = append(live, cost)
			}
		}
		return len(live) >= len(batched)
	})
	return batched, live
}

// cost is what a row costs in 10^-12 US dollars.
func (r *row) cost(t *testing.T) int64 {
	t.Helper()
	if r.Cost == nil {
		t.Errorf("no price: %+v", r)
		return 0
	}
	n, err := strconv.ParseInt(*r.Cost, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}

// checkHalfPrice asks the same lines live: in a batch each has the same tokens and costs half, where its provider has
// batches.
func checkHalfPrice(t *testing.T, m *mesh.Mesh, k madeKey, batch, path string, list []asked) {
	t.Helper()
	ids := make(map[string]int, len(list))
	for i, l := range list {
		resp, body := ask(t, m, k.Secret, http.MethodPost, path, chatBodyOf(path, l), "x-headgate-tags", "live=yes")
		if resp.StatusCode != 200 {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		ids[resp.Header.Get("x-request-id")] = i
		ids[fmt.Sprintf("%s.%d", batch, i+1)] = i
	}
	both := make([][]row, len(list)) // of each line the live row, and the batch's
	eventually(t, "every call has its row", func() bool {
		live, batched := rows(t, m, k.Secret, "filter.tag=live"), rows(t, m, k.Secret, "filter.tag=batch="+batch)
		if len(live) < len(list) || len(batched) < len(list) {
			return false
		}
		for _, r := range append(live, batched...) {
			both[ids[r.RequestID]] = append(both[ids[r.RequestID]], r)
		}
		return true
	})
	for i, pair := range both {
		if len(pair) != 2 || pair[0].Tokens != pair[1].Tokens || pair[0].Provider != pair[1].Provider {
			t.Errorf("line %d: %+v", i+1, pair)
			continue
		}
		if list[i].model == "vllm/qwen3-8b" {
			continue // it has no price
		}
		if live, batched := pair[0].cost(t), pair[1].cost(t); live == 0 || live != 2*batched {
			t.Errorf("line %d for %s costs %d, live %d", i+1, list[i].model, batched, live)
		}
	}
}

// checkJobsMade: so many batches at providers, with so many lines, each answered once, under names of Headgate's own.
func checkJobsMade(t *testing.T, m *mesh.Mesh, jobs, lines int) {
	t.Helper()
	l := ledgerOf(t, m)
	if len(l.Batches) != jobs || l.Answered != lines || len(l.Asked) != lines {
		t.Errorf("%d batches with %d lines were made, %d answered; want %d with %d", len(l.Batches), l.Lines, l.Answered, jobs, lines)
	}
	for id, times := range l.Asked {
		if times != 1 || !strings.HasPrefix(id, "job_") || slices.Contains(oddIDs, id) {
			t.Errorf("%q was answered %d times", id, times)
		}
	}
}

// ledgerOf is the simulator's book of batches, wherever it runs.
func ledgerOf(t *testing.T, m *mesh.Mesh) sim.Ledger {
	t.Helper()
	if m.Sim == nil {
		return m.SimLedger(t)
	}
	l, err := m.Sim.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	return l
}
