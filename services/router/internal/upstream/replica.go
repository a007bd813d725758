package upstream

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/h1"
)

// shunned is how long a replica that couldn't be reached gets no calls while another one can be asked.
const shunned = 5 * time.Second

// Replica is one address of a provider. Safe for concurrent use.
type Replica struct {
	base     string
	url      *url.URL
	straight *h1.Transport // nil where net/http has to be used
	inFlight atomic.Int64
	// until is when it may be asked again, in nanoseconds since 1970.
	until atomic.Int64
	// busy says that its own queue is long enough.
	busy atomic.Bool
	// checked says that its health is looked at, sick that it isn't well.
	checked, sick atomic.Bool
}

// straighten has requests sent without net/http where nothing but its goroutines would be missed: without TLS, which comes
// with HTTP/2, and without a proxy.
func (r *Replica) straighten(dialer *net.Dialer) {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: r.url})
	if !h1.Supported || r.url.Scheme != "http" || proxy != nil || err != nil || strings.ContainsFunc(r.url.Host, rewritten) {
		return
	}
	addr := net.JoinHostPort(r.url.Hostname(), cmp.Or(r.url.Port(), "80"))
	r.straight = &h1.Transport{
		Dial:    func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
		MaxIdle: idlePerHost, IdleTimeout: idleTimeout, MaxHeader: headerLimit,
	}
}

// rewritten finds what net/http changes in a Host header: names that aren't ASCII, and the zone of an IPv6 address.
func rewritten(r rune) bool { return r > unicode.MaxASCII || r == '%' }

// SetHealthy notes what the active checks say of it. One that is well again may be asked at once.
func (r *Replica) SetHealthy(healthy bool) {
	r.sick.Store(!healthy)
	r.checked.Store(true)
	if healthy {
		r.until.Store(0)
	}
}

// SetBusy notes whether it says of itself that it has enough to do.
func (r *Replica) SetBusy(busy bool) { r.busy.Store(busy) }

// full reports whether it takes no more calls.
func (r *Replica) full(limit int64) bool {
	return r.busy.Load() || (limit > 0 && r.inFlight.Load() >= limit)
}

// Base is its address, without a slash at the end.
func (r *Replica) Base() string { return r.base }

// at is the address of a path below its own, without taking it apart anew each time.
func (r *Replica) at(path string) *url.URL {
	u := *r.url
	path, u.RawQuery, _ = strings.Cut(path, "?")
	u.Path += path
	if u.RawPath != "" {
		u.RawPath += path
	}
	return &u
}

// failed notes that it couldn't be reached, unless it was the caller who ended the attempt.
func (r *Replica) failed(ctx context.Context) {
	if ctx.Err() == nil {
		r.until.Store(time.Now().Add(shunned).UnixNano())
	}
}

type replicas []*Replica

func newReplicas(bases []string) (replicas, error) {
	if len(bases) == 0 {
		return nil, fmt.Errorf("no address")
	}
	list := make(replicas, 0, len(bases))
	for _, base := range bases {
		base = strings.TrimSuffix(base, "/")
		u, err := url.Parse(base)
		if err != nil {
			return nil, err
		}
		list = append(list, &Replica{base: base, url: u})
	}
	return list, nil
}

// pick returns the replica with the fewest calls under way among those that are healthy and can be reached, or the one
// that has been out of reach the longest; nil where all are full.
func (l replicas) pick(limit int64) *Replica {
	now := time.Now().UnixNano()
	var best *Replica
	for _, r := range l {
		if !r.full(limit) && (best == nil || r.before(best, now)) {
			best = r
		}
	}
	return best
}

// before reports whether it is the better choice.
func (r *Replica) before(other *Replica, now int64) bool {
	if sick := r.sick.Load(); sick != other.sick.Load() {
		return !sick
	}
	mine, its := max(r.until.Load(), now), max(other.until.Load(), now)
	if mine != its {
		return mine < its
	}
	return r.inFlight.Load() < other.inFlight.Load()
}

// body counts a call as under way until it is closed.
type body struct {
	io.ReadCloser

	of   *Replica
	key  credential.Lease
	once sync.Once
}

// Close closes the body; the call is over.
func (b *body) Close() error {
	b.once.Do(func() { b.of.inFlight.Add(-1) })
	return b.ReadCloser.Close()
}
