package sqlite

import "github.com/headgate-mesh/headgate/services/usage/internal/store"

// bill is what accounts have spent so far, in their order.
type bill struct {
	accounts []store.Account
	sums     []int64
	tenants  map[string]*tenant
}

// tenant says where sums are.
type tenant struct {
	whole []int
	keys  map[string][]int
}

func newBill(accounts []store.Account) *bill {
	b := &bill{accounts: accounts, sums: make([]int64, len(accounts)), tenants: make(map[string]*tenant)}
	for i, a := range accounts {
		t := b.tenants[a.Tenant]
		if t == nil {
			t = &tenant{keys: make(map[string][]int)}
			b.tenants[a.Tenant] = t
		}
		if a.KeyID == "" {
			t.whole = append(t.whole, i)
		} else {
			t.keys[a.KeyID] = append(t.keys[a.KeyID], i)
		}
	}
	return b
}

// charge adds what a key spent to it and to its tenant, where they are asked about. It is called many thousand times for
// one answer, mostly for others: looking up bytes makes no copy.
func (b *bill) charge(name, keyID []byte, n int64) {
	t := b.tenants[string(name)]
	if t == nil {
		return
	}
	b.add(t.whole, n)
	b.add(t.keys[string(keyID)], n)
}

func (b *bill) add(places []int, n int64) {
	for _, i := range places {
		b.sums[i] = plus(b.sums[i], n)
	}
}
