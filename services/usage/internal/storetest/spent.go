package storetest

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

func spent(t *testing.T, s store.Store, since time.Time, accounts ...store.Account) []int64 {
	t.Helper()
	got, err := s.Spent(t.Context(), since, accounts)
	if err != nil {
		t.Fatalf("spent: %v", err)
	}
	return got
}

// costing is an event of a key of acme.
func costing(n int, keyID string, pico int64) *usagev1.Event {
	return event(n, func(e *usagev1.Event) { e.KeyId, e.CostPicoUsd = keyID, &pico })
}

var acme, key1, key2 = store.Account{Tenant: "acme"}, store.Account{Tenant: "acme", KeyID: "key_1"}, store.Account{Tenant: "acme", KeyID: "key_2"}

func spentLikeReference(t *testing.T, s store.Store) {
	r := rand.New(rand.NewPCG(3, 4))
	var events []*usagev1.Event
	for i := range 1500 {
		e := random(r, i)
		e.Id = event(i).GetId()
		if r.IntN(20) == 0 {
			e.CostPicoUsd = proto.Int64(-1)
		}
		events = append(events, e)
	}
	for batch := range slices.Chunk(events, 130) {
		insert(t, s, batch...)
	}
	var accounts []store.Account
	for _, tenant := range []string{"acme", "globex", "default", "nobody"} {
		for _, key := range []string{"", "key_1", "key_2", "key_3", "key_4", "key_5"} {
			accounts = append(accounts, store.Account{Tenant: tenant, KeyID: key})
		}
	}
	accounts = append(accounts, accounts[0], accounts[1]) // asked twice
	for _, since := range []time.Time{
		{},
		time.Unix(0, 0), time.Unix(0, 1), epoch, epoch.Add(time.Minute), epoch.AddDate(0, 0, 3).Truncate(24 * time.Hour),
		epoch.AddDate(0, 0, 3).Truncate(24 * time.Hour).Add(-1), epoch.AddDate(0, 0, 17), epoch.AddDate(1, 0, 0),
		epoch.AddDate(0, 0, 3).In(time.FixedZone("east", 3600)).Truncate(24 * time.Hour),
	} {
		want := make([]int64, len(accounts))
		for i, a := range accounts {
			want[i] = spentOf(events, a, since)
		}
		if got := spent(t, s, since, accounts...); !slices.Equal(got, want) {
			t.Errorf("since %v:\n got %v\nwant %v", since, got, want)
		}
	}
}

// spentOf adds up in the plainest way there is.
func spentOf(events []*usagev1.Event, a store.Account, since time.Time) int64 {
	sum := new(big.Int)
	for _, e := range events {
		if e.GetTenant() == a.Tenant && (a.KeyID == "" || a.KeyID == e.GetKeyId()) && !e.GetStartedAt().AsTime().Before(since) &&
			e.GetOutcome() != usagev1.Outcome_OUTCOME_CACHED && e.GetCostPicoUsd() > 0 {
			sum.Add(sum, big.NewInt(e.GetCostPicoUsd()))
		}
	}
	if !sum.IsInt64() {
		return math.MaxInt64
	}
	return sum.Int64()
}

func spentOnce(t *testing.T, s store.Store) {
	var batch []*usagev1.Event
	for i := range 40 {
		batch = append(batch, costing(i, "key_1", 1))
	}
	for _, step := range []struct {
		events []*usagev1.Event
		want   int64
	}{
		{batch[10:30], 20},
		{batch[10:30], 20}, // all are there
		{batch, 40},        // some are
		{append(batch[5:], costing(40, "key_1", 1)), 41}, // all but one
		{[]*usagev1.Event{costing(41, "key_1", 1), costing(41, "key_1", 5), costing(0, "key_1", 7)}, 42},
	} {
		insert(t, s, step.events...)
		for _, since := range []time.Time{{}, epoch.Truncate(24 * time.Hour), epoch} {
			if got := spent(t, s, since, key1); got[0] != step.want {
				t.Errorf("since %v: %d, want %d", since, got[0], step.want)
			}
		}
	}
}

// spentMeanwhile asks while routers send the same rows: no sum ever falls, and all are right in the end.
func spentMeanwhile(t *testing.T, s store.Store) {
	const rows = 600
	var events []*usagev1.Event
	for i := range rows {
		events = append(events, costing(i%60, []string{"key_1", "key_2"}[i%2], 1))
		events[i].Id = event(i).GetId()
	}
	var wg sync.WaitGroup
	for size := range 3 {
		wg.Go(func() {
			for batch := range slices.Chunk(events, 31+size) {
				if _, err := s.Insert(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	for last := int64(0); !ended(done); {
		got, err := s.Spent(t.Context(), time.Time{}, []store.Account{acme, key1, key2})
		if err != nil || got[0] < last || got[0] > rows || got[0] != got[1]+got[2] {
			t.Errorf("%v after %d: %v", got, last, err)
			break
		}
		last = got[0]
	}
	<-done
	if got := spent(t, s, time.Time{}, acme, key1, key2); !slices.Equal(got, []int64{rows, rows / 2, rows / 2}) {
		t.Errorf("%v at the end", got)
	}
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func spentBeyond(t *testing.T, s store.Store) {
	const day = 24 * 60
	insert(t, s, costing(0, "key_1", math.MaxInt64-1), costing(1, "key_2", math.MaxInt64-2), costing(3*day, "key_2", 1))
	if got := spent(t, s, time.Time{}, acme, key1, key2); !slices.Equal(got, []int64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - 1}) {
		t.Errorf("%v", got)
	}
	insert(t, s, costing(4, "key_2", 1))
	if got := spent(t, s, time.Time{}, key2); got[0] != math.MaxInt64 {
		t.Errorf("%v, want just what fits", got)
	}
	insert(t, s, costing(5, "key_1", 5), costing(6, "key_2", math.MaxInt64), costing(2*day, "key_2", math.MaxInt64))
	if got := spent(t, s, epoch, acme, key1, key2); !slices.Equal(got, []int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}) {
		t.Errorf("%v", got)
	}
	if got := spent(t, s, epoch.AddDate(0, 0, 3), key1, key2); !slices.Equal(got, []int64{0, 1}) {
		t.Errorf("%v later", got)
	}
}

func spentNothing(t *testing.T, s store.Store) {
	if got := spent(t, s, time.Time{}, acme, key1); !slices.Equal(got, []int64{0, 0}) {
		t.Errorf("%v in an empty store", got)
	}
	insert(t, s,
		event(1, func(e *usagev1.Event) { e.CostPicoUsd = nil }),
		event(2, func(e *usagev1.Event) { e.CostPicoUsd = proto.Int64(0) }),
		event(3, func(e *usagev1.Event) { e.Outcome = usagev1.Outcome_OUTCOME_CACHED }),
		event(4, func(e *usagev1.Event) { e.CostPicoUsd = proto.Int64(math.MinInt64) }),
		event(5, func(e *usagev1.Event) { e.Tenant = "globex" }),
	)
	for _, since := range []time.Time{{}, epoch} {
		if got := spent(t, s, since, acme, key1); !slices.Equal(got, []int64{0, 0}) {
			t.Errorf("%v since %v", got, since)
		}
	}
	if got := spent(t, s, time.Time{}); len(got) != 0 {
		t.Errorf("%v of nobody", got)
	}
	if _, err := s.Spent(closed(t), time.Time{}, []store.Account{acme}); err == nil {
		t.Error("an answer under an ended context")
	}
}

func spentByAnyName(t *testing.T, s store.Store) {
	names := []string{"a", "a\x00b", "a\x00c", `'"; DROP TABLE spent; --`, "名前 \U0001F600", "<&>", `\u0041`, "%_", "\u2028", "1", "null"}
	var accounts []store.Account
	var want []int64
	for i, name := range names {
		tenant, key := costing(2*i, "", int64(i+1)), costing(2*i+1, name, int64(i+1))
		tenant.Tenant, key.Tenant = name, name
		insert(t, s, tenant, key)
		accounts = append(accounts, store.Account{Tenant: name}, store.Account{Tenant: name, KeyID: name})
		want = append(want, 2*int64(i+1), int64(i+1))
	}
	for _, since := range []time.Time{{}, epoch.Truncate(24 * time.Hour), epoch} {
		if got := spent(t, s, since, accounts...); !slices.Equal(got, want) {
			t.Errorf("since %v: %v, want %v", since, got, want)
		}
	}
}

// spentStays deletes rows: what was spent stays spent. A row without a time is one of 1970.
func spentStays(t *testing.T, s store.Store) {
	const day = 24 * 60
	for i := range 3 {
		insert(t, s, costing(i*day, "key_1", 1), costing(i*day+1, "key_1", 10))
	}
	insert(t, s, &usagev1.Event{Id: "x", Tenant: "acme", KeyId: "key_1", CostPicoUsd: proto.Int64(100), Tokens: &llmv1.TokenUsage{}})
	for _, pruned := range []int{0, 4} {
		if n, err := s.Prune(t.Context(), epoch.AddDate(0, 0, 1).Add(time.Second), pruned); n != pruned || err != nil {
			t.Fatal(n, err)
		}
		midnight := epoch.Truncate(24 * time.Hour)
		for since, want := range map[time.Time]int64{{}: 133, midnight: 33, midnight.AddDate(0, 0, 1): 22, midnight.AddDate(0, 0, 2): 11, epoch.AddDate(0, 0, 2).Add(1): 10} {
			if got := spent(t, s, since, acme, key1, key2); !slices.Equal(got, []int64{want, want, 0}) {
				t.Errorf("%d pruned, since %v: %v, want %d", pruned, since, got, want)
			}
		}
	}
}
