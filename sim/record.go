package sim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one request as it arrived.
type Request struct {
	// ID is the request id that the response carried.
	ID string
	// At is when it arrived.
	At time.Time
	// Method, Path and Query are those of the request line; Path is unescaped.
	Method, Path, Query string
	// Header is a copy of the headers.
	Header http.Header
	// Body is the whole body. It is shared between callers and must not be changed.
	Body []byte
}

// keptBytes bounds the bodies that are remembered.
const keptBytes = 64 << 20

// recent is a queue of the last requests.
type recent struct {
	keep int // 0 remembers none
	mu   sync.Mutex
	list []Request
	size int
}

func (q *recent) add(r *Request) {
	if q.keep == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, *r)
	q.size += len(r.Body)
	for len(q.list) > q.keep || q.size > keptBytes {
		q.size -= len(q.list[0].Body)
		q.list[0] = Request{}
		q.list = q.list[1:]
	}
}

func (x *exchange) request() *Request {
	if x.s.recent.keep == 0 {
		return nil
	}
	return &Request{
		ID: x.id, At: x.at, Method: x.r.Method, Path: x.r.URL.Path, Query: x.r.URL.RawQuery,
		Header: x.r.Header.Clone(), Body: x.body,
	}
}

// Requests are the last requests that were read, the oldest first, at most Config.Recent. One that was answered early
// (script word `early`) or was too long isn't among them.
func (s *Sim) Requests() []Request {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	return slices.Clone(s.recent.list)
}
