package sqlite_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/usage/internal/sqlite"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// firstVersion writes a file as builds did that kept rows and no sums of what was spent.
func firstVersion(t *testing.T, path string) {
	t.Helper()
	schema, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	f, err := sqlfile.Open(t.Context(), path, sqlfile.Options{Changes: []string{string(schema)}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const day = 24 * time.Hour
	for i, row := range []struct {
		tenant, key string
		at          time.Duration
		outcome     usagev1.Outcome
		cost        any
	}{
		{"acme", "k1", 0, 1, 1},
		{"acme", "k1", 1, 2, 20},
		{"acme", "k1", 2*day - 1, 1, 300},
		{"acme", "k1", 2 * day, 1, 4000},
		{"acme", "", 2 * day, 1, 50_000},
		{"acme", "k1", 2 * day, usagev1.Outcome_OUTCOME_CACHED, 600_000},
		{"acme", "k1", 2 * day, 1, nil},
		{"acme", "k1", 2 * day, 1, -1},
		{"rich", "k2", 2 * day, 1, math.MaxInt64},
		{"rich", "k2", 2 * day, 1, 1},
		{"rich", "k3", 1 * day, 1, math.MaxInt64 - 1},
		{"rich", "k3", 2 * day, 1, 1},
	} {
		_, err := f.Write.ExecContext(t.Context(), `INSERT INTO events
			(started, id, request_id, tenant, key_id, model, provider, outcome, estimated, cost_pico_usd, rest)
			VALUES (?, ?, '', ?, ?, '', '', ?, 0, ?, x'')`, int64(row.at), i, row.tenant, row.key, row.outcome, row.cost)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usage.db")
	firstVersion(t, path)
	accounts := []store.Account{
		{Tenant: "acme"}, {Tenant: "acme", KeyID: "k1"}, {Tenant: "rich"}, {Tenant: "rich", KeyID: "k2"}, {Tenant: "rich", KeyID: "k3"},
	}
	const most = math.MaxInt64
	for range 2 { // the second time there is nothing to do
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for day, want := range map[int64][]int64{
			0: {54_321, 4321, most, most, most},
			1: {54_300, 4300, most, most, most},
			2: {54_000, 4000, most, most, 1},
			3: {0, 0, 0, 0, 0},
		} {
			got, err := s.Spent(t.Context(), time.Unix(day*24*60*60, 0), accounts)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("since day %d: %v, want %v: %v", day, got, want, err)
			}
		}
		if events, _, err := s.Page(t.Context(), store.Filter{}, store.Cursor{}, 100); len(events) != 12 || err != nil {
			t.Errorf("%d events: %v", len(events), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoProcesses has one file open twice: what one inserts the other one knows, folded or not.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usage.db")
	var both [2]*sqlite.Store
	for i := range both {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		both[i] = s
	}
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for n := range int64(5) {
		e := real(at.Add(time.Duration(n)), 7)
		for i, s := range both {
			if added, err := s.Insert(t.Context(), []*usagev1.Event{e}); added != 1-i || err != nil {
				t.Fatal(added, err)
			}
		}
		for i, s := range both {
			got, err := s.Spent(t.Context(), at, []store.Account{{Tenant: e.GetTenant(), KeyID: e.GetKeyId()}})
			if want := (n + 1) * e.GetCostPicoUsd(); err != nil || got[0] != want {
				t.Errorf("%d knows %v after %d, want %d: %v", i, got, n+1, want, err)
			}
		}
		both[0], both[1] = both[1], both[0]
	}
}
