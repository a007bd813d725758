package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// requestCounts are OpenAI's.
type requestCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

type inputDetails struct {
	Cached int `json:"cached_tokens"`
}

type outputDetails struct {
	Reasoning int `json:"reasoning_tokens"`
}

// batchUsage is the bill of a batch.
type batchUsage struct {
	Input         int           `json:"input_tokens"`
	InputDetails  inputDetails  `json:"input_tokens_details"`
	Output        int           `json:"output_tokens"`
	OutputDetails outputDetails `json:"output_tokens_details"`
	Total         int           `json:"total_tokens"`
}

type lineErrors struct {
	Object string      `json:"object"`
	Data   []lineError `json:"data"`
}

// batchObject is OpenAI's batch on the wire.
type batchObject struct {
	ID               string          `json:"id"`
	Object           string          `json:"object"`
	Endpoint         string          `json:"endpoint"`
	Model            *string         `json:"model"`
	Errors           *lineErrors     `json:"errors"`
	InputFileID      string          `json:"input_file_id"`
	CompletionWindow string          `json:"completion_window"`
	Status           string          `json:"status"`
	OutputFileID     *string         `json:"output_file_id"`
	ErrorFileID      *string         `json:"error_file_id"`
	CreatedAt        *int64          `json:"created_at"`
	InProgressAt     *int64          `json:"in_progress_at"`
	ExpiresAt        *int64          `json:"expires_at"`
	FinalizingAt     *int64          `json:"finalizing_at"`
	CompletedAt      *int64          `json:"completed_at"`
	FailedAt         *int64          `json:"failed_at"`
	ExpiredAt        *int64          `json:"expired_at"`
	CancellingAt     *int64          `json:"cancelling_at"`
	CancelledAt      *int64          `json:"cancelled_at"`
	RequestCounts    requestCounts   `json:"request_counts"`
	Usage            batchUsage      `json:"usage"`
	Metadata         json.RawMessage `json:"metadata"`
}

// batchObject describes a batch. The caller holds j.mu.
func (j *job) batchObject(m moment) batchObject {
	r := &j.rec
	o := batchObject{
		ID: r.ID, Object: "batch", Endpoint: r.Endpoint, InputFileID: r.File, CompletionWindow: "24h", Status: m.phase.String(),
		CreatedAt: unix(r.Created), ExpiresAt: unix(r.expires()), InProgressAt: unix(m.started), CancellingAt: unix(r.Canceled),
		Metadata: r.Metadata,
	}
	if m.phase != validating && m.phase != failed {
		o.RequestCounts.Total, o.Model = r.Total, &r.Model
		o.FinalizingAt = unix(m.finalized)
	}
	for i := range j.answered {
		a := &j.answered[i]
		o.Usage.Input, o.Usage.Output, o.Usage.Total = o.Usage.Input+a.Input, o.Usage.Output+a.Output, o.Usage.Total+a.Input+a.Output
		o.Usage.InputDetails.Cached += a.read
		o.Usage.OutputDetails.Reasoning += a.thought
		if a.ok() {
			o.RequestCounts.Completed++
		} else {
			o.RequestCounts.Failed++
		}
	}
	switch m.phase {
	case failed:
		o.FailedAt, o.Errors = unix(m.ended), &lineErrors{"list", r.Errors}
	case completed:
		o.CompletedAt = unix(m.ended)
	case expired:
		o.ExpiredAt = unix(m.ended)
	case canceled:
		o.CancelledAt = unix(m.ended)
	}
	if m.phase.ended() && m.phase != failed {
		o.OutputFileID, o.ErrorFileID = j.outputIDs(o.RequestCounts.Completed)
	}
	return o
}

// outputID is the id of one of the two files that a batch brings.
func outputID(batch, what string) string { return digestOf(what, []byte(batch)).id(filePrefix, 22) }

// outputIDs are those of the files that there are: one of each sort that has a line.
func (j *job) outputIDs(succeeded int) (output, errs *string) {
	if succeeded > 0 {
		id := outputID(j.rec.ID, "output")
		output = &id
	}
	if succeeded < j.rec.Total {
		id := outputID(j.rec.ID, "error")
		errs = &id
	}
	return output, errs
}

// outputs makes the files of a batch that has ended, once. The caller holds j.mu.
func (d *desk) outputs(j *job, m moment) error {
	if m.phase == failed {
		return nil
	}
	succeeded := 0
	for i := range j.answered {
		if j.answered[i].ok() {
			succeeded++
		}
	}
	output, errs := j.outputIDs(succeeded)
	for i, id := range []*string{output, errs} {
		if id == nil || d.knows(*id) {
			continue
		}
		f := fileRecord{
			ID: *id, Owner: j.rec.Owner, Purpose: "batch_output", Created: m.ended, Job: j.rec.ID, Errors: i == 1,
			Name: j.rec.ID + [...]string{"_output.jsonl", "_error.jsonl"}[i], Expires: m.ended.Add(fileKept),
		}
		if j.rec.Keep > 0 {
			f.Expires = m.ended.Add(time.Duration(j.rec.Keep) * time.Second)
		}
		h, err := d.harvest(j, m, j.wants(f.Errors))
		if err != nil {
			return err
		}
		f.Bytes = int64(h.size())
		if err := d.keep(f); err != nil {
			return err
		}
	}
	return nil
}

// knows tells whether there was ever such a file.
func (d *desk) knows(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[id] != nil
}

// wants are the lines of one of the two files.
func (j *job) wants(errs bool) func(i int) bool {
	answered := j.answered
	return func(i int) bool { return (i < len(answered) && answered[i].ok()) != errs }
}

// tellBatch answers with a batch as it is now. The caller holds j.mu.
func (x *exchange) tellBatch(j *job) error {
	m, err := x.s.desk.looked(j)
	if err != nil {
		return x.failed(err)
	}
	return x.json(http.StatusOK, encode(j.batchObject(m)))
}

// getBatch serves GET /v1/batches/{id}.
func (x *exchange) getBatch() error {
	j, p := x.aBatch()
	if p != nil {
		return x.fail(*p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := x.pollTrouble(j); p != nil {
		return x.fail(*p)
	}
	return x.tellBatch(j)
}

// cancelBatch serves POST /v1/batches/{id}/cancel.
func (x *exchange) cancelBatch() error {
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
		return x.fail(problem{
			status: http.StatusConflict, kind: invalidRequest,
			message: "Cannot cancel a batch with status '" + j.rec.at(x.s.cfg.Now()).phase.String() + "'.",
		})
	}
	return x.tellBatch(j)
}

// listBatches serves GET /v1/batches.
func (x *exchange) listBatches() error {
	limit, p := x.limit(100, 20)
	if p != nil {
		return x.fail(*p)
	}
	list, more := after(x.s.desk.mine(openAI, x.owner()), x.r.URL.Query().Get("after"), limit, func(j *job) string { return j.rec.ID })
	objects, ids := make([]any, len(list)), make([]string, len(list))
	for i, j := range list {
		o, err := x.s.desk.described(j)
		if err != nil {
			return x.failed(err)
		}
		objects[i], ids[i] = o, o.ID
	}
	return x.json(http.StatusOK, encode(newList(objects, ids, more)))
}

func (d *desk) described(j *job) (batchObject, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, err := d.looked(j)
	if err != nil {
		return batchObject{}, err
	}
	return j.batchObject(m), nil
}

// fileContent serves GET /v1/files/{id}/content.
func (x *exchange) fileContent() error {
	f, p := x.aFile()
	if p != nil {
		return x.fail(*p)
	}
	if f.Job == "" {
		return x.sendFile(f)
	}
	j := x.s.desk.job(openAI, f.Owner, f.Job)
	if j == nil {
		return x.fail(*noFile(f.ID))
	}
	g, p, err := x.outputHarvest(j, f)
	if err != nil {
		return x.failed(err)
	}
	if p != nil {
		return x.fail(*p)
	}
	return x.send(g)
}

func (x *exchange) outputHarvest(j *job, f *fileRecord) (g download, p *problem, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m := j.rec.at(x.s.cfg.Now())
	if j.rec.late(m, x.s.cfg.Now()) {
		return g, noFile(f.ID), nil
	}
	h, err := x.s.desk.harvest(j, m, j.wants(f.Errors))
	if err != nil {
		return g, nil, err
	}
	n := &j.fetched[0]
	if f.Errors {
		n = &j.fetched[1]
	} else {
		h.spoil()
	}
	*n++
	return download{h, *n - 1, "application/octet-stream"}, nil, nil
}

// sendFile sends an uploaded file as it came.
func (x *exchange) sendFile(f *fileRecord) error {
	v, err := x.s.desk.open(f.Data)
	if err != nil {
		return x.failed(err)
	}
	defer func() { _ = v.Close() }()
	x.w.Header().Set("Content-Type", "application/octet-stream")
	if err := x.out.start(http.StatusOK); err != nil {
		return err
	}
	for off, b := int64(0), make([]byte, deliverChunk); off < v.Size(); {
		n, err := v.ReadAt(b[:min(deliverChunk, v.Size()-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return errReset
		}
		off += int64(n)
		if err := x.out.raw(b[:n]); err != nil {
			return err
		}
	}
	return nil
}

// outputLine is a line of a batch's two files.
type outputLine struct {
	ID       string          `json:"id"`
	CustomID string          `json:"custom_id"`
	Response *outputResponse `json:"response"`
	Error    *outputError    `json:"error"`
}

type outputResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type outputError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func lineID(batch string, i int) string {
	return "batch_req_" + digestOf("line", []byte(batch)).derive("line", i).hex(32)
}

// openAIResult is the line of an answered request.
func openAIResult(batch string, i int, customID, requestID string, got lineAnswer) []byte {
	return encode(outputLine{lineID(batch, i), customID, &outputResponse{got.status, requestID, got.body}, nil})
}

// openAIUnanswered is the line of a request that was never executed.
func openAIUnanswered(batch string, i int, customID string, p phase) []byte {
	e := &outputError{"batch_expired", "This request could not be executed before the completion window expired."}
	if p == canceled {
		e = &outputError{"batch_cancelled", "This request could not be executed before the batch was cancelled."}
	}
	return encode(outputLine{lineID(batch, i), customID, nil, e})
}
