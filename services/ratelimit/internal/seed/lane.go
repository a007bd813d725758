package seed

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// name is what there is one question about at a time.
type name struct {
	Account

	from time.Time
}

func nameOf(s store.Seed) name {
	return name{Account: Account{Kind: s.Scope.Kind, Tenant: s.Tenant, ID: s.Scope.ID}, from: s.From}
}

// question is one that waits for the ledger. Opened and notYet are set before done is closed.
type question struct {
	seed   store.Seed
	times  int // that the ledger was asked before
	done   chan struct{}
	opened bool
	notYet time.Time // the ledger isn't complete until then
}

// lane asks about one kind of period: all that came up while the last answer was on its way, in one question.
type lane struct {
	seeder *Seeder
	wake   chan struct{}
	failed bool

	mu      sync.Mutex
	waiting map[name]*question
	asked   map[name]*question // now
	early   map[name]*question // those that were asked while the ledger isn't complete
	later   []appointment
}

// appointment is a question that is asked again.
type appointment struct {
	at       time.Time
	question *question
}

func newLane(s *Seeder) *lane {
	return &lane{seeder: s, wake: make(chan struct{}, 1), waiting: make(map[name]*question), early: make(map[name]*question)}
}

// ask returns the question about an account, which may be on its way.
func (l *lane) ask(s store.Seed) *question {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := nameOf(s)
	if q := l.asked[n]; q != nil {
		return q
	}
	if q := l.early[n]; q != nil && time.Now().Before(q.notYet) {
		return q
	}
	q := l.waiting[n]
	if q == nil {
		q = &question{seed: s, done: make(chan struct{})}
		l.waiting[n] = q
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return q
}

func (l *lane) run(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			l.callUp(time.Now())
		case <-l.wake:
		}
		for batch := l.next(); len(batch) > 0 && ctx.Err() == nil; batch = l.next() {
			if !l.answer(ctx, batch) {
				rest(ctx)
			}
		}
	}
}

// rest keeps a ledger that failed from being asked without a pause.
func rest(ctx context.Context) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// callUp lets what is due wait with the others.
func (l *lane) callUp(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.later[:0]
	for _, a := range l.later {
		n := nameOf(a.question.seed)
		switch {
		case now.Before(a.at):
			kept = append(kept, a)
		case l.waiting[n] == nil:
			l.waiting[n] = a.question
		}
	}
	clear(l.later[len(kept):])
	l.later = kept
	maps.DeleteFunc(l.early, func(_ name, q *question) bool { return !now.Before(q.notYet) })
}

// next takes questions that wait, all since the same time.
func (l *lane) next() map[name]*question {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := make(map[name]*question)
	var from time.Time
	for n, q := range l.waiting {
		if len(batch) == 0 {
			from = n.from
		}
		if n.from.Equal(from) && len(batch) < atOnce {
			batch[n] = q
			delete(l.waiting, n)
		}
	}
	l.asked = batch
	return batch
}

// answer asks the ledger about a batch and opens its accounts. It reports whether that went well.
func (l *lane) answer(ctx context.Context, batch map[name]*question) bool {
	list, accounts := make([]*question, 0, len(batch)), make([]Account, 0, len(batch))
	for n, q := range batch {
		list, accounts = append(list, q), append(accounts, n.Account)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	began := time.Now()
	spent, err := l.spent(ctx, list[0].seed.From, accounts)
	for i, q := range list {
		if err == nil {
			q.seed.Spent, q.seed.Final = spent[i], l.seeder.Ledger == nil
			err = l.open(ctx, q, began)
		}
		l.end(q)
	}
	l.tell(ctx, err)
	return err == nil
}

// open tells the accounts what the ledger said, which was asked at a time. That it's too early for it is no failure.
func (l *lane) open(ctx context.Context, q *question, asked time.Time) error {
	q.seed.Age = time.Since(asked)
	err := l.seeder.Accounts.Seed(ctx, q.seed)
	var early *store.SettlingError
	if errors.As(err, &early) {
		q.notYet = time.Now().Add(early.Wait)
		return nil
	}
	q.opened = err == nil
	return err
}

func (l *lane) spent(ctx context.Context, from time.Time, accounts []Account) ([]int64, error) {
	if l.seeder.Ledger == nil {
		return make([]int64, len(accounts)), nil
	}
	return l.seeder.Ledger.Spent(ctx, from, accounts)
}

// end answers those who wait for a question, and has it asked again where that is still of use.
func (l *lane) end(q *question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, nameOf(q.seed))
	if !q.notYet.IsZero() {
		l.early[nameOf(q.seed)] = q
	}
	close(q.done)
	if l.seeder.Ledger == nil || q.times == len(again) || (!q.opened && q.times == 0) {
		return
	}
	next := &question{seed: q.seed, times: q.times, done: make(chan struct{})}
	if q.opened {
		next.times++
	}
	l.later = append(l.later, appointment{at: time.Now().Add(again[q.times]), question: next})
}

// tell logs the first of several failures, and their end.
func (l *lane) tell(ctx context.Context, err error) {
	switch {
	case err != nil && !l.failed && ctx.Err() == nil:
		l.seeder.Logger.WarnContext(ctx, "budgets can't be opened: what was spent can't be read or noted", "cause", err.Error())
		l.failed = true
	case err == nil && l.failed:
		l.seeder.Logger.InfoContext(ctx, "budgets are opened again")
		l.failed = false
	}
}
