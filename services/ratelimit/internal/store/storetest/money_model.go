package storetest

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// MoneyModel runs random sequences of reservations, settlements, repetitions, expiries, changes of the period and losses of
// everything against a store, and holds it to a book that only knows what was promised: settled + reserved <= budget in
// every period, but for overruns and for what the ledger told; and the store says exactly what the book says, as long as
// it lost nothing.
func MoneyModel(t *testing.T, s store.Store, clock Clock, steps int, seed int64) {
	t.Helper()
	m := &moneyModel{
		bench: &bench{T: t, store: s, Clock: clock}, rand: rand.New(rand.NewPCG(uint64(seed), 2)), //nolint:gosec // a test
		open: make(map[string]*deal), books: make(map[string]*book),
	}
	settle(t, s, clock)
	for i := range steps {
		m.step(i)
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, i)
		}
	}
	t.Logf("seed %d: %d steps, %d reserved, %d refused, %d opened, %d periods, %d losses", seed, steps, m.reserved, m.refusals, m.opened, m.turns, m.losses)
}

// accounts are a key of a tenant, and the tenant; each with its own period.
var accounts = []store.Scope{
	{Kind: key, ID: "k", Limits: store.Limits{Budget: 100 * dollar, Period: store.Day}},
	{Kind: tenant, ID: "acme", Limits: store.Limits{Budget: 1500 * dollar, Period: store.Month}},
	{Kind: key, ID: "forever", Limits: store.Limits{Budget: 2000 * dollar, Period: store.Total}},
}

// book is what the model knows of one account and period.
type book struct {
	settled, reserved int64
	over              int64 // overruns, which nobody could refuse
	late              int64 // settled, but not in the ledger yet
	lateSince         time.Time
}

// deal is a reservation.
type deal struct {
	id     string
	scopes []store.Scope
	books  []*book
	cost   int64
	ends   time.Time
	paid   time.Time // settled
}

type moneyModel struct {
	*bench

	rand  *rand.Rand
	open  map[string]*deal
	ids   []string
	over  []*deal // settled
	lost  []*deal // open when the store lost everything
	books map[string]*book

	reserved, refusals, opened, turns, losses int
}

// book is the account's of the period that now is. What was lost and seeded again has another.
func (m *moneyModel) book(s store.Scope) *book {
	name := s.ID + store.Began(s.Limits.Period, m.Now()).String()
	b := m.books[name]
	if b == nil {
		b = &book{}
		m.books[name] = b
		m.turns++
	}
	return b
}

func (m *moneyModel) step(i int) {
	m.Advance(time.Duration(m.rand.ExpFloat64() * float64(time.Minute)))
	switch m.rand.IntN(400) {
	case 0:
		m.Advance(untilMidnight(m.bench))
	case 1:
		m.Advance(time.Duration(m.rand.IntN(20)) * time.Hour)
	case 2:
		m.lose()
	}
	m.expire()
	switch n := m.rand.IntN(100); {
	case n < 50:
		m.reserveOne("m" + strconv.Itoa(i))
	case n < 85:
		m.settleOne()
	case n < 90:
		m.repeatOne()
	case n < 94:
		m.settleAgain()
	case n < 96:
		m.openAgain()
	case n < 97:
		m.settleLost()
	default:
		m.check()
	}
}

// expire notes what ran out: as spent.
func (m *moneyModel) expire() {
	for id, d := range m.open {
		if !m.Now().Before(d.ends) {
			delete(m.open, id)
			for _, b := range d.books {
				b.reserved -= d.cost
				b.settled += d.cost
			}
		}
	}
}

func (m *moneyModel) scopes() []store.Scope {
	list := append([]store.Scope(nil), accounts[:2]...)
	switch m.rand.IntN(3) {
	case 0:
		list = append([]store.Scope(nil), accounts[1], accounts[2])
	case 1:
		list = list[:1]
	}
	for i := range list { // a budget that changes holds at once
		list[i].Limits.Budget += m.rand.Int64N(3) * dollar
	}
	return list
}

func (m *moneyModel) reserveOne(id string) {
	d := &deal{id: id, scopes: m.scopes(), cost: m.rand.Int64N(4 * dollar)}
	if m.rand.IntN(60) == 0 {
		d.cost = 300 * dollar
	}
	c := m.call(id, d.cost, d.scopes...)
	c.Hold = time.Duration(1+m.rand.IntN(90)) * time.Minute
	if m.rand.IntN(10) == 0 {
		c.Deferred, c.Hold = true, 48*time.Hour
	}
	a := m.made(c)
	for a.Refusal != nil && m.openAll(d.scopes, a.Balances) {
		a = m.made(c)
	}
	if m.judge(d, a); a.Refusal != nil {
		return
	}
	d.ends = m.Now().Add(c.Hold)
	for _, s := range d.scopes {
		b := m.book(s)
		b.reserved += d.cost
		d.books = append(d.books, b)
	}
	m.open[id] = d
	m.ids = append(m.ids, id)
}

// judge compares a decision with the book's.
func (m *moneyModel) judge(d *deal, a store.Answer) {
	var short ratelimitv1.ScopeKind
	for _, s := range d.scopes {
		b := m.book(s)
		if d.cost > 0 && b.settled+b.reserved+d.cost > s.Limits.Budget {
			short = s.Kind
		}
	}
	switch {
	case a.Refusal == nil && short != 0:
		m.Errorf("admitted, though the budget of %v is used up", short)
	case a.Refusal != nil && short == 0:
		m.Errorf("refused, though there is enough: %+v", *a.Refusal)
	case a.Refusal == nil:
		m.reserved++
	default:
		m.refusals++
	}
}

// openAll seeds what is closed with what the ledger has: what was settled.
func (m *moneyModel) openAll(scopes []store.Scope, balances []store.Balance) bool {
	found := false
	store.EachBudget(scopes, balances, func(s store.Scope, b store.Balance) {
		if b.Unseeded {
			found = true
			m.opened++
			book := m.book(s)
			if m.Now().Sub(book.lateSince) >= store.Shipping {
				book.late = 0 // the ledger has it by now
			}
			m.seed(book.settled-book.late, s)
			book.late = 0
		}
	})
	return found
}

// openAgain is a second node's seed, or a later one: it knows of no more than there is, and changes nothing.
func (m *moneyModel) openAgain() {
	s := accounts[m.rand.IntN(len(accounts))]
	all, err := m.store.Balances(m.Context(), "acme", []store.Scope{s})
	if err != nil {
		m.Fatal(err)
	}
	if !all[0].Unseeded {
		m.seed(m.book(s).settled, s)
	}
}

// forgetful is a store that can lose everything.
type forgetful interface{ Forget() }

// lose has the store lose everything: what is open stands in no book any more.
func (m *moneyModel) lose() {
	f, ok := m.store.(forgetful)
	if !ok {
		return
	}
	f.Forget()
	settle(m.T, m.store, m)
	m.losses++
	for _, d := range m.open {
		m.lost = append(m.lost, d)
		for _, b := range d.books {
			b.reserved -= d.cost
		}
	}
	for _, b := range m.books {
		b.late = 0
	}
	m.over, m.open = nil, make(map[string]*deal)
}

// settleLost settles a call whose reservation was lost: it is charged where the account is open again. Where it isn't, it is
// charged when it is opened, though the ledger hasn't got it by then.
func (m *moneyModel) settleLost() {
	if len(m.lost) == 0 {
		return
	}
	d := m.lost[0]
	m.lost = m.lost[1:]
	if !m.Now().Before(d.ends) {
		return
	}
	closed := make(map[string]bool)
	all, err := m.store.Balances(m.Context(), "acme", d.scopes)
	if err != nil {
		m.Fatal(err)
	}
	store.EachBudget(d.scopes, all, func(s store.Scope, b store.Balance) { closed[s.ID] = b.Unseeded })
	m.paid(d.id, d.cost, d.scopes...)
	for _, s := range d.scopes {
		b := m.book(s)
		if b.settled += d.cost; closed[s.ID] {
			b.late += d.cost
			b.lateSince = m.Now()
		}
		b.over += d.cost
	}
}

func (m *moneyModel) pick() *deal {
	for len(m.ids) > 0 {
		i := m.rand.IntN(len(m.ids))
		d := m.open[m.ids[i]]
		m.ids[i] = m.ids[len(m.ids)-1]
		if m.ids = m.ids[:len(m.ids)-1]; d != nil {
			return d
		}
	}
	return nil
}

func (m *moneyModel) settleOne() {
	d := m.pick()
	if d == nil {
		return
	}
	cost, unused := m.rand.Int64N(d.cost+1), m.rand.IntN(12) == 0
	if m.rand.IntN(25) == 0 {
		cost = d.cost + m.rand.Int64N(dollar)
	}
	m.settled(store.Settlement{ID: d.id, Holder: "h", Tenant: "acme", Scopes: d.scopes, Cost: cost, Unused: unused})
	if unused {
		cost = 0
	}
	delete(m.open, d.id)
	for _, b := range d.books {
		b.reserved -= d.cost
		b.settled += cost
		b.over += max(0, cost-d.cost)
	}
	d.paid = m.Now()
	if m.over = append(m.over, d); len(m.over) > 3 {
		m.over = m.over[1:]
	}
}

// repeatOne reserves again what stands.
func (m *moneyModel) repeatOne() {
	for id, d := range m.open {
		m.admitted(m.pay(id, d.cost, d.scopes...))
		return
	}
}

// settleAgain settles once more what was settled a short time ago: it counts for nothing.
func (m *moneyModel) settleAgain() {
	if n := len(m.over); n > 0 {
		d := m.over[n-1]
		m.over = m.over[:n-1]
		if m.Now().Sub(d.paid) < store.KeepMoney {
			m.paid(d.id, 7*dollar, d.scopes...)
		}
	}
}

// check compares all balances with the books, and the books with the promise.
func (m *moneyModel) check() {
	for _, s := range accounts {
		all, err := m.store.Balances(m.Context(), "acme", []store.Scope{s})
		if err != nil {
			m.Fatal(err)
		}
		b := m.book(s)
		if all[0].Unseeded {
			continue
		}
		if left := s.Limits.Budget - b.settled - b.reserved; all[0].Remaining != left {
			m.Errorf("%s has %d left, the book says %d", s.ID, all[0].Remaining, left)
		}
		if most := s.Limits.Budget + 2*dollar + b.over; b.settled+b.reserved > most {
			m.Errorf("%s: %d settled and %d reserved, of %d at most", s.ID, b.settled, b.reserved, most)
		}
	}
}
