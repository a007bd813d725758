package sim

import (
	"net/http"
	"slices"
	"time"
)

// batchCounts are Anthropic's request_counts.
type batchCounts struct {
	Processing int `json:"processing"`
	Succeeded  int `json:"succeeded"`
	Errored    int `json:"errored"`
	Canceled   int `json:"canceled"`
	Expired    int `json:"expired"`
}

// messageBatch is Anthropic's batch on the wire.
type messageBatch struct {
	ID                string      `json:"id"`
	Type              string      `json:"type"`
	ProcessingStatus  string      `json:"processing_status"`
	RequestCounts     batchCounts `json:"request_counts"`
	EndedAt           *string     `json:"ended_at"`
	CreatedAt         *string     `json:"created_at"`
	ExpiresAt         *string     `json:"expires_at"`
	ArchivedAt        *string     `json:"archived_at"`
	CancelInitiatedAt *string     `json:"cancel_initiated_at"`
	ResultsURL        *string     `json:"results_url"`
}

const batchesPath = "/v1/messages/batches"

// messageBatch describes a batch. The caller holds j.mu.
func (x *exchange) messageBatch(j *job, m moment) messageBatch {
	r := &j.rec
	out := messageBatch{
		ID: r.ID, Type: "message_batch", ProcessingStatus: "in_progress",
		CreatedAt: stamp(r.Created), ExpiresAt: stamp(r.expires()), EndedAt: stamp(m.ended), CancelInitiatedAt: stamp(r.Canceled),
	}
	if m.phase == canceling {
		out.ProcessingStatus = "canceling"
	}
	if !m.phase.ended() {
		out.EndedAt, out.RequestCounts.Processing = nil, r.Total // the others stay 0 until all has ended
		return out
	}
	out.ProcessingStatus, out.RequestCounts = "ended", j.counts(m)
	if r.archived(x.s.cfg.Now()) {
		out.ArchivedAt = stamp(r.Created.Add(jobKept))
		return out
	}
	scheme := "http://"
	if x.r.TLS != nil {
		scheme = "https://"
	}
	url := scheme + x.r.Host + batchesPath + "/" + r.ID + "/results"
	out.ResultsURL = &url
	return out
}

// archived tells whether the vendor has thrown the results away.
func (r *jobRecord) archived(now time.Time) bool { return !now.Before(r.Created.Add(jobKept)) }

// counts add up a batch that has ended. The caller holds j.mu.
func (j *job) counts(m moment) (c batchCounts) {
	for i := range j.answered {
		if j.answered[i].ok() {
			c.Succeeded++
		} else {
			c.Errored++
		}
	}
	rest := j.rec.Total - len(j.answered)
	if m.phase == canceled {
		c.Canceled = rest
	} else {
		c.Expired = rest
	}
	return c
}

// stamp is a time as Anthropic writes it; null when it hasn't come.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	return &s
}

// aBatch finds the batch that the path names, at the vendor that is asked.
func (x *exchange) aBatch() (*job, *problem) {
	id := x.pathID(3)
	if x.host == anthropic {
		id = x.pathID(4)
	}
	j := x.s.desk.job(x.host, x.owner(), id)
	if j == nil || j.deleted() {
		return nil, x.v.noBatch(id)
	}
	return j, nil
}

func (j *job) deleted() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rec.Deleted
}

func (v vendor) noBatch(id string) *problem {
	if v == anthropic {
		return &problem{status: http.StatusNotFound, message: "Message batch " + id + " not found."}
	}
	return &problem{status: http.StatusNotFound, kind: invalidRequest, message: "No batch found with id '" + id + "'."}
}

// getMessageBatch serves GET /v1/messages/batches/{id}.
func (x *exchange) getMessageBatch() error {
	j, p := x.aBatch()
	if p != nil {
		return x.fail(*p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := x.pollTrouble(j); p != nil {
		return x.fail(*p)
	}
	return x.tellMessageBatch(j)
}

// tellMessageBatch answers with a batch as it is now. The caller holds j.mu.
func (x *exchange) tellMessageBatch(j *job) error {
	m, err := x.s.desk.looked(j)
	if err != nil {
		return x.failed(err)
	}
	return x.json(http.StatusOK, encode(x.messageBatch(j, m)))
}

// pollTrouble is what a script has against the first polls of a batch. The caller holds j.mu.
func (x *exchange) pollTrouble(j *job) *problem {
	j.polls++
	return x.trouble("poll", digestOf(j.rec.ID, nil), j.rec.Words.Poll, j.rec.Words.RetryAfter)
}

// cancelMessageBatch serves POST /v1/messages/batches/{id}/cancel.
func (x *exchange) cancelMessageBatch() error {
	j, p := x.aBatch()
	if p != nil {
		return x.fail(*p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch ok, err := x.s.desk.cancel(j); {
	case err != nil:
		return x.failed(err)
	case !ok:
		return x.fail(problem{status: http.StatusBadRequest, message: "Batch " + j.rec.ID + " cannot be canceled because it has already ended."})
	}
	return x.tellMessageBatch(j)
}

// deleteMessageBatch serves DELETE /v1/messages/batches/{id}.
func (x *exchange) deleteMessageBatch() error {
	j, p := x.aBatch()
	if p != nil {
		return x.fail(*p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	m, err := x.s.desk.looked(j)
	if err != nil {
		return x.failed(err)
	}
	if !m.phase.ended() {
		return x.fail(problem{status: http.StatusBadRequest, message: "Batch " + j.rec.ID + " cannot be deleted while it is still processing; cancel it first."})
	}
	r := j.rec
	r.Deleted = true
	if err := x.s.desk.update(j, r); err != nil {
		return x.failed(err)
	}
	return x.json(http.StatusOK, encode(struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}{r.ID, "message_batch_deleted"}))
}

// listMessageBatches serves GET /v1/messages/batches.
func (x *exchange) listMessageBatches() error {
	limit, p := x.limit(1000, 20)
	if p != nil {
		return x.fail(*p)
	}
	q := x.r.URL.Query()
	list := slices.DeleteFunc(x.s.desk.mine(anthropic, x.owner()), (*job).deleted)
	id := func(j *job) string { return j.rec.ID }
	var more bool
	if before := q.Get("before_id"); before != "" { // the page that ends there
		slices.Reverse(list)
		list, more = after(list, before, limit, id)
		slices.Reverse(list)
	} else {
		list, more = after(list, q.Get("after_id"), limit, id)
	}
	page := modelPage{Data: []any{}, HasMore: more}
	for _, j := range list {
		one, err := x.listed(j)
		if err != nil {
			return x.failed(err)
		}
		page.Data = append(page.Data, one)
		page.LastID = &one.ID
		if page.FirstID == nil {
			page.FirstID = &one.ID
		}
	}
	return x.json(http.StatusOK, encode(page))
}

func (x *exchange) listed(j *job) (messageBatch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, err := x.s.desk.looked(j)
	if err != nil {
		return messageBatch{}, err
	}
	return x.messageBatch(j, m), nil
}

// messageBatchResults serves GET /v1/messages/batches/{id}/results.
func (x *exchange) messageBatchResults() error {
	j, p := x.aBatch()
	if p != nil {
		return x.fail(*p)
	}
	g, p, err := x.messageHarvest(j)
	if err != nil {
		return x.failed(err)
	}
	if p != nil {
		return x.fail(*p)
	}
	return x.send(g)
}

func (x *exchange) messageHarvest(j *job) (g download, p *problem, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	d, now := x.s.desk, x.s.cfg.Now()
	m, err := d.looked(j)
	if err != nil {
		return g, nil, err
	}
	if !m.phase.ended() || j.rec.late(m, now) || j.rec.archived(now) {
		return g, &problem{status: http.StatusNotFound, message: "Results of message batch " + j.rec.ID + " are not available."}, nil
	}
	h, err := d.harvest(j, m, func(int) bool { return true })
	if err != nil {
		return g, nil, err
	}
	h.spoil()
	j.fetched[0]++
	return download{h, j.fetched[0] - 1, "application/x-jsonl"}, nil, nil
}

// anthropicResult is the line of an answered request.
func anthropicResult(customID string, got lineAnswer) []byte {
	b := appendString([]byte(`{"custom_id":`), customID)
	if got.status >= 400 {
		return append(append(append(b, `,"result":{"type":"errored","error":`...), got.body...), `}}`...)
	}
	return append(append(append(b, `,"result":{"type":"succeeded","message":`...), got.body...), `}}`...)
}

// anthropicUnanswered is the line of a request that was never executed.
func anthropicUnanswered(customID string, p phase) []byte {
	b := appendString([]byte(`{"custom_id":`), customID)
	if p == canceled {
		return append(b, `,"result":{"type":"canceled"}}`...)
	}
	return append(b, `,"result":{"type":"expired"}}`...)
}
