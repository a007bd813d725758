package tests

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// patientSim is a simulator that takes its time, and counts how often it is asked each question.
type patientSim struct {
	sim   *sim.Sim
	delay time.Duration

	mu    sync.Mutex
	asked map[string]int
}

func newPatientSim(t *testing.T, delay time.Duration) *patientSim {
	t.Helper()
	s, err := sim.New(sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &patientSim{sim: s, delay: delay, asked: make(map[string]int)}
}

var questions = regexp.MustCompile(`question \d+`)

func (a *patientSim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if q := questions.Find(body); q != nil {
		a.mu.Lock()
		a.asked[string(q)]++
		a.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-time.After(a.delay):
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.sim.ServeHTTP(w, r)
}

// counts are how often each question was asked, and all together.
func (a *patientSim) counts() (each map[string]int, all int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	each = maps.Clone(a.asked)
	for _, n := range each {
		all += n
	}
	return each, all
}

// TestBatchSurvivesKill: kill -9 in the middle of a batch, several times. Every line has one result; what the ledger knows
// as answered isn't asked again, and says so where its answer went with the process; no other line is asked twice but
// those that were under way.
func TestBatchSurvivesKill(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]func(*testing.T, *mesh.Mesh){
		"all":   func(t *testing.T, m *mesh.Mesh) { m.Kill(t, "all"); m.StartAll(t) },
		"split": func(t *testing.T, m *mesh.Mesh) { m.Kill(t, "batch"); m.StartService(t, "batch") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := newPatientSim(t, 15*time.Millisecond)
			m := mesh.Start(t, mesh.Options{Upstream: up, Split: name == "split", Batch: ownQueue})
			checkBatchSurvives(t, m, up, restart)
		})
	}
}

func checkBatchSurvives(t *testing.T, m *mesh.Mesh, up *patientSim, restart func(*testing.T, *mesh.Mesh)) {
	t.Helper()
	const n, kills, concurrency = 500, 3, 8
	c := openAIClient(m)
	b := openAIBatch(t, c, "/v1/chat/completions", openAILines(n, batchModels...))
	for kill := range kills {
		within(t, time.Minute, "enough is asked", func() bool {
			_, all := up.counts()
			return all >= (kill+1)*n/(kills+2)
		})
		restart(t, m)
	}
	within(t, 20*time.Second, "the service is back", func() bool {
		_, err := c.Batches.Get(t.Context(), b.ID)
		return err == nil
	})
	b = awaitOpenAI(t, c, b.ID, 2*time.Minute)
	lost := make(map[string]bool)
	lines := make(map[string]int)
	for _, r := range append(openAIResults(t, c, b.OutputFileID), openAIResults(t, c, b.ErrorFileID)...) {
		lines[r.CustomID]++
		switch {
		case r.Response != nil && r.Response.StatusCode == 200 && json.Valid(r.Response.Body):
		case r.Error != nil && r.Error.Code == "interrupted":
			lost["question "+r.CustomID[1:]] = true
		default:
			t.Errorf("%+v", r)
		}
	}
	again := 0
	each, _ := up.counts()
	for question, times := range each {
		if times > 1 {
			again++
		}
		if times > 1+kills || times > 1 && lost[question] && times > kills {
			t.Errorf("%s was asked %d times", question, times)
		}
	}
	if len(lines) != n || len(each) != n || b.RequestCounts.Completed != int64(n-len(lost)) || b.RequestCounts.Failed != int64(len(lost)) {
		t.Errorf("%d lines have results, %d were asked, %d lost: %s", len(lines), len(each), len(lost), b.RawJSON())
	}
	if len(lost)+again > kills*concurrency {
		t.Errorf("%d answers lost and %d lines asked again: more than were under way", len(lost), again)
	}
	complete := make(map[string]int)
	eventually(t, "the ledger has every answer", func() bool {
		clear(complete)
		for _, r := range rows(t, m, mesh.Key, "filter.tag=batch="+b.ID) {
			if r.Outcome == "OUTCOME_COMPLETE" {
				complete[r.RequestID]++
			}
		}
		return len(complete) >= n
	})
	for id, times := range complete {
		if times != 1 {
			t.Errorf("%s is complete %d times in the ledger", id, times)
		}
	}
	t.Logf("%d lines, %d kills: %d answers went with a process, %d lines were asked again", n, kills, len(lost), again)
}
