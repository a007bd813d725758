package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// sensitiveLines are half harmless and half with a card's number, written in every way there is, for hosted models and for one
// that a trusted provider has, too.
func sensitiveLines() (content string, secret, refused map[string]bool) {
	var b strings.Builder
	secret, refused = map[string]bool{}, map[string]bool{}
	for name, spelling := range cardSpellings {
		for _, model := range []string{"mixed", "hosted", "sky/claude-opus-4-6"} {
			id := name + " to " + model
			secret[id], refused[id] = true, model != "mixed"
			fmt.Fprintf(&b, `{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":{"model":%q,"messages":[{"role":"user","content":"Pay with %s please"}]}}`+"\n", id, model, spelling)
			b.WriteString(chatLine("open "+id, model, "Explain "+name))
		}
	}
	return b.String(), secret, refused
}

// TestJobsStayHome: of a batch with sensitive lines the others go to hosted providers' batch APIs, and nothing of those: not
// in a file, not in a job, not live. They are answered in the house or end as errors.
func TestJobsStayHome(t *testing.T) {
	t.Parallel()
	bothShapesOf(t, newFleet(t, "cloud", "sky", "home", "shed"), trusted+alwaysLook, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		c := openAIClient(m)
		content, secret, refused := sensitiveLines()
		b := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, content).ID, time.Minute)
		results := append(openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)...)
		for _, r := range results {
			switch {
			case r.Response == nil, refused[r.CustomID] != (r.Response.StatusCode == 403), !refused[r.CustomID] != (r.Response.StatusCode == 200),
				refused[r.CustomID] && !bytes.Contains(r.Response.Body, []byte("SENSITIVITY")), refused[r.CustomID] && bytes.Contains(r.Response.Body, []byte(cardNumber)):
				t.Errorf("%s: %+v", r.CustomID, r)
			}
		}
		if len(results) != 2*len(secret) {
			t.Errorf("%d results", len(results))
		}
		labelled := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, openAILines(3, "hosted"), option.WithHeader("x-headgate-sensitivity", "high")).ID, time.Minute)
		if labelled.RequestCounts.Failed != 3 {
			t.Errorf("a batch that is sensitive as a whole: %s", labelled.RawJSON())
		}
		checkNothingLeft(t, m, f, len(secret))
		if got := f.count("home") + f.count("shed"); got != len(cardSpellings) {
			t.Errorf("%d lines were answered at home", got)
		}
	})
}

// checkNothingLeft: so many lines reached hosted providers, none of them with a card's number.
func checkNothingLeft(t *testing.T, m *mesh.Mesh, f *fleet, lines int) {
	t.Helper()
	reached := 0
	for _, name := range []string{"cloud", "sky"} {
		for _, body := range f.bodies(name) {
			reached += strings.Count(body, "Explain ")
			for spelling, text := range cardSpellings {
				if strings.Contains(body, text) || strings.Contains(body, "Pay with") {
					t.Errorf("%s got a card %s: %s", name, spelling, body)
				}
			}
		}
		l, err := f.sims[name].Ledger()
		if err != nil || l.Failed != 0 {
			t.Errorf("%v: %d failed", err, l.Failed)
		}
	}
	if reached != lines {
		t.Errorf("%d harmless lines reached the hosted providers, want %d", reached, lines)
	}
	if strings.Contains(m.Log(), cardNumber) {
		t.Error("the log has the card's number")
	}
}

// TestJobsRedacted: a rule that redacts does so in the file that a job is made of, in either dialect.
func TestJobsRedacted(t *testing.T) {
	t.Parallel()
	bothShapesOf(t, newFleet(t, "cloud", "sky", "home", "shed"), scrubbed, func(t *testing.T, m *mesh.Mesh, f *fleet) {
		const text = "pay with CARD from ACCOUNT by TOKEN"
		list := []asked{{"a", "one", asSent(text)}, {"b", "two", asSent(text)}, {"c", "one", "nothing"}, {"d", "two", "nothing"}}
		c, claude := openAIClient(m), anthropicClient(m)
		b := openAIBatch(t, c, chatPath, linesOfBatch(list))
		mb, err := claude.Messages.Batches.New(t.Context(), messagesOf(list))
		if err != nil {
			t.Fatal(err)
		}
		b, mb = awaitOpenAI(t, c, b.ID, time.Minute), awaitAnthropic(t, claude, mb.ID, time.Minute)
		if b.RequestCounts.Completed != 4 || mb.RequestCounts.Succeeded != 4 {
			t.Errorf("%s %s", b.RawJSON(), mb.RawJSON())
		}
		for _, name := range []string{"cloud", "sky"} {
			l, err := f.sims[name].Ledger()
			if all := strings.Join(f.bodies(name), "\n"); err != nil || l.Answered != 4 || strings.Count(all, asRedacted(text)) != 2 {
				t.Errorf("%s: %v: %d lines: %s", name, err, l.Answered, all)
			} else {
				checkMarks(t, name, all, text+text)
			}
		}
	})
}

// TestJobsPaced: lines are handed over as fast as the key's limit lets them, and no faster.
func TestJobsPaced(t *testing.T) {
	t.Parallel()
	const n, limit = 125, 120 // the burst is a minute's worth; another comes each half second
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{"requests_per_minute":120}`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	began := time.Now()
	b := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, openAILines(n, batchModels...)).ID, time.Minute)
	if took, least := time.Since(began), (n-limit-1)*time.Minute/limit; b.RequestCounts.Completed != n || took < least {
		t.Errorf("in %s, want at least %s: %s", took, least, b.RawJSON())
	}
	checkThreeBooks(t, m, k, b.ID, n)
}

// TestBatchNeverPasses: a batch that its key's limits don't let through within its time is failed at once, and says which
// line it is where one alone is too much. Nobody is asked.
func TestBatchNeverPasses(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	for name, test := range map[string]struct {
		limits string
		lines  string
		line   int64
	}{
		"too many":  {`"requests_per_minute":1`, openAILines(3000, "gpt-5"), 0},
		"too large": {`"tokens_per_minute":100`, chatLine("a", "gpt-5", "Hi") + chatLine("b", "gpt-5", strings.Repeat("word ", 300)), 2},
	} {
		k := makeKey(t, m, mesh.Key, `"name":"few","tenant":"acme","limits":{`+test.limits+`}`)
		c := openAIClient(m, option.WithAPIKey(k.Secret))
		b := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, test.lines).ID, 20*time.Second)
		if b.Status != openai.BatchStatusFailed || len(b.Errors.Data) != 1 || b.Errors.Data[0].Code != "limit_exceeded" || b.Errors.Data[0].Line != test.line || b.Errors.Data[0].Message == "" {
			t.Errorf("%s: %s", name, b.RawJSON())
		}
	}
	if l := ledgerOf(t, m); len(l.Batches) != 0 || len(rows(t, m, mesh.Key, "")) != 0 {
		t.Errorf("%d jobs were made", len(l.Batches))
	}
}

// money is how a budget stands, in 10^-12 US dollars.
type money struct{ limit, left int64 }

// budgetOf is a key's budget as the rate limiter has it.
func budgetOf(t *testing.T, m *mesh.Mesh, k madeKey) (b money) {
	t.Helper()
	resp, body := ask(t, m, k.Secret, http.MethodGet, "/api/v1/quota", "")
	var q struct {
		Balances []struct{ Dimension, Limit, Remaining string }
	}
	if err := json.Unmarshal(body, &q); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, body)
	}
	for _, one := range q.Balances {
		if one.Dimension != "DIMENSION_BUDGET" {
			continue
		}
		b.limit, _ = strconv.ParseInt(one.Limit, 10, 64)
		b.left, _ = strconv.ParseInt(one.Remaining, 10, 64)
	}
	return b
}

// spentBy is what a key's rows cost together.
func spentBy(t *testing.T, m *mesh.Mesh, k madeKey) (n int64) {
	t.Helper()
	for _, r := range rows(t, m, k.Secret, "") {
		n += r.cost(t)
	}
	return n
}

// budgetKey makes a key with a budget for ever, in US dollars, and waits until it can be spent: right after a start budgets
// are closed.
func budgetKey(t *testing.T, m *mesh.Mesh, usd string) madeKey {
	t.Helper()
	k := newBudgetKey(t, m, usd)
	eventually(t, "the budget is open", func() bool { b := budgetOf(t, m, k); return b.limit > 0 && b.left == b.limit })
	return k
}

func newBudgetKey(t *testing.T, m *mesh.Mesh, usd string) madeKey {
	t.Helper()
	return makeKey(t, m, mesh.Key, `"name":"frugal","tenant":"acme","limits":{"budget_usd":`+usd+`,"budget_period":"BUDGET_PERIOD_TOTAL"}`)
}

// TestBatchBeforeBudgetsAreOpen: right after a start nobody knows yet what a budget has left. A batch is made then, or is to
// be made in a moment; it isn't told that the money is gone.
func TestBatchBeforeBudgetsAreOpen(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := newBudgetKey(t, m, "1")
	c := openAIClient(m, option.WithAPIKey(k.Secret), option.WithMaxRetries(0))
	in := uploadBatch(t, c, openAILines(3, "gpt-5"))
	var made *openai.Batch
	eventually(t, "a batch is made", func() bool {
		b, err := c.Batches.New(t.Context(), openai.BatchNewParams{InputFileID: in.ID, Endpoint: chatPath, CompletionWindow: "24h"})
		var refused *openai.Error
		if errors.As(err, &refused) && refused.StatusCode != 503 {
			t.Fatal(err)
		}
		made = b
		return err == nil
	})
	if b := awaitOpenAI(t, c, made.ID, 20*time.Second); b.RequestCounts.Completed != 3 {
		t.Errorf("%s", b.RawJSON())
	}
}

// TestBatchWithoutBudget: where the budget is used up no batch is made, in either dialect, and the SDKs don't try again.
func TestBatchWithoutBudget(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := budgetKey(t, m, "0.015")
	useUp(t, m, k)
	calls := 0
	counting := func(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		calls++
		return next(r)
	}
	c, claude := openAIClient(m, option.WithAPIKey(k.Secret)), anthropicClient(m, aoption.WithAPIKey(k.Secret), aoption.WithMiddleware(counting))
	in := uploadBatch(t, c, openAILines(3, "gpt-5"))
	_, err := c.Batches.New(t.Context(), openai.BatchNewParams{InputFileID: in.ID, Endpoint: chatPath, CompletionWindow: "24h"}, option.WithMiddleware(counting))
	var refused *openai.Error
	if !errors.As(err, &refused) || refused.StatusCode != 429 || refused.Code != "insufficient_quota" || calls != 1 {
		t.Errorf("%d calls: %v", calls, err)
	}
	_, err = claude.Messages.Batches.New(t.Context(), messageBatch(3, "gpt-5"))
	var failure *anthropic.Error
	if !errors.As(err, &failure) || failure.StatusCode != 402 || !strings.Contains(failure.RawJSON(), "billing_error") || calls != 2 {
		t.Errorf("%d calls: %v", calls, err)
	}
	if list, err := c.Batches.List(t.Context(), openai.BatchListParams{}); err != nil || len(list.Data) != 0 {
		t.Errorf("%v: a batch was made", err)
	}
}

// useUp spends all of a budget, and more: of an answer without a bound nobody knew how long it would be.
func useUp(t *testing.T, m *mesh.Mesh, k madeKey) {
	t.Helper()
	spent := false
	eventually(t, "the budget is used up", func() bool {
		if !spent {
			resp, body := ask(t, m, k.Secret, http.MethodPost, chatPath, `{"model":"gpt-5","user":"sim:chunks=3000","messages":[{"role":"user","content":"Hi"}]}`)
			if spent = resp.StatusCode == 200; !spent && resp.StatusCode != 503 { // 503: the ledger isn't read yet
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
		}
		return spent && budgetOf(t, m, k).left <= 0
	})
}

// TestJobsWithinBudget: of a batch that is dearer than its key's budget some lines are answered; what they cost is never
// more than the budget, and the rate limiter, the ledger and the provider agree on it.
func TestJobsWithinBudget(t *testing.T) {
	t.Parallel()
	const n = 60
	m := mesh.Start(t, mesh.Options{})
	k := budgetKey(t, m, "0.01")
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	var list []asked
	for i := range n {
		list = append(list, asked{fmt.Sprintf("l%d", i+1), "gpt-5", fmt.Sprintf("question %d", i+1)})
	}
	b := openAIBatch(t, c, chatPath, linesOfBatch(list))
	within(t, time.Minute, "the batch is over", func() bool {
		if left := budgetOf(t, m, k); left.left < 0 {
			t.Errorf("%+v", left)
		}
		got, err := c.Batches.Get(t.Context(), b.ID)
		if err != nil {
			t.Fatal(err)
		}
		b = got
		return openAIOver(b)
	})
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	for _, r := range bad {
		if r.Response == nil || r.Response.StatusCode != 429 || !bytes.Contains(r.Response.Body, []byte("insufficient_quota")) {
			t.Fatalf("%s: %+v", r.CustomID, r)
		}
	}
	if len(good)+len(bad) != n || len(good) < n/3 || len(bad) < 5 {
		t.Errorf("%d answered, %d not: %s", len(good), len(bad), b.RawJSON())
	}
	rowsOf(t, m, k, b.ID, len(good))
	checkMoney(t, m, k, b.ID, ledgerOf(t, m))
	eventually(t, "what was reserved is settled", func() bool {
		left := budgetOf(t, m, k)
		return left.limit == 10_000_000_000 && left.limit-left.left == spentBy(t, m, k)
	})
	t.Logf("%d of %d lines were answered for %d of a budget of 10000000000", len(good), n, spentBy(t, m, k))
}

// TestJobCancelGivesBack: what lines of a cancelled batch had reserved is there again, wherever they were.
func TestJobCancelGivesBack(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	for name, script := range map[string]string{
		"while the job runs":      "batch_line=300ms",
		"while it can't be made":  "batch_upload=503x1000",
		"before a line is asked":  "batch_delay=10s",
		"while some are answered": "batch_line=50ms",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := budgetKey(t, m, "0.05")
			c := openAIClient(m, option.WithAPIKey(k.Secret))
			var list strings.Builder
			for i := range 20 {
				fmt.Fprintf(&list, `{"custom_id":"l%d","method":"POST","url":%q,"body":{"model":"gpt-5","user":"sim:%s","max_completion_tokens":200,"messages":[{"role":"user","content":"question %d, %s"}]}}`+"\n",
					i+1, chatPath, script, i+1, name)
			}
			b := openAIBatch(t, c, chatPath, list.String())
			eventually(t, "money is held for all lines", func() bool { left := budgetOf(t, m, k); return left.limit-left.left >= 20*200*5_000_000 })
			<-time.After(700 * time.Millisecond)
			if _, err := c.Batches.Cancel(t.Context(), b.ID); err != nil {
				t.Fatal(err)
			}
			b = awaitOpenAI(t, c, b.ID, 20*time.Second)
			rowsOf(t, m, k, b.ID, int(b.RequestCounts.Completed))
			var left money
			for range 200 {
				if left = budgetOf(t, m, k); left.limit-left.left == spentBy(t, m, k) {
					return
				}
				<-time.After(20 * time.Millisecond)
			}
			t.Errorf("%+v, but %d was spent for %d answers", left, spentBy(t, m, k), b.RequestCounts.Completed)
		})
	}
}
