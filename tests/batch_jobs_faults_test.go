package tests

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
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

// jobFault is what a provider does to a batch of jobFaultLines lines, and what becomes of those.
type jobFault struct {
	script string
	// succeeded lines have an answer; the others the code.
	succeeded int
	code      string
	// answered is how many lines the provider answered in batches, booked how many have a row.
	answered, booked int
	// live says that the rest were asked live.
	live bool
	// anthropic and openAI leave out the other vendor.
	anthropic, openAI bool
}

const jobFaultLines = 6

// jobFaults have all lines answered in a batch, once, where they don't say otherwise.
var jobFaults = map[string]jobFault{
	"nothing":                  {},
	"the create is lost":       {script: "batch_lost=1"},
	"too many requests":        {script: "batch_create=429x2,batch_retry_after=1"},
	"the create fails":         {script: "batch_create=500x1"},
	"overloaded":               {script: "batch_create=529x1", anthropic: true},
	"the upload fails":         {script: "batch_upload=503x2", openAI: true},
	"polls fail":               {script: "batch_poll=500x3"},
	"polls are too many":       {script: "batch_poll=429x2,batch_retry_after=1"},
	"results end early":        {script: "batch_cut=2"},
	"results break off":        {script: "batch_reset=2"},
	"results are late":         {script: "batch_late=700ms"},
	"results come twice":       {script: "batch_double=3"},
	"the job expires":          {script: "batch_expire=4", succeeded: 4, code: "batch_expired", answered: 4, booked: 4},
	"refused at validation":    {script: "batch_refuse", live: true},
	"everything goes wrong":    {script: "batch_lost=1,batch_poll=503x2,batch_reset=1,batch_cut=1,batch_double=2,batch_late=300ms"},
	"answers come out of turn": {script: "batch_delay=1s,batch_line=20ms"},
}

// expected fills in what is so where nothing is lost.
func (f jobFault) expected() jobFault {
	if f.code == "" {
		f.succeeded, f.booked = jobFaultLines, jobFaultLines
	}
	if f.answered == 0 && !f.live {
		f.answered = jobFaultLines
	}
	return f
}

// TestJobFaultsOpenAI: whatever goes wrong around a batch at OpenAI, every line gets one result and is charged once. Each
// fault is a model, and so a job, of the same batch.
func TestJobFaultsOpenAI(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"faults","tenant":"acme"`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	var list []asked
	names := slices.Sorted(maps.Keys(jobFaults))
	for i := range jobFaultLines { // the jobs form side by side
		for _, name := range names {
			if f := jobFaults[name]; !f.anthropic {
				list = append(list, asked{fmt.Sprintf("%s %d", name, i), "gpt-5#" + f.script, fmt.Sprintf("question %d, %s", i, name)})
			}
		}
	}
	b := awaitOpenAI(t, c, openAIBatch(t, c, chatPath, linesOfBatch(list)).ID, time.Minute)
	got := make(map[string]map[string]int) // results by fault and code
	results := append(openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)...)
	for _, r := range results {
		count(got, r.CustomID, openAICode(t, r))
	}
	if b.Status != openai.BatchStatusExpired || len(results) != len(list) {
		t.Errorf("%d results: %s", len(results), b.RawJSON())
	}
	booked := make(map[string]int)
	want := 0
	for name, f := range jobFaults {
		if f = f.expected(); f.anthropic {
			continue
		}
		want += f.booked
		checkFault(t, name, f, got[name])
	}
	for _, r := range rowsOf(t, m, k, b.ID, want) {
		var line int
		if _, err := fmt.Sscanf(strings.TrimPrefix(r.RequestID, b.ID), ".%d", &line); err != nil {
			t.Fatal(err)
		}
		name, _ := faultOf(list[line-1].id)
		booked[name]++
		if half := r.cost(t) == r.Tokens.Input*625_000+r.Tokens.Output*5_000_000; half == jobFaults[name].live {
			t.Errorf("%s: at the price of a batch: %t: %+v", name, half, r)
		}
	}
	for name, f := range jobFaults {
		if f = f.expected(); !f.anthropic && booked[name] != f.booked {
			t.Errorf("%s: %d rows, want %d", name, booked[name], f.booked)
		}
	}
	checkChargedOnce(t, ledgerOf(t, m))
	eachFaultCharged(t, ledgerOf(t, m), len(names)-1)
}

// count adds a line's code to those of its fault.
func count(got map[string]map[string]int, customID, code string) {
	name, _ := faultOf(customID)
	if got[name] == nil {
		got[name] = make(map[string]int)
	}
	got[name][code]++
}

// faultOf splits a line's name.
func faultOf(customID string) (name, line string) {
	i := strings.LastIndexByte(customID, ' ')
	return customID[:i], customID[i+1:]
}

// openAICode is the code of a result; empty where there is an answer.
func openAICode(t *testing.T, r openAIResult) string {
	t.Helper()
	switch {
	case r.Error != nil:
		return r.Error.Code
	case r.Response == nil || r.Response.StatusCode != 200 || !bytes.Contains(r.Response.Body, []byte("question")):
		t.Errorf("%s: %+v", r.CustomID, r.Response)
		return "no answer"
	}
	return ""
}

// checkFault: so many answers, and the code for all others.
func checkFault(t *testing.T, name string, f jobFault, got map[string]int) {
	t.Helper()
	want := map[string]int{"": f.succeeded}
	if rest := jobFaultLines - f.succeeded; rest > 0 {
		want[f.code] = rest
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: results %v, want %v", name, got, want)
	}
}

// rowsOf are the rows of a batch, once there are as many as wanted.
func rowsOf(t *testing.T, m *mesh.Mesh, k madeKey, batch string, want int) (list []row) {
	t.Helper()
	eventually(t, fmt.Sprintf("the ledger has %d rows of %s", want, batch), func() bool {
		list = rows(t, m, k.Secret, "filter.tag=batch="+batch)
		return len(list) >= want
	})
	seen := make(map[string]bool)
	for _, r := range list {
		if seen[r.RequestID] {
			t.Errorf("%s has two rows", r.RequestID)
		}
		seen[r.RequestID] = true
	}
	return list
}

// checkChargedOnce: no line was answered twice in batches, under any name.
func checkChargedOnce(t *testing.T, l sim.Ledger) {
	t.Helper()
	for id, times := range l.Asked {
		if times > 1 {
			t.Errorf("%s was answered %d times", id, times)
		}
	}
	for body, times := range l.Bodies {
		if times > 1 {
			t.Errorf("body %s was answered %d times", body, times)
		}
	}
}

// eachFaultCharged: of every job the lines were answered that had to be, in one batch each.
func eachFaultCharged(t *testing.T, l sim.Ledger, batches int) {
	t.Helper()
	want := 0
	for _, f := range jobFaults {
		if !f.anthropic {
			want += f.expected().answered
		}
	}
	if l.Answered != want || len(l.Batches) != batches {
		t.Errorf("%d lines were answered in %d batches, want %d in %d", l.Answered, len(l.Batches), want, batches)
	}
}

// TestJobFaultsAnthropic: the same at Anthropic, with a batch for each fault.
func TestJobFaultsAnthropic(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"faults","tenant":"acme"`)
	c := anthropicClient(m, aoption.WithAPIKey(k.Secret))
	batches := make(map[string]string)
	for name, f := range jobFaults {
		if f.openAI {
			continue
		}
		var list []asked
		for i := range jobFaultLines {
			list = append(list, asked{fmt.Sprintf("%s %d", name, i), "claude-opus-4-6#" + f.script, fmt.Sprintf("question %d, %s", i, name)})
		}
		b, err := c.Messages.Batches.New(t.Context(), messagesOf(list))
		if err != nil {
			t.Fatal(err)
		}
		batches[name] = b.ID
	}
	answered := 0
	for name, id := range batches {
		f := jobFaults[name].expected()
		answered += f.answered
		awaitAnthropic(t, c, id, time.Minute)
		got := make(map[string]map[string]int)
		for _, r := range anthropicResults(t, c, id) {
			count(got, r.CustomID, anthropicCode(r))
		}
		checkFault(t, name, f, got[name])
		list := rowsOf(t, m, k, id, f.booked)
		for _, r := range list {
			if half := r.cost(t) == r.Tokens.Input*2_500_000+r.Tokens.Output*12_500_000; half == f.live {
				t.Errorf("%s: at the price of a batch: %t: %+v", name, half, r)
			}
		}
		if len(list) != f.booked {
			t.Errorf("%s: %d rows, want %d", name, len(list), f.booked)
		}
	}
	l := ledgerOf(t, m)
	checkChargedOnce(t, l)
	if l.Answered != answered {
		t.Errorf("%d lines were answered in batches, want %d", l.Answered, answered)
	}
}

// anthropicCode is the code of a result as OpenAI's is; empty where there is an answer.
func anthropicCode(r anthropic.MessageBatchIndividualResponse) string {
	switch r.Result.Type {
	case "succeeded":
		return ""
	case "expired":
		return "batch_expired"
	}
	return r.Result.Type + ": " + r.RawJSON()
}

// TestJobMissingResult: a line that the provider counts as answered and doesn't give stays open while the others are kept;
// it is neither asked again nor booked.
func TestJobMissingResult(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"missing","tenant":"acme"`)
	c := openAIClient(m, option.WithAPIKey(k.Secret))
	b := openAIBatch(t, c, chatPath, openAILines(jobFaultLines, "gpt-5#batch_missing=1"))
	within(t, 20*time.Second, "the results are read twice", func() bool {
		l := ledgerOf(t, m)
		return len(l.Batches) == 1 && l.Batches[0].Downloads > 1
	})
	b, err := c.Batches.Get(t.Context(), b.ID)
	if err != nil || openAIOver(b) || b.RequestCounts.Completed != jobFaultLines-1 {
		t.Errorf("%v: %s", err, b.RawJSON())
	}
	if list := rowsOf(t, m, k, b.ID, jobFaultLines-1); len(list) != jobFaultLines-1 {
		t.Errorf("%d rows", len(list))
	}
	if l := ledgerOf(t, m); len(l.Batches) != 1 || l.Answered != jobFaultLines {
		t.Errorf("asked again: %d batches, %d lines answered", len(l.Batches), l.Answered)
	}
}

// TestJobCancel: a batch that is cancelled while its jobs run has a result for every line: what the provider had answered
// is kept, and owed; the rest was never asked.
func TestJobCancel(t *testing.T) {
	t.Parallel()
	const n = 60
	m := mesh.Start(t, mesh.Options{})
	k := makeKey(t, m, mesh.Key, `"name":"cancels","tenant":"acme"`)
	c, claude := openAIClient(m, option.WithAPIKey(k.Secret)), anthropicClient(m, aoption.WithAPIKey(k.Secret))
	slow := "#batch_line=100ms"
	b := openAIBatch(t, c, chatPath, openAILines(n, "gpt-5"+slow, "claude-opus-4-6"+slow))
	mb, err := claude.Messages.Batches.New(t.Context(), messageBatch(n, "gpt-5"+slow, "claude-opus-4-6"+slow))
	if err != nil {
		t.Fatal(err)
	}
	within(t, 20*time.Second, "the providers answer lines of all four jobs", func() bool {
		l := ledgerOf(t, m)
		return len(l.Batches) == 4 && !slices.ContainsFunc(l.Batches, func(b sim.BatchBook) bool { return b.Answered < 3 })
	})
	if _, err := c.Batches.Cancel(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := claude.Messages.Batches.Cancel(t.Context(), mb.ID, anthropic.MessageBatchCancelParams{}); err != nil {
		t.Fatal(err)
	}
	b, mb = awaitOpenAI(t, c, b.ID, 20*time.Second), awaitAnthropic(t, claude, mb.ID, 20*time.Second)
	good, bad := openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)
	types := map[string]int{}
	for _, r := range anthropicResults(t, claude, mb.ID) {
		types[r.Result.Type]++
	}
	l := ledgerOf(t, m)
	if b.Status != openai.BatchStatusCancelled || len(good)+len(bad) != n || types["succeeded"]+types["canceled"] != n || len(good)+types["succeeded"] != l.Answered || l.Answered > n {
		t.Errorf("%d answered, %d not; %v; the provider answered %d: %s", len(good), len(bad), types, l.Answered, b.RawJSON())
	}
	for _, r := range bad {
		if r.Response != nil || r.Error == nil || r.Error.Code != "batch_cancelled" {
			t.Errorf("%+v", r)
		}
	}
	if one, two := rowsOf(t, m, k, b.ID, len(good)), rowsOf(t, m, k, mb.ID, types["succeeded"]); len(one) != len(good) || len(two) != types["succeeded"] {
		t.Errorf("%d and %d rows of %d and %d answers", len(one), len(two), len(good), types["succeeded"])
	}
	checkChargedOnce(t, l)
}
