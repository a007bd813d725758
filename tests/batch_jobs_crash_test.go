package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// The prices of batches, in 10^-12 US dollars for a token that goes in, and one that comes out.
var batchPrices = map[string][2]int64{"openai": {625_000, 5_000_000}, "anthropic": {2_500_000, 12_500_000}}

// TestJobsSurviveKills: kill -9 of whatever takes part in one batch, again and again, while it is handed over, while its
// jobs run and while their results come home. Then three books agree: every line has one result and one row, and was
// answered once at its provider.
func TestJobsSurviveKills(t *testing.T) {
	t.Parallel()
	n := 5000
	if testing.Short() {
		n = 600
	}
	for name, c := range map[string]struct {
		split   bool
		lines   int
		victims []string
	}{
		"split": {true, n, []string{"batch", "router", "sim", "usage"}},
		"all":   {false, n / 2, []string{"all", "sim"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mesh.Start(t, mesh.Options{Split: c.split, SimProcess: true})
			k := makeKey(t, m, mesh.Key, `"name":"nightly","tenant":"acme"`)
			slow := "#batch_delay=2s,batch_line=400us"
			b := openAIBatch(t, openAIClient(m, option.WithAPIKey(k.Secret)), chatPath, openAILines(c.lines, "gpt-5"+slow, "claude-opus-4-6"+slow))
			r := &reaper{t: t, m: m, key: k.Secret, batch: b.ID}
			r.handedOver(c.victims)
			r.running(c.victims)
			r.comingHome(c.victims, c.lines)
			checkThreeBooks(t, m, k, b.ID, c.lines)
			t.Logf("%d lines, %d kills", c.lines, r.kills)
		})
	}
}

// reaper kills processes and starts them again.
type reaper struct {
	t          *testing.T
	m          *mesh.Mesh
	key, batch string
	kills      int
}

func (r *reaper) kill(victim string) {
	r.t.Helper()
	r.kills++
	r.m.Kill(r.t, victim)
	switch victim {
	case "sim":
		r.m.StartSim(r.t)
	case "all":
		r.m.StartAll(r.t)
	default:
		r.m.StartService(r.t, victim)
	}
}

// handedOver kills each while lines are prepared and handed over.
func (r *reaper) handedOver(victims []string) {
	r.t.Helper()
	for _, victim := range victims {
		<-time.After(150 * time.Millisecond)
		r.kill(victim)
	}
}

// running kills each once both providers have their job.
func (r *reaper) running(victims []string) {
	r.t.Helper()
	within(r.t, time.Minute, "both jobs are there", func() bool { return len(r.m.SimLedger(r.t).Batches) >= 2 })
	for _, victim := range victims {
		r.kill(victim)
		<-time.After(100 * time.Millisecond)
	}
}

// comingHome kills each as soon as the first results are there.
func (r *reaper) comingHome(victims []string, lines int) {
	r.t.Helper()
	for i, victim := range victims {
		within(r.t, time.Minute, "results come home", func() bool { return r.completed() > lines*i/(3*len(victims)) })
		r.kill(victim)
	}
}

// completed is how many lines have an answer; -1 where nobody can tell now.
func (r *reaper) completed() int {
	resp, body, err := try(r.t, r.m, r.key, http.MethodGet, "/v1/batches/"+r.batch, "")
	var b struct {
		RequestCounts struct{ Completed int } `json:"request_counts"`
	}
	if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, &b) != nil {
		return -1
	}
	return b.RequestCounts.Completed
}

// checkThreeBooks compares the results, the ledger and the simulator's book of a batch of which every line can be answered.
func checkThreeBooks(t *testing.T, m *mesh.Mesh, k madeKey, batch string, n int) {
	t.Helper()
	c := openAIClient(m, option.WithAPIKey(k.Secret), option.WithMaxRetries(20))
	within(t, 20*time.Second, "the service is back", func() bool {
		_, err := c.Batches.Get(t.Context(), batch)
		return err == nil
	})
	b := awaitOpenAI(t, c, batch, 2*time.Minute)
	results := openAIResults(t, c, b.OutputFileID)
	for i, r := range results {
		if r.CustomID != fmt.Sprintf("l%d", i+1) || r.Response == nil || r.Response.StatusCode != 200 || !strings.Contains(string(r.Response.Body), fmt.Sprintf(`\"question %d\"`, i+1)) {
			t.Fatalf("line %d: %+v", i+1, r)
		}
	}
	if len(results) != n || b.Status != openai.BatchStatusCompleted || b.RequestCounts.Completed != int64(n) || b.ErrorFileID != "" {
		t.Errorf("%d results: %s: %.1000s", len(results), b.RawJSON(), errorsOf(t, c, b))
	}
	checkBatchRows(t, m, k, batch, n, map[string]string{"batch": batch})
	l := ledgerOf(t, m)
	checkChargedOnce(t, l)
	if l.Answered != n || l.Failed != 0 {
		t.Errorf("the providers answered %d lines, %d of them with an error", l.Answered, l.Failed)
	}
	checkMoney(t, m, k, batch, l)
}

// errorsOf are the errors of a batch, to show.
func errorsOf(t *testing.T, c *openai.Client, b *openai.Batch) string {
	t.Helper()
	var list []string
	for _, r := range openAIResults(t, c, b.ErrorFileID) {
		list = append(list, fmt.Sprintf("%s %+v", r.CustomID, r.Error))
	}
	return strings.Join(list, "; ")
}

// checkMoney: the rows, their sum as the ledger has it and the provider's own book have the same tokens and the same money,
// to the last millionth of a millionth.
func checkMoney(t *testing.T, m *mesh.Mesh, k madeKey, batch string, l sim.Ledger) {
	t.Helper()
	var in, out, cost int64
	for _, r := range rows(t, m, k.Secret, "filter.tag=batch="+batch) {
		in, out, cost = in+r.Tokens.Input, out+r.Tokens.Output, cost+r.cost(t)
	}
	var owed int64
	for _, b := range l.Batches {
		owed += int64(b.InputTokens)*batchPrices[b.Vendor][0] + int64(b.OutputTokens)*batchPrices[b.Vendor][1]
	}
	if in != int64(l.InputTokens) || out != int64(l.OutputTokens) || cost != owed || cost == 0 {
		t.Errorf("the rows have %d and %d tokens for %d, the providers %d and %d for %d", in, out, cost, l.InputTokens, l.OutputTokens, owed)
	}
	resp, body := ask(t, m, k.Secret, http.MethodGet, "/api/v1/usage?filter.tag=batch="+batch, "")
	var q struct {
		Sums []struct {
			Requests, Attempts string
			Input              string `json:"input_tokens"`
			Output             string `json:"output_tokens"`
			Cost               string `json:"cost_usd"`
		}
	}
	if err := json.Unmarshal(body, &q); err != nil || resp.StatusCode != 200 || len(q.Sums) != 1 {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, body)
	}
	if s := q.Sums[0]; s.Requests != strconv.Itoa(l.Answered) || s.Attempts != s.Requests || s.Input != strconv.FormatInt(in, 10) || s.Output != strconv.FormatInt(out, 10) || picoUSD(t, s.Cost) != cost {
		t.Errorf("the sum is %+v, the rows have %d and %d tokens for %d", s, in, out, cost)
	}
}

// picoUSD reads dollars, to the last digit.
func picoUSD(t *testing.T, usd string) int64 {
	t.Helper()
	whole, part, _ := strings.Cut(usd, ".")
	if len(part) > 12 {
		t.Fatalf("%s has more than 12 digits behind the point", usd)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", 12-len(part)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
