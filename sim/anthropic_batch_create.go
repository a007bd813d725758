package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
)

// customIDs are those that Anthropic takes.
var customIDs = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// createMessageBatch serves POST /v1/messages/batches.
func (x *exchange) createMessageBatch() error {
	b := &batchBody{l: x.s.desk.limits, words: x.plan.job, seen: make(map[string]bool)}
	p := b.read(x.body)
	if p == nil {
		p = x.trouble("create", b.alike, b.words.Create, b.words.RetryAfter)
	}
	if p == nil && b.words.Refuse {
		p = &problem{status: http.StatusBadRequest, message: "requests: the batch was refused"}
	}
	if p != nil {
		return x.fail(*p)
	}
	j, err := x.enterMessages(b)
	if err != nil {
		return x.failed(err)
	}
	if x.loses(b.alike, b.words) {
		return errReset
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return x.tellMessageBatch(j)
}

// loses tells whether the script loses the answer to a create that was done.
func (x *exchange) loses(alike digest, w jobWords) bool {
	return w.Lost > 0 && x.s.attempts.next(digestOf("batch lost", alike[:])) < w.Lost
}

func (x *exchange) enterMessages(b *batchBody) (*job, error) {
	d := x.s.desk
	n, unique := d.next()
	id := unique.id("msgbatch_01", 22)
	r := jobRecord{
		N: n, ID: id, Owner: x.owner(), Endpoint: "/v1/messages", Version: x.r.Header.Get("anthropic-version"),
		Lines: id + linesLog, Total: b.total, Created: x.at, Words: b.words,
	}
	if err := d.put(r.Lines, b.lines); err != nil {
		return nil, err
	}
	return d.enter(r)
}

// batchBody reads a create: request by request, as there may be many.
type batchBody struct {
	l     limits
	total int
	lines []byte // as they are kept: one line each
	alike digest // the same for a create that is sent again
	words jobWords
	seen  map[string]bool
}

func (b *batchBody) read(body []byte) *problem {
	dec := json.NewDecoder(bytes.NewReader(body))
	notJSON := anthropic.notJSON()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return &notJSON
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return &notJSON
		}
		if name == "requests" && b.total == 0 {
			if p := b.requests(dec); p != nil {
				return p
			}
			continue
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return &notJSON
		}
		p := anthropic.unknown(fmt.Sprint(name))
		return &p
	}
	if _, err := dec.Token(); err != nil {
		return &notJSON
	}
	if b.total == 0 {
		p := anthropic.missing("requests")
		return &p
	}
	b.alike = digestOf("batch", b.lines)
	return nil
}

// requests reads the list.
func (b *batchBody) requests(dec *json.Decoder) *problem {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		p := anthropic.wrongType("requests", "an array", "")
		return &p
	}
	for dec.More() {
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			p := anthropic.notJSON()
			return &p
		}
		if b.total >= b.l.requests {
			return listLength("at most", b.l.requests)
		}
		if p := b.request(raw); p != nil {
			return p
		}
	}
	if _, err := dec.Token(); err != nil {
		p := anthropic.notJSON()
		return &p
	}
	if b.total == 0 {
		return listLength("at least", 1)
	}
	return nil
}

func listLength(side string, n int) *problem {
	return &problem{status: http.StatusBadRequest, kind: invalidRequest, message: fmt.Sprintf("requests: List should have %s %d items after validation", side, n)}
}

// request checks one. What is wrong with its params is told in the results, as at the vendor, but for stream.
func (b *batchBody) request(raw json.RawMessage) *problem {
	list := &reader{v: anthropic}
	r := list.element("requests", b.total, raw)
	r.need("custom_id")
	id := r.text("custom_id")
	if r.has("custom_id") && !customIDs.MatchString(id) {
		r.fail(r.v.complain(r.path("custom_id"), "", "", "String should match pattern '"+customIDs.String()+"'"))
	}
	if b.seen[id] {
		r.fail(r.v.complain(r.path("custom_id"), "", "", "custom_id must be unique within the batch"))
	}
	r.need("params")
	params := r.inner("params")
	if params.truth("stream", false) {
		params.fail(r.v.complain(params.path("stream"), "", "", "Streaming is not supported in a batch"))
	}
	r.merge(params)
	r.only(set("custom_id params"))
	if r.bad != nil {
		return r.bad
	}
	b.seen[id] = true
	b.words.overlay(params.in)
	b.total++
	line := append(appendString([]byte(`{"custom_id":`), id), `,"params":`...)
	line = append(append(line, r.in["params"]...), '}')
	var one bytes.Buffer
	_ = json.Compact(&one, line) // it was read before
	b.lines = append(append(b.lines, one.Bytes()...), '\n')
	return nil
}
