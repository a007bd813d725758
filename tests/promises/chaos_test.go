package promises_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/sim"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// chaos is the simulator of all vendors, behind hands that cut, break, hold and bend what it says. The prompt names the
// round, the seed says what happens to it, and what was said is kept for the oracle.
type chaos struct {
	sim *sim.Sim
	// fate is what happens to an attempt.
	fate func(round, attempt int) plan

	mu     sync.Mutex
	counts map[int]int
	rounds map[int][]*spoken
}

// spoken is one attempt's answer: what the provider would have said, and what of it left.
type spoken struct {
	plan plan
	path string
	full []byte
	// unary says that it is no stream.
	unary bool
	// typed is what a provider over gRPC would have said.
	typed *content
	// left is how much of full was sent as it was: the offset of the cut, or of the byte that was bent.
	left int
}

func newChaos(t *testing.T, fate func(round, attempt int) plan) *chaos {
	t.Helper()
	s, err := sim.New(sim.Config{Keys: []string{mesh.ProviderKey}, Recent: -1, VLLM: sim.Engine{Slots: 4096}, TGI: sim.Engine{Slots: 4096, Limit: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	return &chaos{sim: s, fate: fate, counts: map[int]int{}, rounds: map[int][]*spoken{}}
}

// label is how a prompt names its round; attempts get one of their own, so that their texts differ.
func label(round int) string { return fmt.Sprintf("round-%07d.", round) }

var labelled = regexp.MustCompile(`round-(\d{7})\.`)

// roundIn finds the round in a request's body.
func roundIn(body []byte) (round int, ok bool) {
	m := labelled.FindSubmatch(body)
	if m == nil {
		return 0, false
	}
	round, err := strconv.Atoi(string(m[1]))
	return round, err == nil
}

// begin returns the number of another attempt of a round, from 1.
func (c *chaos) begin(round int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[round]++
	return c.counts[round]
}

// note keeps what is about to be said. It doesn't change any more.
func (c *chaos) note(round int, s *spoken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds[round] = append(c.rounds[round], s)
}

// attempts are those of a round so far, which is forgotten.
func (c *chaos) attempts(round int) []*spoken {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.rounds[round]
	delete(c.rounds, round)
	return list
}

// ServeHTTP implements http.Handler.
func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	round, ok := roundIn(body)
	if err != nil || !ok {
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.sim.ServeHTTP(w, r)
		return
	}
	n := c.begin(round)
	s := &spoken{path: r.URL.Path, plan: c.fate(round, n)}
	answer := c.ask(r, labelled.ReplaceAll(body, fmt.Appendf(nil, "${0}%d ", n)), s.plan.script)
	s.full, s.unary = answer.Body.Bytes(), !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/event-stream")
	if answer.Code != http.StatusOK {
		s.plan.how = healthy // an error of the simulator's is told as it is
	}
	fated := s.fated()
	c.note(round, s)
	play(w, r, answer, s.plan, fated)
}

// fated is what leaves of an answer: the bytes of its body or, where its connection is going to break, of the whole
// response. It notes how much of the answer is as it was.
func (s *spoken) fated() []byte {
	s.left = min(int(s.plan.at*float64(len(s.full)+1)), len(s.full))
	if s.plan.edge > 0 {
		s.left = min(frameEnd(s.full, s.left)+s.plan.edge-1, len(s.full))
	}
	switch s.plan.how {
	case status:
		s.left = 0
		return []byte(`{"type":"error","error":{"type":"api_error","message":"not now"}}`)
	case eof, stall:
		return s.full[:s.left]
	case corrupt:
		return bent(s.full, &s.left, s.plan.flip)
	case fin, reset, wire:
		return s.response()
	}
	s.left = len(s.full)
	return s.full
}

// frameEnd is where the line breaks begin that end the frame at a place, or the place itself in the last one.
func frameEnd(stream []byte, at int) int {
	for _, end := range []string{"}\n\n", "}\r\n\r\n"} {
		if i := bytes.Index(stream[at:], []byte(end)); i >= 0 {
			return at + i + 1
		}
	}
	return at
}

// ask lets the simulator answer in full.
func (c *chaos) ask(r *http.Request, body []byte, script string) *httptest.ResponseRecorder {
	in := r.Clone(r.Context())
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	in.Header.Set("X-Sim-Script", script)
	in.Header.Del("Content-Length")
	out := httptest.NewRecorder()
	c.sim.ServeHTTP(out, in)
	return out
}

func play(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder, p plan, body []byte) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	switch p.how {
	case fin, reset, wire:
		playRaw(w, p, body)
		return
	case status:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader([]int{408, 429, 500, 502, 503, 529}[int(p.flip)%6])
	default:
		w.WriteHeader(answer.Code)
	}
	write(w, body, p.pieces)
	if p.how == stall {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
	}
}

// bent is a copy with another byte at a place, which is moved to where it is.
func bent(full []byte, at *int, flip byte) []byte {
	if len(full) == 0 {
		return nil
	}
	*at = min(*at, len(full)-1)
	b := bytes.Clone(full)
	b[*at] ^= flip
	return b
}

func write(w http.ResponseWriter, b []byte, pieces int) {
	if pieces == 0 {
		_, _ = w.Write(b)
		return
	}
	rc := http.NewResponseController(w)
	for len(b) > 0 {
		n := min(pieces, len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		_ = rc.Flush()
		b = b[n:]
	}
}

// playRaw writes a response by hand, so that its connection can break anywhere.
func playRaw(w http.ResponseWriter, p plan, response []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(response)
	if tcp, ok := conn.(*net.TCPConn); ok && p.how == reset {
		_ = tcp.SetLinger(0)
	}
}

// response is the answer as it goes over the wire: cut where the connection ends, or with a byte that is another one.
func (s *spoken) response() []byte {
	kind := "application/json"
	if !s.unary {
		kind = "text/event-stream"
	}
	raw := []byte("HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\nTransfer-Encoding: chunked\r\n\r\n")
	body := s.full
	if s.plan.how != wire {
		body = body[:s.left]
	}
	size := max(s.plan.pieces, 200)
	var starts []int // of the body's bytes in raw, by chunk
	for at := 0; at < len(body); at += size {
		piece := body[at:min(at+size, len(body))]
		raw = fmt.Appendf(raw, "%x\r\n", len(piece))
		starts = append(starts, len(raw))
		raw = append(append(raw, piece...), "\r\n"...)
	}
	if s.plan.how == wire {
		raw = append(raw, "0\r\n\r\n"...)
		at := min(int(s.plan.at*float64(len(raw))), len(raw)-1)
		raw[at] ^= s.plan.flip
		s.left = bodyBefore(starts, size, len(body), at)
	}
	return raw
}

// bodyBefore is how many bytes of the body stand in whole chunks, or in the chunk it hits, before a place in the response.
func bodyBefore(starts []int, size, length, at int) int {
	n := 0
	for i, start := range starts {
		if at < start {
			break
		}
		n = min(i*size+at-start, (i+1)*size, length)
	}
	return n
}
