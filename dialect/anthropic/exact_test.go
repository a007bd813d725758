package anthropic_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/anthropic"
	"github.com/headgate-mesh/headgate/dialect/internal/recorded"
	"github.com/headgate-mesh/headgate/dialect/object"
	"github.com/headgate-mesh/headgate/dialect/sse"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// recording is one recorded exchange, or the answer of one.
type recording struct {
	ID           string `json:"id"`
	URL          string `json:"url"`
	RequestBody  string `json:"request_body"`
	Status       int    `json:"status"`
	ResponseBody string `json:"response_body"`
}

// recordings are all of this dialect that the index of recordings names.
func recordings(t *testing.T) []recording {
	t.Helper()
	dir := recorded.Dir(t)
	var all []recording
	seen := map[string]bool{}
	for _, line := range linesOf(t, filepath.Join(dir, "index.jsonl")) {
		var entry struct{ Dialect, In string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Dialect != "anthropic-messages" || entry.In == "" || seen[entry.In] {
			continue
		}
		seen[entry.In] = true
		if strings.HasSuffix(entry.In, ".jsonl") {
			all = append(all, exchangesOf(t, filepath.Join(dir, entry.In))...)
			continue
		}
		for _, e := range recorded.Files(t, entry.In, frame) {
			all = append(all, recording{ID: e.ID, Status: e.Status, ResponseBody: string(e.Body)})
		}
	}
	return all
}

func exchangesOf(t *testing.T, name string) (all []recording) {
	t.Helper()
	for _, line := range linesOf(t, name) {
		var r recording
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		var pieces []string
		if json.Unmarshal([]byte(r.ResponseBody), &pieces) == nil { // a stream that was recorded line by line
			r.ResponseBody = strings.Join(pieces, "\n") + "\n\n"
		}
		if url, _, _ := strings.Cut(r.URL, "?"); strings.Contains(url, "/v1/messages") {
			all = append(all, r)
		}
	}
	return all
}

func linesOf(t *testing.T, name string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		all = append(all, bytes.Clone(s.Bytes()))
	}
	return all
}

func (r recording) counts() bool { return strings.Contains(r.URL, "/count_tokens") }

// framesOf cuts a stream; one that lacks its last blank line gets it.
func framesOf(stream string) (frames []sse.Frame) {
	if !strings.HasSuffix(stream, "\n\n") {
		stream = strings.TrimRight(stream, "\n") + "\n\n"
	}
	r := sse.NewReader(strings.NewReader(stream), dialect.MaxFrame)
	for {
		f, err := r.Next()
		if err != nil {
			return frames
		}
		if !f.Comment {
			frames = append(frames, sse.Frame{Raw: bytes.Clone(f.Raw), Event: bytes.Clone(f.Event), Data: bytes.Clone(f.Data)})
		}
	}
}

// TestRecordingsAreExact: what is decoded is encoded to the same JSON, whoever recorded it.
func TestRecordingsAreExact(t *testing.T) {
	t.Parallel()
	var requests, counts, wholes, streams, events, errors int
	for _, r := range recordings(t) {
		if strings.HasPrefix(r.RequestBody, "{") {
			if exactRequest(t, r) {
				requests++
			}
		}
		switch {
		case r.Status != 200:
			errors++
			if !anthropic.IsError([]byte(r.ResponseBody)) {
				t.Errorf("%s: no error of this dialect: %s", r.ID, r.ResponseBody)
			}
		case r.counts():
			counts++
			n, err := anthropic.DecodeCountResponse([]byte(r.ResponseBody))
			if err != nil || !object.Equal(anthropic.EncodeCountResponse(n), trim(r.ResponseBody)) && !strings.Contains(r.ResponseBody, "context_management") {
				t.Errorf("%s: %d, %v", r.ID, n, err)
			}
		case strings.HasPrefix(strings.TrimSpace(r.ResponseBody), "{"):
			wholes++
			exactResponse(t, r.ID, []byte(r.ResponseBody))
		default:
			streams++
			frames := framesOf(r.ResponseBody)
			events += len(frames)
			exactStream(t, r.ID, frames)
		}
	}
	t.Logf("%d requests, %d counts, %d answers, %d streams of %d events, %d errors", requests, counts, wholes, streams, events, errors)
}

func trim(s string) []byte { return bytes.TrimSpace([]byte(s)) }

func exactRequest(t *testing.T, r recording) bool {
	t.Helper()
	body := trim(r.RequestBody)
	read, encode := anthropic.ReadFacts, anthropic.EncodeRequest
	if r.counts() {
		read, encode = anthropic.ReadCountFacts, anthropic.EncodeCountRequest
	}
	facts, err := read(body)
	if err != nil {
		t.Errorf("%s: %v", r.ID, err)
		return false
	}
	p, err := anthropic.DecodeRequest(body)
	if err != nil {
		t.Errorf("%s: %v", r.ID, err)
		return false
	}
	got, warnings, err := encode(p, dialect.Ask{Model: facts.Model, Stream: facts.Stream})
	if err != nil || len(warnings) > 0 || !object.Equal(got, body) {
		t.Errorf("%s: %v, %v, differs by %v", r.ID, err, warnings, object.Diff(body, got))
	}
	return true
}

func exactResponse(t *testing.T, id string, body []byte) {
	t.Helper()
	c, err := anthropic.DecodeResponse(body, true)
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return
	}
	if got := anthropic.EncodeResponse(c); !object.Equal(got, bytes.TrimSpace(body)) {
		t.Errorf("%s: differs by %v", id, object.Diff(bytes.TrimSpace(body), got))
	}
}

// exactStream also checks that a frame's last event, and no other, says so.
func exactStream(t *testing.T, id string, frames []sse.Frame) {
	t.Helper()
	d, e := anthropic.NewDecoder(true), anthropic.NewEncoder(dialect.Ask{})
	var out []byte
	var told []sse.Frame
	for _, f := range frames {
		if d.Done() { // some files hold several answers, one after the other
			break
		}
		told = append(told, f)
		events, err := d.Decode(f)
		if err != nil {
			t.Errorf("%s: %v in %s", id, err, f.Raw)
			return
		}
		for i, event := range events {
			if last := event.GetFrame() == llmv1.FramePlace_FRAME_PLACE_LAST; last != (i == len(events)-1) {
				t.Errorf("%s: event %d of %d is at %v", id, i, len(events), event.GetFrame())
			}
			if out, err = e.Encode(out, event); err != nil {
				t.Errorf("%s: %v in %s", id, err, f.Raw)
				return
			}
		}
	}
	if d.Done() {
		out = e.End(out)
	}
	got := framesOf(string(out))
	if len(got) != len(told) {
		t.Errorf("%s: %d frames became %d", id, len(told), len(got))
		return
	}
	for i := range got {
		if !bytes.Equal(got[i].Event, told[i].Event) || !object.Equal(bytes.TrimSpace(got[i].Data), bytes.TrimSpace(told[i].Data)) {
			t.Errorf("%s: frame %d: %s became %s", id, i, told[i].Raw, got[i].Raw)
		}
	}
}

// TestMutantRecordingsAreExact: the same of recordings that are changed in places.
func TestMutantRecordingsAreExact(t *testing.T) {
	t.Parallel()
	taken := 0
	for i, r := range recordings(t) {
		for seed := range uint64(3) {
			if exactBody(t, mutated(r.RequestBody, uint64(i)*3+seed)) {
				taken++
			}
			if r.Status == 200 && !r.counts() {
				exactAnswer(t, mutated(r.ResponseBody, uint64(i)*3+seed))
			}
		}
	}
	t.Logf("%d requests taken", taken)
}
