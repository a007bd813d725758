package storetest

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Model runs random sequences against a store and holds what was admitted against the promise itself: in no window of t
// minutes more than limit + limit*t, whatever was reserved, settled, repeated, granted, given back or lost; and never more
// calls at once than places.
func Model(t *testing.T, s store.Store, clock Clock, steps int, seed int64) {
	t.Helper()
	t.Logf("seed %d", seed)
	m := &model{
		bench: &bench{T: t, store: s, Clock: clock}, rand: rand.New(rand.NewPCG(uint64(seed), 1)), //nolint:gosec // a test
		open: make(map[string]*spent),
	}
	m.scopes = []store.Scope{
		{Kind: key, ID: "k", Limits: store.Limits{Requests: 300, Tokens: 6000, Concurrency: 40}},
		{Kind: tenant, ID: "acme", Limits: store.Limits{Requests: 4000, Tokens: 50_000, Concurrency: 200}},
	}
	for i := range 3 {
		m.holders = append(m.holders, &holder{name: "h" + strconv.Itoa(i), heard: clock.Now()})
	}
	for i := range steps {
		m.step(i)
		if t.Failed() {
			return
		}
		if i%2000 == 1999 || i == steps-1 {
			m.judge()
		}
	}
	t.Logf("%d steps: %d reserved, %d refused, %d spent from grants, %d brought back late", steps, m.reserved, m.refusals, m.local, m.late)
}

// spent is one admission: what it took, or in the end used, of which scopes.
type spent struct {
	at          time.Time
	key, tenant bool
	slice       bool // of a call under way: tokens alone
	requests    int64
	tokens      int64 // reserved, then used
	over        int64 // beyond the reservation: charged, but not admitted
	holder, id  string
	ends        time.Time
	worth       float64
}

type model struct {
	*bench

	rand    *rand.Rand
	scopes  []store.Scope
	holders []*holder
	log     []*spent
	open    map[string]*spent
	ids     []string

	reserved, refusals, local, late int64
}

// holder is a router in little: it spends the tenant's grant.
type holder struct {
	name             string
	sequence         int64
	heard, until     time.Time
	requests, tokens int64
	calls            []*spent // of this grant
	before           []*spent // of earlier grants, under way
	back             float64
}

func (m *model) step(i int) {
	m.Advance(time.Duration(m.rand.ExpFloat64() * float64(30*time.Millisecond)))
	if m.rand.IntN(20_000) == 0 {
		m.Advance(time.Duration(m.rand.IntN(90)) * time.Second)
	}
	m.expire()
	h := m.holders[m.rand.IntN(len(m.holders))]
	switch n := m.rand.IntN(100); {
	case n < 35:
		m.reserveOne(h, "r"+strconv.Itoa(i))
	case n < 60:
		m.settleOne()
	case n < 62:
		m.repeat()
	case n < 80:
		m.spendOne(h)
	case n < 92:
		m.endOne(h)
	case n < 99:
		m.renew(h)
	default:
		if m.rand.IntN(10) == 0 { // it dies; another takes its place
			*h = holder{name: "h" + strconv.Itoa(i) + "x", heard: m.Now()}
		}
	}
}

// expire notes what ran out.
func (m *model) expire() {
	for id, c := range m.open {
		if !m.Now().Before(c.ends) {
			delete(m.open, id)
		}
	}
}

func (m *model) reserveOne(h *holder, id string) {
	scopes := m.scopes
	if m.rand.IntN(3) == 0 {
		scopes = m.scopes[1:]
	}
	n, hold := m.rand.Int64N(400), time.Duration(1+m.rand.IntN(60))*time.Second
	if m.rand.IntN(50) == 0 {
		n = m.rand.Int64N(5000)
	}
	slice := m.rand.IntN(4) == 0
	if slice {
		scopes = tokensAlone(scopes)
	}
	a := m.reserveAs(h.name, id, n, hold, scopes...)
	if a.Refusal != nil {
		m.refusals++
		return
	}
	m.reserved++
	h.heard = m.Now()
	c := &spent{at: m.Now(), key: len(scopes) == 2, tenant: true, requests: 1, tokens: n, holder: h.name, id: id, ends: m.Now().Add(hold)}
	if slice {
		c.slice, c.requests = true, 0
	}
	m.log = append(m.log, c)
	m.open[id] = c
	m.ids = append(m.ids, id)
	if len(m.open) > 200 {
		m.checkPlaces()
	}
}

// checkPlaces: holders that are heard of never have more calls open than there are places.
func (m *model) checkPlaces() {
	var n int64
	for _, c := range m.open {
		for _, h := range m.holders {
			if h.name == c.holder && !c.slice && m.Now().Sub(h.heard) < store.Silence {
				n++
			}
		}
	}
	if limit := m.scopes[1].Limits.Concurrency; n > limit {
		m.Errorf("%d calls at once where %d are allowed", n, limit)
	}
}

func (m *model) pick() *spent {
	for range 8 {
		if len(m.ids) == 0 {
			return nil
		}
		i := m.rand.IntN(len(m.ids))
		c := m.open[m.ids[i]]
		m.ids[i] = m.ids[len(m.ids)-1]
		m.ids = m.ids[:len(m.ids)-1]
		if c != nil {
			return c
		}
	}
	return nil
}

func (m *model) scopesOf(c *spent) []store.Scope {
	scopes := m.scopes
	if !c.key {
		scopes = m.scopes[1:]
	}
	if c.slice {
		scopes = tokensAlone(scopes)
	}
	return scopes
}

// tokensAlone are the scopes of a slice of tokens.
func tokensAlone(scopes []store.Scope) []store.Scope {
	alone := slices.Clone(scopes)
	for i := range alone {
		alone[i].Limits = store.Limits{Tokens: alone[i].Limits.Tokens}
	}
	return alone
}

func (m *model) settleOne() {
	c := m.pick()
	if c == nil {
		return
	}
	used, unused := m.rand.Int64N(c.tokens+1), m.rand.IntN(10) == 0
	if unused {
		used = 0
	}
	if m.rand.IntN(30) == 0 {
		used = c.tokens + m.rand.Int64N(300)
	}
	m.settleAs(c, used, unused)
	if m.rand.IntN(10) == 0 {
		m.settleAs(c, 0, true) // counts for nothing
	}
	delete(m.open, c.id)
	c.over = max(0, used-c.tokens)
	c.tokens = min(used, c.tokens)
	if unused {
		c.requests = 0
	}
}

func (m *model) settleAs(c *spent, used int64, unused bool) {
	err := m.store.Settle(m.Context(), store.Settlement{
		ID: c.id, Holder: c.holder, Tenant: "acme", Scopes: m.scopesOf(c), Tokens: used, Unused: unused,
	})
	if err != nil {
		m.Fatal(err)
	}
}

// repeat reserves again what stands.
func (m *model) repeat() {
	for id, c := range m.open {
		m.admitted(m.reserveAs(c.holder, id, c.tokens, time.Minute, m.scopesOf(c)...))
		return
	}
}

// spendOne admits a call from a grant, without asking.
func (m *model) spendOne(h *holder) {
	n := m.rand.Int64N(200)
	if !m.Now().Before(h.until) || h.requests < 1 || h.tokens < n {
		return
	}
	h.requests--
	h.tokens -= n
	c := &spent{at: m.Now(), tenant: true, requests: 1, tokens: n}
	m.log = append(m.log, c)
	h.calls = append(h.calls, c)
	m.local++
}

// endOne ends a call that was paid from a grant: of this one, what it didn't use can be spent again.
func (m *model) endOne(h *holder) {
	list := &h.calls
	if m.rand.IntN(2) == 0 {
		list = &h.before
	}
	if len(*list) == 0 {
		return
	}
	i := m.rand.IntN(len(*list))
	c := (*list)[i]
	*list = append((*list)[:i], (*list)[i+1:]...)
	unused := m.rand.Int64N(c.tokens + 1)
	if list == &h.calls {
		h.tokens += unused
	} else {
		h.back += math.Min(c.worth, float64(unused))
	}
	c.tokens -= unused
}

// renew gives back the grant and takes another; now and then the answer comes twice, or never.
func (m *model) renew(h *holder) {
	if !m.Now().Before(h.until) {
		h.requests, h.tokens = 0, 0
	}
	h.sequence++
	stock := store.Stock{
		Scope: m.scopes[1], Requests: h.requests, Tokens: h.tokens, WantRequests: m.rand.Int64N(200), WantTokens: m.rand.Int64N(3000),
	}
	g := m.lease(h.name, h.sequence, stock)[0]
	h.heard = m.Now()
	if m.rand.IntN(20) == 0 {
		if again := m.lease(h.name, h.sequence, stock)[0]; again != g {
			m.Errorf("repeated: %+v, want %+v", again, g)
		}
	}
	if m.rand.IntN(40) == 0 { // the answer is lost, and with it all that was held
		h.requests, h.tokens, h.calls, h.until = 0, 0, nil, time.Time{}
		return
	}
	h.requests, h.tokens, h.until = g.Requests, g.Tokens, m.Now().Add(2*time.Second)
	m.age(h, g)
}

// age makes the calls of the grant before late ones, worth together no more than can come back.
func (m *model) age(h *holder, g store.Grant) {
	for _, c := range h.calls {
		c.worth = float64(c.tokens)
		h.before = append(h.before, c)
	}
	h.calls = nil
	sum := h.back
	for _, c := range h.before {
		sum += c.worth
	}
	if f := float64(g.Returnable) / max(sum, 1e-9); f < 1 {
		h.back *= f
		for _, c := range h.before {
			c.worth *= f
		}
	}
	margin := m.scopes[1].Limits.Tokens/30 + 1
	n := int64(min(h.back, float64(max(0, g.Returnable-margin))))
	h.back -= float64(n)
	h.tokens += n
	m.late += n
}

// judge replays all admissions through a bucket that only knows the promise.
func (m *model) judge() {
	m.checkPlaces()
	for i, of := range []func(*spent) bool{func(c *spent) bool { return c.key }, func(c *spent) bool { return c.tenant }} {
		var requests, tokens float64
		var last time.Time
		l := m.scopes[i].Limits
		for _, c := range m.log {
			if !of(c) {
				continue
			}
			passed := c.at.Sub(last).Minutes()
			last = c.at
			requests = max(0, requests-passed*float64(l.Requests)) + float64(c.requests)
			tokens = max(0, tokens-passed*float64(l.Tokens)) + float64(c.tokens)
			if requests > float64(l.Requests)+1e-3 || tokens > float64(l.Tokens)+1e-3 {
				m.Fatalf("at %v %v holds %.3f requests and %.3f tokens, more than %+v", c.at, m.scopes[i].Kind, requests, tokens, l)
			}
		}
	}
	m.trim()
}

// trim forgets what no window with an open call can reach any more.
func (m *model) trim() {
	if len(m.log) > 20_000 {
		m.log = append([]*spent(nil), m.log[len(m.log)-10_000:]...)
	}
}
