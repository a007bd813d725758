package tests

import (
	"bytes"
	"errors"
	"fmt"
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

func chatLine(id, model, text string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":%q}]}}`+"\n", id, model, text)
}

// TestBatchBadLines: what is wrong with lines is told by their numbers, without a word of them, and nothing is asked.
func TestBatchBadLines(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	c := openAIClient(m)
	content := chatLine("a", "gpt-5", "Hi") + "{canary\n" + chatLine("a", "gpt-5", "Hi") + "\n" +
		strings.ReplaceAll(chatLine("b", "gpt-5", "Hi"), "chat/completions", "canary") + chatLine("", "gpt-5", "canary") + chatLine("c", "", "Hi")
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", content).ID, time.Minute)
	var got []string
	for _, e := range b.Errors.Data {
		got = append(got, fmt.Sprintf("%d %s %s", e.Line, e.Code, e.Param))
		if e.Message == "" {
			t.Errorf("%s", e.RawJSON())
		}
	}
	want := []string{"2 invalid_json_line ", "3 duplicate_custom_id custom_id", "5 invalid_url url", "6 missing_custom_id custom_id", "7 missing_required_parameter body.model"}
	if b.Status != openai.BatchStatusFailed || b.FailedAt == 0 || !slices.Equal(got, want) || strings.Contains(b.RawJSON(), "canary") {
		t.Errorf("%q, want %q: %s", got, want, b.RawJSON())
	}
	claude := anthropicClient(m)
	bad := messageBatch(3, "claude-opus-4-6")
	bad.Requests[2].CustomID = bad.Requests[0].CustomID
	_, err := claude.Messages.Batches.New(t.Context(), bad)
	var failure *anthropic.Error
	if !errors.As(err, &failure) || failure.StatusCode != 400 || !strings.Contains(failure.RawJSON(), "requests.2.custom_id") {
		t.Errorf("%v", err)
	}
	for name, body := range map[string]string{
		"no JSON": `{"requests":[`, "no requests": `{}`, "none": `{"requests":[]}`, "no list": `{"requests":{"a":1}}`,
		"no params": `{"requests":[{"custom_id":"a"}]}`, "a stream": `{"requests":[{"custom_id":"a","params":{"model":"gpt-5","stream":true}}]}`,
	} {
		if resp, got := ask(t, m, mesh.Key, http.MethodPost, "/v1/messages/batches", body); resp.StatusCode != 400 || !bytes.Contains(got, []byte("invalid_request_error")) {
			t.Errorf("%s: %d: %s", name, resp.StatusCode, got)
		}
	}
	if list, err := claude.Messages.Batches.List(t.Context(), anthropic.MessageBatchListParams{}); err != nil || len(list.Data) != 0 {
		t.Errorf("%v: %s", err, list.RawJSON())
	}
	for _, r := range m.Sim.Requests() {
		if strings.Contains(string(r.Body), "messages") {
			t.Errorf("asked %s", r.Body)
		}
	}
}

// TestBatchPartialFailures: lines fail alone, each with the status and the body that it would have by itself; a provider
// that is busy for a while costs time and nothing else.
func TestBatchPartialFailures(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Batch: ownQueue})
	c := openAIClient(m)
	want := map[string]int{}
	var content strings.Builder
	for i, l := range []struct {
		model  string
		status int
	}{
		{"gpt-5", 200},
		{"gpt-5#status=400", 400},
		{"nobody-knows", 404},
		{"gpt-5#status=503,times=2", 200},
		{"claude-opus-4-6#status=529,times=1", 200},
		{"gpt-5#status=500,times=1", 200},
		{"gpt-5#status=429,retry_after=1,times=1", 200},
		{"claude-opus-4-6#status=413", 413},
		{"gpt-5#status=401", 502},
		{"claude-opus-4-6", 200},
		{"gpt-5#garbage,times=1", 200},
		{"gpt-5#reset_bytes=10,times=1", 200},
	} {
		id := fmt.Sprintf("l%d %s", i+1, l.model)
		want[id] = l.status
		content.WriteString(chatLine(id, l.model, fmt.Sprintf("question %d", i)))
	}
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", content.String()).ID, 2*time.Minute)
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	for _, r := range append(slices.Clone(good), bad...) {
		if r.Response == nil || r.Response.StatusCode != want[r.CustomID] || (want[r.CustomID] != 200) != bytes.Contains(r.Response.Body, []byte(`"error"`)) {
			t.Errorf("%s: %+v: %s", r.CustomID, r.Response, r.Response.Body)
		}
		delete(want, r.CustomID)
	}
	if len(want) > 0 || b.RequestCounts.Completed != int64(len(good)) || b.RequestCounts.Failed != int64(len(bad)) {
		t.Errorf("%v: %s", want, b.RawJSON())
	}
	t.Logf("%d good, %d bad, in %ds", len(good), len(bad), b.CompletedAt-b.CreatedAt)
}

// TestBatchCancel: lines under way end, the others never begin; every line has a result, in both dialects.
func TestBatchCancel(t *testing.T) {
	t.Parallel()
	const n = 60
	up := newPatientSim(t, time.Second)
	m := mesh.Start(t, mesh.Options{Upstream: up, Batch: ownQueue})
	c := openAIClient(m)
	b := openAIBatch(t, c, "/v1/chat/completions", openAILines(n, batchModels...))
	within(t, 10*time.Second, "some are asked", func() bool { _, all := up.counts(); return all > 0 })
	if b, err := c.Batches.Cancel(t.Context(), b.ID); err != nil || b.Status != openai.BatchStatusCancelling || b.CancellingAt == 0 {
		t.Fatal(b.RawJSON(), err)
	}
	b = awaitOpenAI(t, c, b.ID, 20*time.Second)
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	_, asked := up.counts()
	if b.Status != openai.BatchStatusCancelled || b.CancelledAt == 0 || len(good) != asked || len(good)+len(bad) != n || b.RequestCounts.Completed != int64(len(good)) {
		t.Errorf("%d were asked, %d answered, %d not: %s", asked, len(good), len(bad), b.RawJSON())
	}
	for _, r := range bad {
		if r.Response != nil || r.Error == nil || r.Error.Code != "batch_cancelled" {
			t.Errorf("%+v", r)
		}
	}
	claude := anthropicClient(m)
	mb, err := claude.Messages.Batches.New(t.Context(), messageBatch(n, batchModels...))
	if err != nil {
		t.Fatal(err)
	}
	mb, err = claude.Messages.Batches.Cancel(t.Context(), mb.ID, anthropic.MessageBatchCancelParams{})
	if err != nil || mb.ProcessingStatus == anthropic.MessageBatchProcessingStatusInProgress || mb.CancelInitiatedAt.IsZero() {
		t.Fatalf("%v: %s", err, mb.RawJSON())
	}
	mb = awaitAnthropic(t, claude, mb.ID, 20*time.Second)
	types := map[string]int64{}
	for _, r := range anthropicResults(t, claude, mb.ID) {
		types[r.Result.Type]++
	}
	if types["succeeded"]+types["canceled"] != n || types["canceled"] != mb.RequestCounts.Canceled || types["canceled"] == 0 {
		t.Errorf("%v: %s", types, mb.RawJSON())
	}
}

// TestBatchLists: pages of batches and files, the newest first, and what another tenant sees of them: nothing.
func TestBatchLists(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	mine, other := makeKey(t, m, mesh.Key, `"name":"a","tenant":"acme"`), makeKey(t, m, mesh.Key, `"name":"b","tenant":"globex"`)
	c, claude := openAIClient(m, option.WithAPIKey(mine.Secret)), anthropicClient(m, aoption.WithAPIKey(mine.Secret))
	var ids, claudes, outputs []string
	for range 5 {
		b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", openAILines(1, "gpt-5")).ID, time.Minute)
		ids, outputs = append(ids, b.ID), append(outputs, b.OutputFileID)
		mb, err := claude.Messages.Batches.New(t.Context(), messageBatch(1, "gpt-5"))
		if err != nil {
			t.Fatal(err)
		}
		claudes = append(claudes, mb.ID)
	}
	slices.Reverse(ids)
	slices.Reverse(claudes)
	slices.Reverse(outputs)
	var got []string
	pages := c.Batches.ListAutoPaging(t.Context(), openai.BatchListParams{Limit: openai.Int(2)})
	for pages.Next() {
		got = append(got, pages.Current().ID)
	}
	if pages.Err() != nil || !slices.Equal(got, ids) {
		t.Errorf("%v: %v, want %v", pages.Err(), got, ids)
	}
	got = nil
	messages := claude.Messages.Batches.ListAutoPaging(t.Context(), anthropic.MessageBatchListParams{Limit: anthropic.Int(2)})
	for messages.Next() {
		got = append(got, messages.Current().ID)
	}
	if messages.Err() != nil || !slices.Equal(got, claudes) {
		t.Errorf("%v: %v, want %v", messages.Err(), got, claudes)
	}
	back, err := claude.Messages.Batches.List(t.Context(), anthropic.MessageBatchListParams{Limit: anthropic.Int(2), BeforeID: anthropic.String(claudes[4])})
	if err != nil || len(back.Data) != 2 || back.Data[0].ID != claudes[2] || back.Data[1].ID != claudes[3] {
		t.Errorf("%v: %s", err, back.RawJSON())
	}
	got = nil
	files := c.Files.ListAutoPaging(t.Context(), openai.FileListParams{Limit: openai.Int(2), Purpose: openai.String("batch_output")})
	for files.Next() {
		if f := files.Current(); slices.Contains(outputs, f.ID) {
			got = append(got, f.ID)
		}
		if files.Current().Purpose != openai.FileObjectPurposeBatchOutput {
			t.Errorf("%s", files.Current().RawJSON())
		}
	}
	if files.Err() != nil || !slices.Equal(got, outputs) {
		t.Errorf("%v: %v, want %v", files.Err(), got, outputs)
	}
	checkUnseen(t, m, other.Secret, ids[0], claudes[0], outputs[0])
}

// checkUnseen: to a key of another tenant nothing is there.
func checkUnseen(t *testing.T, m *mesh.Mesh, key, batch, messageBatch, file string) {
	t.Helper()
	for _, path := range []string{"/v1/batches", "/v1/files", "/v1/messages/batches"} {
		if resp, body := ask(t, m, key, http.MethodGet, path, ""); resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"data":[]`)) {
			t.Errorf("%s: %d: %s", path, resp.StatusCode, body)
		}
	}
	for _, call := range []string{
		"GET /v1/batches/" + batch, "POST /v1/batches/" + batch + "/cancel", "GET /v1/batches?after=" + batch,
		"GET /v1/files/" + file, "GET /v1/files/" + file + "/content", "DELETE /v1/files/" + file, "GET /v1/files?after=" + file,
		"GET /v1/messages/batches/" + messageBatch, "GET /v1/messages/batches/" + messageBatch + "/results",
		"POST /v1/messages/batches/" + messageBatch + "/cancel", "DELETE /v1/messages/batches/" + messageBatch,
		"GET /v1/messages/batches?after_id=" + messageBatch, "GET /v1/messages/batches?before_id=" + messageBatch,
	} {
		method, path, _ := strings.Cut(call, " ")
		if resp, body := ask(t, m, key, method, path, ""); resp.StatusCode != 404 {
			t.Errorf("%s: %d: %s", call, resp.StatusCode, body)
		}
	}
	body := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, file)
	if resp, got := ask(t, m, key, http.MethodPost, "/v1/batches", body); resp.StatusCode != 404 {
		t.Errorf("another's file: %d: %s", resp.StatusCode, got)
	}
}

// TestBatchWaitsForLimits: a batch with more lines than its key has requests waits for them, and fails nothing.
func TestBatchWaitsForLimits(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{Batch: ownQueue})
	k := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{"requests_per_minute":120}`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", openAILines(125, "gpt-5")).ID, 2*time.Minute)
	if b.RequestCounts.Completed != 125 {
		t.Errorf("%s", b.RawJSON())
	}
	checkBatchRows(t, m, k, b.ID, 125, nil)
	t.Logf("125 lines at 120 a minute took %ds", b.CompletedAt-b.CreatedAt)
}

// TestBatchExpires: what isn't asked within the window has expired, and what was answered is there.
func TestBatchExpires(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the shortest window is a minute")
	}
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{"requests_per_minute":3}`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	const n = 7 // with more the batch would be refused: in no two minutes there are eight
	b, err := c.Batches.New(t.Context(), openai.BatchNewParams{
		InputFileID: uploadBatch(t, c, openAILines(n, "gpt-5")).ID, Endpoint: "/v1/chat/completions", CompletionWindow: "1m",
	})
	if err != nil || b.CompletionWindow != "1m" {
		t.Fatal(b.RawJSON(), err)
	}
	b = awaitOpenAI(t, c, b.ID, 90*time.Second)
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	if b.Status != openai.BatchStatusExpired || b.ExpiredAt == 0 || len(good) < 3 || len(bad) == 0 || len(good)+len(bad) != n {
		t.Errorf("%d answered, %d not: %s", len(good), len(bad), b.RawJSON())
	}
	for _, r := range bad {
		if r.Response != nil || r.Error == nil || r.Error.Code != "batch_expired" {
			t.Errorf("%+v", r)
		}
	}
}

// TestBatchStaysHome: a line with a card number reaches the trusted provider alone, and no other line goes with it.
func TestBatchStaysHome(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "cloud", "sky", "home", "shed")
	m := mesh.Start(t, mesh.Options{Upstream: f, Extra: trusted + alwaysLook, Batch: ownQueue})
	c := openAIClient(m)
	content := chatLine("open", "hosted", "Explain RAG") + chatLine("home", "mixed", "Pay with "+cardNumber) + chatLine("refused", "hosted", "Pay with "+cardNumber)
	b := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", content).ID, time.Minute)
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	if len(good) != 2 || len(bad) != 1 || bad[0].CustomID != "refused" || bad[0].Response.StatusCode != 403 ||
		!bytes.Contains(bad[0].Response.Body, []byte("SENSITIVITY")) || bytes.Contains(bad[0].Response.Body, []byte(cardNumber)) {
		t.Fatalf("%v %v", good, bad)
	}
	labelled := awaitOpenAI(t, c, openAIBatch(t, c, "/v1/chat/completions", openAILines(3, "hosted"), option.WithHeader("x-headgate-sensitivity", "high")).ID, time.Minute)
	if labelled.RequestCounts.Failed != 3 {
		t.Errorf("a batch that is sensitive as a whole: %s", labelled.RawJSON())
	}
	if f.count("cloud")+f.count("sky") != 1 || f.count("home")+f.count("shed") != 1 {
		t.Errorf("cloud %d, sky %d, home %d, shed %d", f.count("cloud"), f.count("sky"), f.count("home"), f.count("shed"))
	}
	if strings.Contains(m.Log(), cardNumber) {
		t.Error("the log has the card's number")
	}
}

// TestBatchOfRevokedKey: nothing more is asked for a key that was revoked; its lines say why.
func TestBatchOfRevokedKey(t *testing.T) {
	t.Parallel()
	const n = 200
	for name, split := range map[string]bool{"all": false, "split": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newPatientSim(t, 100*time.Millisecond)
			m := mesh.Start(t, mesh.Options{Upstream: up, Split: split, Batch: ownQueue})
			k, another := makeKey(t, m, mesh.Key, `"name":"gone","tenant":"acme"`), makeKey(t, m, mesh.Key, `"name":"here","tenant":"acme"`)
			b := openAIBatch(t, openAIClient(m, option.WithAPIKey(k.Secret)), "/v1/chat/completions", openAILines(n, "gpt-5"))
			within(t, 10*time.Second, "some are asked", func() bool { _, all := up.counts(); return all > 8 })
			if resp, body := ask(t, m, mesh.Key, http.MethodDelete, "/api/v1/keys/"+k.Key.ID, ""); resp.StatusCode != 200 {
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
			c := openAIClient(m, option.WithAPIKey(another.Secret))
			b = awaitOpenAI(t, c, b.ID, time.Minute)
			bad := openAIResults(t, c, b.ErrorFileID)
			_, asked := up.counts()
			if asked == n || len(bad) != n-asked || int(b.RequestCounts.Completed) != asked {
				t.Errorf("%d of %d were asked, %d failed: %s", asked, n, len(bad), b.RawJSON())
			}
			for _, r := range bad {
				if r.Response == nil || r.Response.StatusCode != 401 || !bytes.Contains(r.Response.Body, []byte("invalid_api_key")) {
					t.Fatalf("%+v", r)
				}
			}
		})
	}
}

// TestBatchGoesOnBesideBusy: a model whose provider is busy all the time holds up its own lines, and not those of others.
func TestBatchGoesOnBesideBusy(t *testing.T) {
	t.Parallel()
	const n = 60
	up := newPatientSim(t, 0)
	m := mesh.Start(t, mesh.Options{Upstream: up, Batch: ownQueue})
	c := openAIClient(m)
	b := openAIBatch(t, c, "/v1/chat/completions", chatLine("busy", "claude-opus-4-6#status=529", "never")+openAILines(n, "gpt-5")+chatLine("busy too", "claude-opus-4-6#status=529", "never"))
	within(t, 30*time.Second, "the others are answered", func() bool {
		b, err := c.Batches.Get(t.Context(), b.ID)
		return err == nil && b.RequestCounts.Completed == n
	})
	if _, err := c.Batches.Cancel(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if b := awaitOpenAI(t, c, b.ID, 30*time.Second); b.Status != openai.BatchStatusCancelled || b.RequestCounts.Total != n+2 {
		t.Errorf("%s", b.RawJSON())
	}
}
