package sim

import (
	"net/http"
	"strconv"
	"strings"
)

// page is a page of metrics in Prometheus' text format.
type page struct {
	b      strings.Builder
	labels string // of every series, with a comma behind each
}

// one writes a metric with a single series.
func (p *page) one(name, sort, help string, value float64) {
	p.head(name, sort, help)
	p.series(name, "", value)
}

func (p *page) head(name, sort, help string) {
	p.b.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + sort + "\n")
}

// series writes a line; labels are besides those of every series.
func (p *page) series(name, labels string, value float64) {
	p.b.WriteString(name)
	if all := strings.TrimSuffix(p.labels+labels, ","); all != "" {
		p.b.WriteString("{" + all + "}")
	}
	p.b.WriteString(" " + number64(value) + "\n")
}

func number64(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0" // as Python writes it
	}
	return s
}

// bounds are the upper bounds of the buckets, in seconds.
var bounds = [...]float64{0.1, 0.5, 1, 5, 10, 60}

// histogram counts durations; the zero value is ready.
type histogram struct {
	buckets [len(bounds)]int
	count   int
	sum     float64
}

func (h *histogram) add(seconds float64) {
	h.count++
	h.sum += seconds
	for i, b := range bounds {
		if seconds <= b {
			h.buckets[i]++
		}
	}
}

func (p *page) histogram(name, help string, h *histogram) {
	p.head(name, "histogram", help)
	for i, b := range bounds {
		p.series(name+"_bucket", `le="`+number64(b)+`",`, float64(h.buckets[i]))
	}
	p.series(name+"_bucket", `le="+Inf",`, float64(h.count))
	p.series(name+"_sum", "", h.sum)
	p.series(name+"_count", "", float64(h.count))
}

// metrics answers with a page of them.
func (x *exchange) metrics(p *page) error {
	return x.whole(http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(p.b.String()))
}

// load is how busy a server is.
type load struct {
	running, waiting int
	kvCache          float64 // share of the cache that is in use
}

// load is the truth about the engine, or what the script says instead.
func (x *exchange) load() load {
	e := x.s.engines[x.host]
	e.mu.Lock()
	l := load{running: e.busy, waiting: e.open - e.busy}
	e.mu.Unlock()
	if x.plan.running >= 0 {
		l.running = x.plan.running
	}
	if x.plan.waiting >= 0 {
		l.waiting = x.plan.waiting
	}
	if l.kvCache = min(1, float64(l.running)/float64(e.Slots)); x.plan.kvCache >= 0 {
		l.kvCache = x.plan.kvCache
	}
	return l
}
