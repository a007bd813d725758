package lines

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// anthropic reads {"requests": [{"custom_id", "params"}]}, walking over the document without ever holding more than one
// request. Lines are counted by their place in the list. Text that isn't JSON ends the reading: nobody can tell where the
// next request begins.
type anthropic struct {
	in      *json.Decoder
	meter   *meter
	maxLine int
	number  int64
	inside  bool
	seen    bool
	raw     json.RawMessage
}

func newAnthropic(r io.Reader, maxLine int) *anthropic {
	m := &meter{in: r, limit: int64(maxLine) + slack}
	return &anthropic{in: json.NewDecoder(m), meter: m, maxLine: maxLine}
}

// Next returns the next request.
func (a *anthropic) Next() (Line, error) {
	if !a.inside {
		if err := a.find(); err != nil {
			return Line{}, a.broken(err)
		}
	}
	if !a.in.More() {
		a.inside = false
		if _, err := a.in.Token(); err != nil { // the closing bracket
			return Line{}, a.broken(cut(err))
		}
		return a.Next()
	}
	a.number++
	a.meter.since = a.in.InputOffset()
	if err := a.in.Decode(&a.raw); err != nil {
		return Line{}, a.broken(cut(err))
	}
	if len(a.raw) > a.maxLine {
		return Line{Number: a.number, Problem: tooLong(a.number, a.maxLine)}, nil
	}
	return parseAnthropic(a.raw, a.number, a.in.InputOffset()-int64(len(a.raw))), nil
}

// find goes on to the list of requests; io.EOF means that the document has ended as it has to.
func (a *anthropic) find() error {
	if !a.seen && a.in.InputOffset() == 0 {
		if t, err := a.in.Token(); err != nil || t != json.Delim('{') {
			return noRequests(err)
		}
	}
	for a.in.More() {
		a.meter.since = a.in.InputOffset()
		name, err := a.in.Token()
		if err != nil {
			return noRequests(err)
		}
		if name != "requests" {
			if err := a.in.Decode(&a.raw); err != nil {
				return noRequests(err)
			}
			continue
		}
		if t, err := a.in.Token(); err != nil || t != json.Delim('[') || a.seen {
			return noRequests(err)
		}
		a.inside, a.seen = true, true
		return nil
	}
	if _, err := a.in.Token(); err != nil || !a.seen { // the closing brace
		return noRequests(err)
	}
	if _, err := a.in.Token(); !errors.Is(err, io.EOF) {
		return noRequests(err)
	}
	return io.EOF
}

var errNoRequests = errors.New("no list of requests")

// noRequests makes an early end an error like any other.
func noRequests(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errNoRequests
	}
	return err
}

// cut tells an end in the middle from the end.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// broken tells what is wrong with the document from what is wrong with reading it.
func (a *anthropic) broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case err == io.EOF: //nolint:errorlint // find's own, nothing wraps it
		return err
	case errors.Is(err, errLong):
		return &Broken{*tooLong(a.number, a.maxLine)}
	case errors.Is(err, errNoRequests):
		return &Broken{store.Problem{Code: InvalidJSON, Message: `the file must be a JSON object with one list "requests"`, Field: "requests"}}
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return &Broken{store.Problem{Line: a.number, Code: InvalidJSON, Message: "the file isn't valid JSON from this request on"}}
	}
	return err
}

func parseAnthropic(text []byte, number, at int64) Line {
	l := Line{Number: number}
	err := rawjson.Object(text, maxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "custom_id":
			l.CustomID = word(m.Value)
		case "params":
			l.Body, l.At = m.Value, at+int64(m.ValueAt)
		}
		return true
	})
	if err == nil {
		err = rawjson.CheckUTF8(text)
	}
	if err != nil {
		return Line{Number: number, Problem: badJSON(number, err)}
	}
	return l
}

// slack is what a decoder may read ahead.
const slack = 64 << 10

var errLong = errors.New("a request is too long")

// meter stops a decoder that reads too far for one request: it would keep all of it.
type meter struct {
	in                 io.Reader
	read, since, limit int64
}

// Read reads on.
func (m *meter) Read(p []byte) (int, error) {
	room := m.since + m.limit - m.read
	if room <= 0 {
		return 0, errLong
	}
	n, err := m.in.Read(p[:min(int64(len(p)), room)])
	m.read += int64(n)
	return n, err
}
