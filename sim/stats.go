package sim

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what the simulator did so far.
type Stats struct {
	// Requests is how many arrived.
	Requests int64 `json:"requests"`
	// Open is how many are being answered now, OpenStreams how many of them are streams that have begun.
	Open        int64 `json:"open"`
	OpenStreams int64 `json:"open_streams"`
	// Streams is how many streams have begun.
	Streams int64 `json:"streams"`
	// Cancelled is how many requests the client left before the answer's end.
	Cancelled int64 `json:"cancelled"`
	// Cancels are the last of those, the oldest first, at most 64.
	Cancels []Cancel `json:"cancels"`
	// Batches is how many batches were made, BatchLines how many of their lines were answered so far. Ledger has the rest.
	Batches    int `json:"batches"`
	BatchLines int `json:"batch_lines"`
}

// Cancel is a request that the client left before the answer's end.
type Cancel struct {
	// ID is the request id.
	ID string `json:"id"`
	// Path is the endpoint.
	Path string `json:"path"`
	// At is when the simulator noticed.
	At time.Time `json:"at"`
	// Events is how many events (or bodies) had been sent.
	Events int `json:"events"`
}

const keptCancels = 64

// counters are the live Stats.
type counters struct {
	requests, open, openStreams, streams, left atomic.Int64

	mu      sync.Mutex
	cancels []Cancel
}

func (c *counters) enter() { c.requests.Add(1); c.open.Add(1) }
func (c *counters) begin() { c.streams.Add(1); c.openStreams.Add(1) }

func (c *counters) leave(streaming bool) {
	c.open.Add(-1)
	if streaming {
		c.openStreams.Add(-1)
	}
}

func (c *counters) cancelled(one Cancel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left.Add(1)
	if c.cancels = append(c.cancels, one); len(c.cancels) > keptCancels {
		c.cancels = slices.Delete(c.cancels, 0, 1)
	}
}

func (x *exchange) cancel() Cancel {
	return Cancel{ID: x.id, Path: x.r.URL.Path, At: x.s.cfg.Now(), Events: x.out.events}
}

// Stats is a snapshot of the counters.
func (s *Sim) Stats() Stats {
	batches, lines := s.desk.total()
	c := &s.stats
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Requests: c.requests.Load(), Open: c.open.Load(), OpenStreams: c.openStreams.Load(),
		Streams: c.streams.Load(), Cancelled: c.left.Load(), Cancels: slices.Clone(c.cancels),
		Batches: batches, BatchLines: lines,
	}
}
