package batch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/batch"
)

// quick polls at once.
func quick() batch.Config {
	return batch.Config{PollLeast: 5 * time.Millisecond, PollMost: 50 * time.Millisecond}
}

// providing is a router whose provider has a batch API.
func providing(limits *routerv1.JobLimits) *router {
	r := newRouter()
	r.jobs = newJobs(limits)
	return r
}

var jobID = regexp.MustCompile(`^job_[A-Za-z0-9]{24}$`)

// TestProviderBatches: a batch goes to its provider in several jobs, and comes back as if nothing was.
func TestProviderBatches(t *testing.T) {
	t.Parallel()
	r := providing(&routerv1.JobLimits{Lines: 40, Bytes: 1 << 20, OneModel: true})
	c, ctx := start(t, t.TempDir(), quick(), r), client(t, "acme")
	id := create(ctx, t, c, openAILines(100), func(r *batchv1.CreateBatchRequest) {
		r.Tags, r.Sensitivity = map[string]string{"team": "search"}, llmv1.Sensitivity_SENSITIVITY_LOW
	}).GetId()
	b := until(ctx, t, c, id, ended)
	if n := b.GetCounts().GetCompleted(); n != 100 || b.GetUsage().GetInputTokens() != 300 || r.total() != 0 {
		t.Errorf("%v; %d asked live", b, r.total())
	}
	list := results(ctx, t, c, id)
	for i, line := range list {
		if line.GetLine() != int64(i+1) || line.GetCustomId() != fmt.Sprint("l", i+1) || !strings.HasSuffix(line.GetBody(), fmt.Sprintf(`-%d"}`, i+1)) {
			t.Errorf("%v", line)
		}
	}
	if n := strings.Count(content(ctx, t, c, b.GetOutputFileId()), "\n"); len(list) != 100 || n != 100 || b.GetErrorFileId() != "" {
		t.Errorf("%d results, %d in the file", len(list), n)
	}
	checkJobs(t, r.jobs, id)
}

func checkJobs(t *testing.T, j *jobs, id string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var sizes []int
	for _, u := range j.upstream {
		d := u.of
		sizes = append(sizes, len(u.lines))
		if !jobID.MatchString(d.GetJobId()) || d.GetProvider() != "vendor" || d.GetModel() != "m-1" || d.GetOperation() != routerv1.Operation_OPERATION_CHAT ||
			d.GetSensitivity() != llmv1.Sensitivity_SENSITIVITY_LOW || len(d.GetHeaders()) != 1 || d.GetHeaders()[0].GetName() != "anthropic-beta" {
			t.Errorf("%v", d)
		}
	}
	if fmt.Sprint(sizes) != "[40 40 20]" && fmt.Sprint(sizes) != "[40 20 40]" && fmt.Sprint(sizes) != "[20 40 40]" {
		t.Errorf("jobs of %v lines", sizes)
	}
	for n := 1; n <= 100; n++ {
		request := fmt.Sprint(id, ".", n)
		md, in := j.seen[request], j.finished[request]
		got := fmt.Sprint(md.Get(meta.InternalOnBehalf), md.Get(meta.Priority), md.Get(meta.Tags), md.Get(meta.Sensitivity))
		if want := fmt.Sprintf("[key_acme] [batch] [batch=%s,team=search] [low]", id); got != want {
			t.Errorf("prepared with %s, want %s", got, want)
		}
		if in.GetKeyId() != "key_acme" || in.GetTenant() != "acme" || in.GetTags()["team"] != "search" || in.GetTags()["batch"] != id ||
			!strings.HasPrefix(in.GetResult().GetId(), in.GetJobId()) || in.GetContext().GetInputTokens() != 7 || in.GetResult().GetUpstreamRequestId() != "r" {
			t.Errorf("finished with %v", in)
		}
		if name := in.GetResult().GetId(); j.billed[name] != 1 || j.booked[request] != 1 || len(name) > 64 {
			t.Errorf("%s: charged %d times, booked %d times", name, j.billed[name], j.booked[request])
		}
	}
}

// TestProviderBatchesOfAnthropic has its own form of results.
func TestProviderBatchesOfAnthropic(t *testing.T) {
	t.Parallel()
	r := providing(&routerv1.JobLimits{Lines: 3})
	c, ctx := start(t, t.TempDir(), quick(), r), client(t, "acme")
	made, err := c.CreateBatch(ctx, &batchv1.CreateBatchRequest{Dialect: llmv1.Dialect_DIALECT_ANTHROPIC, Requests: []*batchv1.BatchRequest{
		{CustomId: "z", Body: `{"model":"m","max_tokens":1,"messages":[]}`}, {CustomId: "a", Body: `{"model":"m","max_tokens":1,"messages":[]}`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := until(ctx, t, c, made.GetBatch().GetId(), ended)
	var line struct {
		CustomID string `json:"custom_id"`
		Result   struct {
			Type    string         `json:"type"`
			Message map[string]any `json:"message"`
		} `json:"result"`
	}
	first, _, _ := strings.Cut(content(ctx, t, c, b.GetOutputFileId()), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.CustomID != "z" || line.Result.Type != "succeeded" || line.Result.Message["said"] == nil {
		t.Errorf("%s %v", first, err)
	}
}

// TestRouterRefuses: what the router says of preparing and submitting decides which way lines go.
func TestRouterRefuses(t *testing.T) {
	t.Parallel()
	provider := func(status, submitted string) error {
		return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With(fault.MetadataHTTPStatus, status).With("submitted", submitted)
	}
	for _, test := range []struct {
		name            string
		prepare, submit error
		// live is how many lines are asked live.
		live    int
		outcome batchv1.LineOutcome
	}{
		{name: "busy preparing", prepare: fault.New(errorsv1.Reason_REASON_RATE_LIMITED, "slowly")},
		{name: "not allowed", prepare: fault.New(errorsv1.Reason_REASON_MODEL_NOT_ALLOWED, "no"), outcome: batchv1.LineOutcome_LINE_OUTCOME_ERRORED},
		{name: "a bad request", submit: provider("400", "no"), live: 5},
		{name: "no credit", submit: provider("402", "no"), live: 5},
		{name: "credentials", submit: fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS, "no").With("submitted", "no"), live: 5},
		{name: "too often", submit: provider("429", "no")},
		{name: "overloaded", submit: provider("529", "no")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := providing(nil)
			first := func(err error) func() error {
				var n atomic.Int64
				return func() error {
					if n.Add(1) == 1 || test.outcome != 0 {
						return err
					}
					return nil
				}
			}
			prepare, submit := first(test.prepare), first(test.submit)
			r.jobs.prepare = func(string) error { return prepare() }
			r.jobs.submit = func(*routerv1.JobDescription) error { return submit() }
			c, ctx := start(t, t.TempDir(), quick(), r), client(t, "acme")
			b := until(ctx, t, c, create(ctx, t, c, openAILines(5)).GetId(), ended)
			if r.total() != test.live || (test.live > 0 && r.jobs.submitted() > 0) {
				t.Errorf("%d asked live, %d submitted", r.total(), r.jobs.submitted())
			}
			want := max(test.outcome, batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED)
			for _, line := range results(ctx, t, c, b.GetId()) {
				if line.GetOutcome() != want {
					t.Errorf("%v", line)
				}
			}
		})
	}
}

// TestCancelledAtTheProvider: a job that runs is cancelled with its batch.
func TestCancelledAtTheProvider(t *testing.T) {
	t.Parallel()
	r := providing(nil)
	r.jobs.takes = time.Hour
	c, ctx := start(t, t.TempDir(), quick(), r), client(t, "acme")
	id := create(ctx, t, c, openAILines(5)).GetId()
	until(ctx, t, c, id, func(*batchv1.Batch) bool { return r.jobs.submitted() == 5 })
	if _, err := c.CancelBatch(ctx, &batchv1.CancelBatchRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	b := until(ctx, t, c, id, ended)
	if b.GetState() != batchv1.BatchState_BATCH_STATE_CANCELLED || b.GetCounts().GetCancelled() != 5 || len(r.jobs.booked) > 0 {
		t.Errorf("%v", b)
	}
}

// TestSwitchedOff: nothing is handed over, but what was before comes home.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	r, dir := providing(nil), t.TempDir()
	r.jobs.takes = 300 * time.Millisecond
	var id string
	t.Run("on", func(t *testing.T) {
		c, ctx := start(t, dir, quick(), r), client(t, "acme")
		id = create(ctx, t, c, openAILines(5)).GetId()
		until(ctx, t, c, id, func(*batchv1.Batch) bool { return r.jobs.submitted() == 5 })
	})
	off := quick()
	off.ProviderBatches = batch.ProviderBatchesOff
	c, ctx := start(t, dir, off, r), client(t, "acme")
	if b := until(ctx, t, c, id, ended); b.GetCounts().GetCompleted() != 5 || r.total() > 0 {
		t.Errorf("%v, %d asked live", b, r.total())
	}
	if b := until(ctx, t, c, create(ctx, t, c, openAILines(5)).GetId(), ended); b.GetCounts().GetCompleted() != 5 || r.total() != 5 {
		t.Errorf("%v, %d asked live", b, r.total())
	}
}

// TestKilledWithJobs kills the service while it hands lines over and brings them home, many times. In the end every line has
// one result and one row of usage, and was charged once.
func TestKilledWithJobs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills five processes")
	}
	const n = 2000
	r := providing(&routerv1.JobLimits{Lines: 400})
	r.jobs.slow, r.jobs.takes = 20*time.Millisecond, 50*time.Millisecond
	router, dir := listen(t, r), t.TempDir()
	id := prepare(t, dir, router, n)
	counted := func(of func() int) func() int {
		return func() int {
			r.jobs.mu.Lock()
			defer r.jobs.mu.Unlock()
			return of()
		}
	}
	prepared, booked := counted(func() int { return len(r.jobs.seen) }), counted(func() int { return len(r.jobs.booked) })
	marks := []func() bool{
		func() bool { return prepared() > 300 },
		func() bool { return r.jobs.submitted() >= 400 }, // nobody knows of it yet
		func() bool { return booked() > 100 },
		func() bool { return r.jobs.submitted() >= n },
		func() bool { return booked() > n-200 },
	}
	for _, enough := range marks {
		kill(t, dir, router, enough)
	}
	c, acme := reopened(t, dir, router), client(t, "acme")
	b := until(acme, t, c, id, ended)
	list := results(acme, t, c, id)
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	charged := map[string]int{} // by line
	for name, times := range r.jobs.billed {
		charged[name[strings.LastIndex(name, "-")+1:]] += times
	}
	for i, line := range list {
		if line.GetLine() != int64(i+1) || line.GetOutcome() != batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED ||
			charged[fmt.Sprint(i+1)] != 1 || r.jobs.booked[line.GetRequestId()] != 1 {
			t.Errorf("charged %d times, booked %d times: %v", charged[fmt.Sprint(i+1)], r.jobs.booked[line.GetRequestId()], line)
		}
	}
	if len(list) != n || b.GetCounts().GetCompleted() != int64(n) || r.total() != 0 || b.GetUsage().GetInputTokens() != 3*int64(n) {
		t.Errorf("%d results, %d asked live: %v", len(list), r.total(), b)
	}
	t.Logf("%d lines, %d kills, %d jobs", n, len(marks), len(r.jobs.upstream))
}

// TestLargeJobs hands over many lines in little memory: 50,000 of 4 kB with BATCH_TEST_LARGE set, else 1,000. It runs
// alone, since it watches the memory of the process.
func TestLargeJobs(t *testing.T) {
	const room = 64 << 20
	lines, size := 1000, 4_000
	if os.Getenv("BATCH_TEST_LARGE") != "" {
		lines = 50_000
	}
	r := providing(&routerv1.JobLimits{Lines: 100_000, Bytes: 128 << 20})
	r.jobs.lean, r.jobs.answer = true, `{"x":"`+strings.Repeat("y", size)+`"}`
	cfg := quick()
	cfg.Concurrency = 32
	c, ctx := start(t, t.TempDir(), cfg, r), client(t, "acme")
	f, err := upload(ctx, c, openAIFile(), newGenerator(batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES, lines, size))
	if err != nil {
		t.Fatal(err)
	}
	watch := watchHeap()
	began := time.Now()
	made, err := c.CreateBatch(ctx, &batchv1.CreateBatchRequest{InputFileId: f.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	id := made.GetBatch().GetId()
	b := until(ctx, t, c, id, func(*batchv1.Batch) bool { return r.jobs.submitted() == lines })
	handed := time.Since(began)
	b = until(ctx, t, c, b.GetId(), ended)
	whole, peak := time.Since(began), watch()
	if b.GetCounts().GetCompleted() != int64(lines) || len(r.jobs.booked) != lines || r.total() > 0 {
		t.Fatalf("%v", b)
	}
	t.Logf("%d lines of %d bytes: handed over in %v, home after %v in %d jobs, peak heap %.1f MiB over the beginning", lines, size,
		handed.Round(time.Millisecond), (whole - handed).Round(time.Millisecond), len(r.jobs.upstream), float64(peak)/(1<<20))
	if peak > room {
		t.Errorf("%d MiB of heap", peak>>20)
	}
}
