package answers

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
)

// leasing is a cache service with leases.
type leasing struct {
	*fake

	mu     sync.Mutex
	leases map[string]held
	// changed is closed when a lease ends.
	changed chan struct{}
	// dead is the error of every call; stalled makes them wait for their deadline.
	dead    error
	stalled bool
	waited  int
}

type held struct {
	holder   string
	declined bool
	lapses   time.Time
}

func newLeasing() *leasing {
	return &leasing{fake: newFake(), leases: make(map[string]held), changed: make(chan struct{})}
}

// fails is how it misbehaves.
func (l *leasing) fails(ctx context.Context) error {
	l.mu.Lock()
	dead, stalled := l.dead, l.stalled
	l.mu.Unlock()
	if stalled {
		<-ctx.Done()
		return ctx.Err()
	}
	return dead
}

func (l *leasing) Lookup(ctx context.Context, r *cachev1.LookupRequest, o ...grpc.CallOption) (*cachev1.LookupResponse, error) {
	if err := l.fails(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.GetWaited() {
		l.waited++
	}
	found, err := l.fake.Lookup(ctx, r, o...)
	if err == nil && !found.GetFound() && len(r.GetHolder()) > 0 {
		found.Lease = l.acquire(string(r.GetDigest()), string(r.GetHolder()))
	}
	return found, err
}

func (l *leasing) acquire(digest, holder string) cachev1.Lease {
	now := time.Now()
	h, ok := l.leases[digest]
	switch {
	case ok && now.Before(h.lapses) && h.declined:
		return cachev1.Lease_LEASE_DECLINED
	case ok && now.Before(h.lapses) && h.holder != holder:
		return cachev1.Lease_LEASE_FILLING
	}
	l.leases[digest] = held{holder: holder, lapses: now.Add(2 * time.Second)}
	return cachev1.Lease_LEASE_GRANTED
}

func (l *leasing) Store(ctx context.Context, r *cachev1.StoreRequest, o ...grpc.CallOption) (*cachev1.StoreResponse, error) {
	if err := l.fails(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	resp, err := l.fake.Store(ctx, r, o...)
	if resp.GetStored() {
		l.end(string(r.GetDigest()), string(r.GetHolder()), false)
	} else if resp != nil {
		resp.Withdrawn = true
	}
	return resp, err
}

func (l *leasing) end(digest, holder string, declined bool) {
	if h := l.leases[digest]; h.holder == holder && !h.declined {
		delete(l.leases, digest)
		if declined {
			l.leases[digest] = held{declined: true, lapses: time.Now().Add(5 * time.Second)}
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *leasing) Release(ctx context.Context, r *cachev1.ReleaseRequest, _ ...grpc.CallOption) (*cachev1.ReleaseResponse, error) {
	if err := l.fails(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(string(r.GetDigest()), string(r.GetHolder()), r.GetDeclined())
	return &cachev1.ReleaseResponse{}, nil
}

func (l *leasing) Hold(ctx context.Context, r *cachev1.HoldRequest, _ ...grpc.CallOption) (*cachev1.HoldResponse, error) {
	over := time.After(r.GetWait().AsDuration())
	for {
		if err := l.fails(ctx); err != nil {
			return nil, err
		}
		state, changed := l.holds(r)
		if state != cachev1.Lease_LEASE_FILLING {
			return &cachev1.HoldResponse{Lease: state}, nil
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // it may have lapsed
		case <-over:
			return &cachev1.HoldResponse{Lease: state}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *leasing) holds(r *cachev1.HoldRequest) (cachev1.Lease, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fake.mu.Lock()
	_, found := l.values[string(r.GetDigest())]
	l.fake.mu.Unlock()
	if found {
		return cachev1.Lease_LEASE_KEPT, l.changed
	}
	return l.acquire(string(r.GetDigest()), string(r.GetHolder())), l.changed
}

// breaks changes how it misbehaves.
func (l *leasing) breaks(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// left counts the leases that somebody holds.
func (l *leasing) left() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.leases {
		if !h.declined && time.Now().Before(h.lapses) {
			n++
		}
	}
	return n
}

// crowd asks many times at once, and knows what became of each.
type crowd struct {
	t  *testing.T
	wg sync.WaitGroup

	mu sync.Mutex
	// asked is when the provider was asked, and took how long each call was under way, from the crowd's beginning.
	asked []time.Duration
	took  []time.Duration
	began time.Time
	// labels counts what calls were labelled.
	labels map[string]int
	texts  map[string]int
	// provider answers the nth call; nil messages are a failure.
	provider func(ctx context.Context, n int) []*routerv1.RelayResponse
	most     time.Duration
}

func newCrowd(t *testing.T, provider func(ctx context.Context, n int) []*routerv1.RelayResponse) *crowd {
	return &crowd{t: t, provider: provider, most: time.Hour, began: time.Now(), labels: make(map[string]int), texts: make(map[string]int)}
}

// slow takes a while for a good answer.
func slow(d time.Duration) func(ctx context.Context, n int) []*routerv1.RelayResponse {
	return func(ctx context.Context, _ int) []*routerv1.RelayResponse {
		if !pause(ctx, d) {
			return nil
		}
		return answer(nil)
	}
}

// ask is what a relay does with a call.
func (c *crowd) ask(ctx context.Context, a *Answers, ask Ask) {
	hit, fill, ahead := a.Lookup(ctx, ask)
	if ahead != nil {
		if hit, fill = ahead.Wait(ctx, c.most); hit == nil && fill == nil {
			c.t.Error("neither an answer nor a fill")
		}
	}
	if hit != nil {
		sent := replayed(c.t, hit)
		headers := sent[0].GetHead().GetHeaders()
		c.note(headers[len(headers)-1].GetValue(), joined(sent))
		return
	}
	defer fill.Close()
	if ctx.Err() != nil {
		c.note("left", "")
		return
	}
	c.mu.Lock()
	c.asked = append(c.asked, time.Since(c.began))
	n := len(c.asked)
	c.mu.Unlock()
	messages := c.provider(ctx, n)
	for _, m := range messages {
		fill.Take(m)
	}
	label := "miss"
	if fill == nil {
		label = "off"
	}
	c.note(label, joined(messages))
}

func (c *crowd) note(label, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.labels[label]++
	c.texts[text]++
	c.took = append(c.took, time.Since(c.began))
}

// come adds n calls, over the routers in turn.
func (c *crowd) come(ctx context.Context, n int, ask Ask, routers ...*Answers) {
	for i := range n {
		c.wg.Go(func() { c.ask(ctx, routers[i%len(routers)], ask) })
	}
}

// ends waits for everyone, and checks that nothing is left behind.
func (c *crowd) ends(l *leasing, routers ...*Answers) {
	c.t.Helper()
	c.wg.Wait()
	for _, a := range routers {
		a.Close()
		if n := len(a.flights.all); n > 0 || a.filling.Load() != 0 {
			c.t.Errorf("%d flights and %d bytes are left", n, a.filling.Load())
		}
	}
	if l.left() > 0 {
		c.t.Errorf("%d leases are left", l.left())
	}
}

// want checks how often the provider was asked, and the labels.
func (c *crowd) want(asked int, labels map[string]int) {
	c.t.Helper()
	if len(c.asked) != asked {
		c.t.Errorf("the provider was asked %d times, want %d: %v", len(c.asked), asked, c.asked)
	}
	for label, n := range labels {
		if c.labels[label] != n {
			c.t.Errorf("labels %v, want %v", c.labels, labels)
			return
		}
	}
}
