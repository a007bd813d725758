package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// batchLine is one request of a batch, in the shape of either vendor.
type batchLine struct {
	CustomID string          `json:"custom_id"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`
	Params   json.RawMessage `json:"params"`
}

// request is the body that a live request would have.
func (l *batchLine) request() json.RawMessage {
	if l.Params != nil {
		return l.Params
	}
	return l.Body
}

// eachLine reads lines one by one, blank ones left out; n counts them all from 1. What it gives to fn is gone afterwards.
func eachLine(v volume, fn func(n int, off int64, raw []byte) error) error {
	r := bufio.NewReaderSize(io.NewSectionReader(v, 0, v.Size()), 1<<16)
	var off int64
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if raw := bytes.TrimSpace(line); len(raw) > 0 {
			if err := fn(n, off, raw); err != nil {
				return err
			}
		}
		off += int64(len(line))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lineWriter is the response of a line.
type lineWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the response's.
func (w *lineWriter) Header() http.Header { return w.header }

// WriteHeader keeps the first status.
func (w *lineWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps the body.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// lineAsked is where a line goes.
type lineAsked struct {
	v        vendor
	endpoint string
	version  string
	at       time.Time
	id       string // request id
	body     []byte
}

// lineAnswer is what came of it.
type lineAnswer struct {
	status int
	body   []byte
	spent  usage
}

// answerLine answers a line as the live request would be, but at once. What would break a connection is the vendor's 500:
// there is none to break.
func (s *Sim) answerLine(q lineAsked) lineAnswer {
	w := &lineWriter{header: make(http.Header)}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: q.endpoint}, Header: make(http.Header)}
	if q.version != "" {
		r.Header.Set("anthropic-version", q.version)
	}
	x := &exchange{s: s, w: w, r: r, place: place{q.v, q.endpoint, q.v}, id: q.id, at: q.at, body: q.body, inBatch: true}
	x.plan = *s.plan.Load()
	x.plan.faults, x.plan.times = noFaults(), 0 // those are for the requests on the wire
	if json.Unmarshal(q.body, &x.in) != nil {
		x.in = nil
	}
	x.out = newSender(w, r, &x.plan)
	if err := x.serveLine(); err != nil || !json.Valid(w.body.Bytes()) {
		w.body.Reset()
		w.status = http.StatusInternalServerError
		w.body.Write(q.v.body(problem{status: w.status}, x.requestID()))
	}
	return lineAnswer{w.status, w.body.Bytes(), x.spent}
}

// serveLine is serve without what belongs to a connection.
func (x *exchange) serveLine() error {
	x.route = vendorRoutes[x.path]
	if p := x.script(); p != nil {
		return x.fail(*p)
	}
	x.plan.headerDelay, x.plan.ttft, x.plan.chunkDelay, x.plan.slow, x.plan.split = 0, 0, 0, false, 0
	if handled, err := x.broken(); handled {
		return err
	}
	if string(x.in["stream"]) == "true" {
		return x.fail(x.v.complain("stream", "unsupported_value", "Streaming is not supported in a batch.", "Streaming is not supported in a batch"))
	}
	return x.route.serve(x)
}
