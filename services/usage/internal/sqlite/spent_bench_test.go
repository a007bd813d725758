package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/sqlite"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// BenchmarkSpent asks a ledger of a million rows: thirty days, twenty tenants of fifty keys each.
func BenchmarkSpent(b *testing.B) {
	s, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "usage.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	began := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	fillMonth(b, s, began, 1_000_000)
	tenants := []store.Account{{Tenant: "tenant_7"}}
	keys := make([]store.Account, 0, 1000)
	for i := range 1000 {
		keys = append(keys, store.Account{Tenant: fmt.Sprintf("tenant_%d", i%20), KeyID: fmt.Sprintf("key_%016d", i)})
	}
	for _, period := range []struct {
		name  string
		since time.Time
	}{
		{"day", began.AddDate(0, 0, 29)}, {"month", began}, {"ever", time.Time{}}, {"no midnight", began.Add(36 * time.Hour)},
	} {
		for _, of := range []struct {
			name     string
			accounts []store.Account
		}{
			{"key", keys[:1]}, {"tenant", tenants}, {"1000 keys", keys},
		} {
			b.Run(period.name+"/"+of.name, func(b *testing.B) {
				for b.Loop() {
					if got, err := s.Spent(context.Background(), period.since, of.accounts); err != nil || got[0] == 0 {
						b.Fatal(got, err)
					}
				}
			})
		}
	}
}

func fillMonth(b *testing.B, s *sqlite.Store, began time.Time, rows int) {
	const batch = 1000
	events := make([]*usagev1.Event, batch)
	for n := 0; n < rows; n += batch {
		for i := range events {
			key := rand.IntN(1000)
			events[i] = real(began.Add(30*24*time.Hour/time.Duration(rows)*time.Duration(n+i)), key)
			events[i].Tenant = fmt.Sprintf("tenant_%d", key%20)
		}
		if _, err := s.Insert(context.Background(), events); err != nil {
			b.Fatal(err)
		}
	}
}
