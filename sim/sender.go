package sim

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"
)

// The ways a body ends before its time, all on purpose but the last.
var (
	errCut   = errors.New("cut")
	errReset = errors.New("reset")
	errStall = errors.New("stall")
	errFail  = errors.New("mid-stream error")
	errGone  = errors.New("client left")
)

// sender writes a body as the plan wants it: counted, cut, delayed, split. One per response, for one goroutine.
type sender struct {
	ctx    context.Context //nolint:containedctx // lives as long as the request
	w      http.ResponseWriter
	rc     *http.ResponseController
	p      *plan
	timer  *time.Timer
	events int
	bytes  int
	begun  bool // a content event was paced
	frame  []byte
	held   []byte // what waits for a full split
}

func newSender(w http.ResponseWriter, r *http.Request, p *plan) *sender {
	return &sender{ctx: r.Context(), w: w, rc: http.NewResponseController(w), p: p}
}

// start sends the status and the headers at once.
func (s *sender) start(status int) error {
	s.w.WriteHeader(status)
	return s.flush()
}

// gate decides, before each event, whether there is a next one.
func (s *sender) gate() error {
	switch {
	case s.ctx.Err() != nil:
		return errGone
	case s.p.cut == s.events:
		return errCut
	case s.p.reset == s.events:
		return errReset
	case s.p.stall == s.events:
		return errStall
	case s.p.failAt == s.events:
		return errFail
	}
	return nil
}

// event sends one SSE event; the name may be empty.
func (s *sender) event(name string, data []byte) error {
	if err := s.gate(); err != nil {
		return err
	}
	f := s.frame[:0]
	if s.p.comments && s.events > 0 {
		f = append(f, ": keepalive\n\n"...)
	}
	if name != "" {
		f = append(append(append(f, "event: "...), name...), '\n')
	}
	f = append(f, "data:"...)
	if !s.p.tight {
		f = append(f, ' ')
	}
	s.events++
	f = append(f, s.broken(data)...)
	f = append(f, "\n\n"...)
	s.frame = f
	if s.p.crlf {
		f = bytes.ReplaceAll(f, []byte("\n"), []byte("\r\n"))
	}
	return s.write(f)
}

// raw sends bytes as one event of the plan's counting, without any framing.
func (s *sender) raw(b []byte) error {
	if err := s.gate(); err != nil {
		return err
	}
	s.events++
	return s.write(s.broken(b))
}

// broken is the data, or two thirds of it when this is the event to spoil.
func (s *sender) broken(data []byte) []byte {
	if s.p.malformed == s.events {
		return data[:len(data)*2/3]
	}
	return data
}

// write sends bytes, all that the byte limits allow.
func (s *sender) write(b []byte) error {
	b, end := s.allowed(b)
	if err := s.deliver(b); err != nil {
		return err
	}
	return end
}

func (s *sender) allowed(b []byte) ([]byte, error) {
	if n := s.p.cutBytes - s.bytes; s.p.cutBytes >= 0 && n < len(b) {
		s.bytes += n
		return b[:n], errCut
	}
	if n := s.p.resetBytes - s.bytes; s.p.resetBytes >= 0 && n < len(b) {
		s.bytes += n
		return b[:n], errReset
	}
	s.bytes += len(b)
	return b, nil
}

// deliver splits what it gets into the writes that the plan asks for.
func (s *sender) deliver(b []byte) error {
	n := s.p.split
	if s.p.slow {
		n = 1
	}
	if n == 0 {
		return s.put(b)
	}
	s.held = append(s.held, b...)
	rest := s.held
	for ; len(rest) >= n; rest = rest[n:] {
		if err := s.put(rest[:n]); err != nil {
			return err
		}
		if err := s.sleep(s.p.dribble); err != nil {
			return err
		}
	}
	s.held = append(s.held[:0], rest...)
	return nil
}

// drain sends what is still held back.
func (s *sender) drain() error {
	if len(s.held) == 0 {
		return nil
	}
	b := s.held
	s.held = nil
	return s.put(b)
}

// put is one write and one flush.
func (s *sender) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := s.w.Write(b); err != nil { //nolint:gosec // a protocol, not a page
		return errGone
	}
	return s.flush()
}

func (s *sender) flush() error {
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errGone
	}
	return nil
}

// pace waits before a content event: ttft before the first, chunk_delay before the others.
func (s *sender) pace() error {
	d := s.p.chunkDelay
	if !s.begun {
		s.begun, d = true, s.p.ttft
	}
	return s.sleep(d)
}

// sleep waits, or returns errGone as soon as the client leaves.
func (s *sender) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	defer s.timer.Stop()
	select {
	case <-s.timer.C:
		return nil
	case <-s.ctx.Done():
		return errGone
	}
}
