// Package load asks self-hosted servers how busy they are: they queue without limit and never say no, so Headgate has to.
package load

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

const (
	interval = 2 * time.Second
	timeout  = 2 * time.Second
	// stale is when an old answer says nothing any more; remembered is for how long a server that was full counts as one
	// that can be: models and their settings change seldom.
	stale      = 10 * time.Second
	remembered = 10 * time.Minute
	// maxMetrics bounds a server's metrics page.
	maxMetrics = 8 << 20
)

// Names are the metrics that tell how busy a server is, by their full names.
type Names struct{ Running, Waiting, CacheUsage []string }

var (
	// VLLM are vLLM's (docs/design/metrics.md); the last cache usage is that of its V0 engine.
	VLLM = Names{
		Running: []string{"vllm:num_requests_running"}, Waiting: []string{"vllm:num_requests_waiting"},
		CacheUsage: []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
	}
	// TGI are Text Generation Inference's.
	TGI = Names{Running: []string{"tgi_batch_current_size"}, Waiting: []string{"tgi_queue_size"}}
)

// Poller asks every replica of one provider at intervals. Safe for concurrent use.
type Poller struct {
	client *upstream.Client
	names  Names
	// maxWaiting is the queue at which a replica gets no more; 0 means any.
	maxWaiting int64
	latest     atomic.Pointer[sample]
	// full is when it was full last, with how many under way then.
	full atomic.Pointer[sample]
}

type sample struct {
	load provider.Load
	at   time.Time
}

// New builds a poller. A replica with maxWaiting requests in its queue gets no more; 0 means any number.
func New(c *upstream.Client, names Names, maxWaiting int64) *Poller {
	return &Poller{client: c, names: names, maxWaiting: maxWaiting}
}

// Load returns the latest answer over all replicas; false where there is none that is recent.
func (p *Poller) Load() (provider.Load, bool) {
	s := p.latest.Load()
	if s == nil || time.Since(s.at) > stale {
		return provider.Load{}, false
	}
	return s.load, true
}

// Run asks until ctx ends.
func (p *Poller) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		p.Ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Ask asks every replica once. One that doesn't answer isn't busy: whether it can be reached, its calls show.
func (p *Poller) Ask(ctx context.Context) {
	var total provider.Load
	answered := false
	for _, r := range p.client.Replicas() {
		l, err := p.one(ctx, r)
		r.SetBusy(err == nil && p.maxWaiting > 0 && l.Waiting >= p.maxWaiting)
		if err != nil {
			continue
		}
		answered = true
		total.Running += l.Running
		total.Waiting += l.Waiting
		total.CacheUsage = max(total.CacheUsage, l.CacheUsage)
	}
	if answered {
		now := time.Now()
		total.Capacity = p.capacity(total, now)
		p.latest.Store(&sample{load: total, at: now})
	}
}

// capacity is how many calls the servers answered at once when others had to queue. One that answers more by now has grown.
func (p *Poller) capacity(l provider.Load, now time.Time) int64 {
	full := p.full.Load()
	switch {
	case l.Waiting > 0 && l.Running > 0, full != nil && l.Running > full.load.Running:
		full = &sample{load: l, at: now}
		p.full.Store(full)
	case full == nil || now.Sub(full.at) > remembered:
		return 0
	}
	return full.load.Running
}

func (p *Poller) one(ctx context.Context, r *upstream.Replica) (provider.Load, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := p.client.Probe(ctx, r, "/metrics")
	if err != nil {
		return provider.Load{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return provider.Load{}, io.ErrUnexpectedEOF
	}
	return p.names.read(io.LimitReader(resp.Body, maxMetrics))
}

// read adds up the series of every metric: one per engine. Names are compared in full: vLLM has
// num_requests_waiting_by_reason beside num_requests_waiting.
func (n Names) read(page io.Reader) (provider.Load, error) {
	var l provider.Load
	lines := bufio.NewScanner(page)
	for lines.Scan() {
		name, value, ok := series(lines.Text())
		if !ok {
			continue
		}
		switch {
		case slices.Contains(n.Running, name):
			l.Running += int64(value)
		case slices.Contains(n.Waiting, name):
			l.Waiting += int64(value)
		case slices.Contains(n.CacheUsage, name):
			l.CacheUsage = max(l.CacheUsage, value)
		}
	}
	return l, lines.Err()
}

// series takes a line of the Prometheus text format apart: name{labels} value [time].
func series(line string) (name string, value float64, ok bool) {
	if line == "" || line[0] == '#' {
		return "", 0, false
	}
	var rest string
	if open := strings.IndexByte(line, '{'); open >= 0 {
		end := strings.LastIndexByte(line, '}')
		if end < open {
			return "", 0, false
		}
		name, rest = line[:open], line[end+1:]
	} else {
		name, rest, _ = strings.Cut(line, " ")
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(fields[0], 64)
	return strings.TrimSpace(name), value, err == nil && value >= 0 && value < 1e12
}
