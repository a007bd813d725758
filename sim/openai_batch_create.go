package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// batchEndpoints are those that the simulator's batches go to.
var batchEndpoints = []string{"/v1/chat/completions", "/v1/embeddings"}

// maxLineErrors is how many errors of an input file are told.
const maxLineErrors = 100

// createBatch serves POST /v1/batches.
func (x *exchange) createBatch() error {
	if x.in == nil {
		return x.fail(x.v.notJSON())
	}
	r, p := x.readBatch()
	if p != nil {
		return x.fail(*p)
	}
	c, err := x.checkLines(&r)
	if err != nil {
		return x.failed(err)
	}
	if p := x.trouble("create", c.alike, r.Words.Create, r.Words.RetryAfter); p != nil {
		return x.fail(*p)
	}
	n, id := x.s.desk.next()
	r.N, r.ID = n, "batch_"+id.hex(32)
	j, err := x.s.desk.enter(r)
	if err != nil {
		return x.failed(err)
	}
	if x.loses(c.alike, r.Words) {
		return errReset
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return x.tellBatch(j)
}

// readBatch reads and checks the request; the file comes afterwards.
func (x *exchange) readBatch() (jobRecord, *problem) {
	r := &reader{v: openAI, in: x.in}
	r.only(set("input_file_id endpoint completion_window metadata output_expires_after"))
	for _, name := range []string{"input_file_id", "endpoint", "completion_window"} {
		r.need(name)
	}
	rec := jobRecord{Owner: x.owner(), Created: x.at, Words: x.plan.job, File: r.text("input_file_id")}
	rec.Endpoint = r.choice("endpoint", batchEndpoints...)
	r.choice("completion_window", "24h")
	rec.Metadata = readMetadata(r)
	if keep := r.inner("output_expires_after"); r.has("output_expires_after") {
		var p *problem
		if rec.Keep, p = readKeep(keep.text("anchor"), string(keep.in["seconds"]), "output_expires_after"); p != nil {
			keep.fail(*p)
		}
		r.merge(keep)
	}
	if r.bad != nil {
		return rec, r.bad
	}
	f := x.s.desk.file(rec.Owner, rec.File)
	switch {
	case f == nil:
		return rec, &problem{status: http.StatusBadRequest, kind: invalidRequest, param: "input_file_id", message: "No such File object: " + rec.File}
	case f.Purpose != "batch":
		return rec, &problem{
			status: http.StatusBadRequest, kind: invalidRequest, code: "invalid_purpose", param: "input_file_id",
			message: "Invalid file purpose '" + f.Purpose + "' for the Batch API: expected 'batch'.",
		}
	}
	rec.Lines = f.Data
	return rec, nil
}

// readMetadata checks up to 16 pairs of strings.
func readMetadata(r *reader) json.RawMessage {
	var m map[string]string
	if !r.take("metadata", "an object", &m) {
		return json.RawMessage("null")
	}
	if len(m) > 16 {
		r.fail(r.v.complain("metadata", "object_above_max_properties",
			fmt.Sprintf("Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with %d properties instead.", len(m)), ""))
	}
	for k, v := range m {
		if len(k) > 64 || len(v) > 512 {
			r.fail(r.v.complain("metadata", "string_above_max_length", "Invalid 'metadata': keys have at most 64 characters, values 512.", ""))
		}
	}
	return r.in["metadata"]
}

// lineCheck is the vendor's validation of an input file.
type lineCheck struct {
	s      *Sim
	r      *jobRecord
	inputs int
	seen   map[string]bool
	model  string // as the lines name it
	alike  digest
}

// checkLines reads the input file: what is wrong with it, how many lines it has, and what their scripts say about the
// batch.
func (x *exchange) checkLines(r *jobRecord) (*lineCheck, error) {
	c := &lineCheck{s: x.s, r: r, seen: make(map[string]bool)}
	v, err := x.s.desk.open(r.Lines)
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	err = eachLine(v, func(n int, _ int64, raw []byte) error {
		c.alike = digestOf(string(c.alike[:]), raw)
		r.Total++
		c.line(n, raw)
		return nil
	})
	l := x.s.desk.limits
	switch {
	case r.Total == 0:
		c.wrong(0, "empty_file", "", "The batch input file is empty. Please ensure that the batch contains at least one request.")
	case r.Total > l.lines:
		r.Errors = nil
		c.wrong(0, "too_many_tasks", "", fmt.Sprintf("The batch input file contains too many requests. The limit is %d.", l.lines))
	case c.inputs > l.inputs:
		c.wrong(0, "too_many_inputs", "", fmt.Sprintf("The batch input file contains too many embedding inputs. The limit is %d.", l.inputs))
	}
	if r.Words.Refuse {
		r.Errors = nil
		c.wrong(0, "token_limit_exceeded", "", "Enqueued token limit reached for this model. Please try again once some in_progress batches have been completed.")
	}
	return c, err
}

// wrong notes an error; line 0 is the file as a whole.
func (c *lineCheck) wrong(line int, code, param, message string) {
	if len(c.r.Errors) >= maxLineErrors {
		return
	}
	e := lineError{Code: code, Message: message, Param: optional(param)}
	if line > 0 {
		e.Line = &line
	}
	c.r.Errors = append(c.r.Errors, e)
}

// line checks the n-th line of the file.
func (c *lineCheck) line(n int, raw []byte) {
	var l batchLine
	var in object
	switch {
	case json.Unmarshal(raw, &l) != nil:
		c.wrong(n, "invalid_json_line", "", "This line is not parseable as valid JSON.")
		return
	case l.CustomID == "":
		c.wrong(n, "missing_required_parameter", "custom_id", "Missing required parameter: 'custom_id'.")
	case c.seen[l.CustomID]:
		c.wrong(n, "duplicate_custom_id", "custom_id", "The custom_id for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.")
	case l.Method != http.MethodPost:
		c.wrong(n, "invalid_method", "method", "The HTTP method for this request must be POST.")
	case l.URL != c.r.Endpoint:
		c.wrong(n, "invalid_url", "url", "The URL provided for this request does not match the batch endpoint.")
	case json.Unmarshal(l.Body, &in) != nil || in == nil:
		c.wrong(n, "missing_required_parameter", "body", "Missing required parameter: 'body'.")
	default:
		c.body(n, in)
	}
	c.seen[l.CustomID] = true
}

// body checks what the vendor looks at before a line is executed: its model.
func (c *lineCheck) body(n int, in object) {
	c.r.Words.overlay(in)
	name := withoutScript(stringOf(in, "model"))
	switch {
	case name == "":
		c.wrong(n, "missing_required_parameter", "body.model", "Missing required parameter: 'body.model'.")
	case c.model == "":
		c.model = name
		c.known(n, name)
	case c.model != name:
		c.wrong(n, "mismatched_model", "body.model", "The model of this request doesn't match that of the first one. A batch has requests to one model only.")
	}
	if c.r.Endpoint == "/v1/embeddings" {
		c.inputs += countInputs(in["input"])
	}
}

// known looks the model up.
func (c *lineCheck) known(n int, name string) {
	var m Model
	var p *problem
	if c.r.Endpoint == "/v1/embeddings" {
		m, p = c.s.embedModel(openAI, name)
	} else {
		m, p = c.s.chatModel(openAI, name)
	}
	if p != nil {
		c.wrong(n, "model_not_found", "body.model", "The provided model "+strconv.Quote(name)+" is not supported by the Batch API.")
		return
	}
	c.r.Model = m.snapshot()
}

// countInputs is how many texts, or lists of tokens, an embedding asks for.
func countInputs(input json.RawMessage) int {
	var list []json.RawMessage
	if json.Unmarshal(input, &list) != nil || len(list) == 0 || kind(bytes.TrimSpace(list[0])) == "an integer" {
		return 1
	}
	return len(list)
}
