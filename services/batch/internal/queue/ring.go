package queue

import "slices"

// ring lets tenants have their turns one after the other, and within a tenant its batches: a tenant with a thousand
// batches gets no more than one with a single one.
type ring struct {
	accounts []*account
	next     int
}

// account is one tenant's batches.
type account struct {
	tenant string
	runs   []*run
	next   int
}

func (g *ring) add(r *run) {
	i := slices.IndexFunc(g.accounts, func(a *account) bool { return a.tenant == r.batch.Tenant })
	if i < 0 {
		g.accounts, i = append(g.accounts, &account{tenant: r.batch.Tenant}), len(g.accounts)
	}
	g.accounts[i].runs = append(g.accounts[i].runs, r)
}

func (g *ring) remove(r *run) {
	for _, a := range g.accounts {
		a.runs = slices.DeleteFunc(a.runs, func(other *run) bool { return other == r })
	}
	g.accounts = slices.DeleteFunc(g.accounts, func(a *account) bool { return len(a.runs) == 0 })
}

// pick returns whose turn it is among those that are ready, or nil.
func (g *ring) pick(ready func(*run) bool) *run {
	for range g.accounts {
		g.next = (g.next + 1) % len(g.accounts)
		if r := g.accounts[g.next].pick(ready); r != nil {
			return r
		}
	}
	return nil
}

func (a *account) pick(ready func(*run) bool) *run {
	for range a.runs {
		a.next = (a.next + 1) % len(a.runs)
		if r := a.runs[a.next]; ready(r) {
			return r
		}
	}
	return nil
}
