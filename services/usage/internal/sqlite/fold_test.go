package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// TestFold asks while costs are folded into the sums again and again: none is counted twice or left out, and none waits
// longer than it should.
func TestFold(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "usage.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const inserts, keys = 60, 70 // two days' cells and two totals of each key: some full statements, and a rest
	midnight := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range inserts {
			if n%3 == 0 {
				s.unfolded.Store(foldAt)
			}
			if added, err := s.Insert(t.Context(), aroundMidnight(midnight, n, keys)); added != keys || err != nil {
				t.Error(added, err)
			}
		}
	})
	defer wg.Wait()
	accounts := []store.Account{{Tenant: "acme"}, {Tenant: "acme", KeyID: "k1"}}
	for last := int64(0); last < inserts*keys && !t.Failed(); {
		got, err := s.Spent(t.Context(), time.Time{}, accounts)
		if err != nil || got[0] < last || got[0] != keys*got[1] {
			t.Errorf("%d, then %v: %v", last, got, err)
			return
		}
		last = got[0]
	}
	for since, want := range map[time.Time]int64{midnight.AddDate(0, 0, -1): inserts, midnight: inserts / 2, midnight.AddDate(0, 0, 1): 0} {
		if got, err := s.Spent(t.Context(), since, accounts); err != nil || got[0] != keys*want || got[1] != want {
			t.Errorf("since %v: %v, want %d: %v", since, got, want, err)
		}
	}
	waiting := 0
	if err := s.read.QueryRowContext(t.Context(), "SELECT count(*) FROM unfolded").Scan(&waiting); err != nil || waiting != 2 {
		t.Errorf("%d inserts wait, want those since the last fold: %v", waiting, err)
	}
}

// aroundMidnight is an event of each key, before midnight and after it by turns.
func aroundMidnight(midnight time.Time, n, keys int) []*usagev1.Event {
	at := midnight.Add(time.Duration(n%2*2-1) * time.Hour)
	events := make([]*usagev1.Event, keys)
	for k := range events {
		events[k] = &usagev1.Event{
			Id: fmt.Sprintf("%d/%d", n, k), Tenant: "acme", KeyId: fmt.Sprintf("k%d", k), StartedAt: timestamppb.New(at), CostPicoUsd: proto.Int64(1),
		}
	}
	return events
}
