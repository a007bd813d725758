package sim

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Replay is a recorded response that is served, byte by byte, in place of an answer.
type Replay struct {
	// Path and Contains choose the requests: the URL path, and a text in the body. Empty matches any.
	Path, Contains string
	// Status of the response. Default 200.
	Status int
	// Header replaces the vendor's own headers where the names are the same.
	Header http.Header
	// Body is sent as it is. A text/event-stream is sent event by event, so that script words count them; the
	// words that shape events (comments, crlf, error, no_terminal) have no effect on it.
	Body []byte
	// Times is how many requests get it. Default 1; negative means all.
	Times int
}

// Replay registers a recorded response. The first one that matches a request is used, in the order of registration. A
// request still has to have a known address and a valid key.
func (s *Sim) Replay(r Replay) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	if r.Times == 0 {
		r.Times = 1
	}
	s.replays.mu.Lock()
	defer s.replays.mu.Unlock()
	s.replays.list = append(s.replays.list, r)
	s.replays.any.Store(true)
}

// replays are the registered ones.
type replays struct {
	any  atomic.Bool
	mu   sync.Mutex
	list []Replay
}

// take finds the replay for a request and uses it up.
func (q *replays) take(r *http.Request, body []byte) (Replay, bool) {
	if !q.any.Load() {
		return Replay{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.list, func(p Replay) bool {
		return (p.Path == "" || p.Path == r.URL.Path) && bytes.Contains(body, []byte(p.Contains))
	})
	if i < 0 {
		return Replay{}, false
	}
	found := q.list[i]
	if q.list[i].Times--; q.list[i].Times == 0 {
		q.list = slices.Delete(q.list, i, i+1)
	}
	return found, true
}

// replay serves a recorded response.
func (x *exchange) replay(r Replay) error {
	h := x.w.Header()
	for name, values := range r.Header {
		h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	h.Del("Content-Length") // the script may cut the body
	h.Del("Transfer-Encoding")
	if !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		if err := x.out.start(r.Status); err != nil {
			return err
		}
		return x.out.raw(r.Body)
	}
	if err := x.startStream(r.Status); err != nil {
		return err
	}
	return x.events(r.Body)
}

// events sends a recorded stream event by event.
func (x *exchange) events(body []byte) error {
	for len(body) > 0 {
		n := eventEnd(body)
		if err := x.out.pace(); err != nil {
			return err
		}
		if err := x.out.raw(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// eventEnd is where the first event of a stream ends, its blank line included.
func eventEnd(b []byte) int {
	end := len(b)
	for _, blank := range []string{"\n\n", "\r\n\r\n"} {
		if i := bytes.Index(b, []byte(blank)); i >= 0 && i+len(blank) < end {
			end = i + len(blank)
		}
	}
	return end
}
