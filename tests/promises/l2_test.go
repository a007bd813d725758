package promises_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// budgetOf is the budget of the test's key, in US dollars and in their 10^-12 parts.
const (
	budgetOf   = 1000
	budgetPico = budgetOf * 1_000_000_000_000
)

// TestL2: what a budget has spent is what the ledger says its calls cost, to the last part of a cent, whatever became of
// their answers. What nobody waits for any more before its provider has begun to answer may go on there: it costs a budget
// what was reserved, and has no price in the ledger.
func TestL2(t *testing.T) {
	c := newChaos(t, func(round, attempt int) plan {
		p := billedPlan(round, attempt)
		if p.how == stall || p.how == wire || p.how == corrupt {
			p.how = eof
		}
		return p
	})
	m := chaosMesh(t, c)
	y := promise(t, "L2", "budget and ledger agree, under faults")
	key := budgeted(t, m)
	b := newBilling(t, c, m, key, []route{{"openai/gpt-4o", true}, {"claude/claude-opus-4-6", true}, reasons, {"twins", true}})
	b.stay = true
	n := size(400, 4000)
	together(32, n, func(round int) {
		b.round(t.Context(), round)
		y.kept()
	})
	var spent, costs int64
	calls := 0
	agree := within(patient(booked), func() bool {
		list, err := rows(t.Context(), m)
		if err != nil {
			return false
		}
		costs, calls = 0, 0
		for _, attempts := range list {
			for _, r := range attempts {
				if r.Cost != nil {
					costs += *r.Cost
					calls++
				}
			}
		}
		spent, err = spentOf(t.Context(), m, key)
		return err == nil && spent == costs
	})
	if !agree || costs == 0 {
		y.broken("the ledger has %d attempts for %d, the budget says %d is spent (10^-12 US dollars)", calls, costs, spent)
	}
	y.found("%d attempts, $%.6f", calls, float64(costs)/1e12)
}

// budgeted makes a key with a budget.
func budgeted(t *testing.T, m *mesh.Mesh) (secret string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL("/api/v1/keys"),
		strings.NewReader(fmt.Sprintf(`{"name":"spender","limits":{"budget_usd":%d,"budget_period":"BUDGET_PERIOD_TOTAL"}}`, budgetOf)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var made struct{ Secret string }
	if text, err := io.ReadAll(resp.Body); err != nil || json.Unmarshal(text, &made) != nil || made.Secret == "" {
		t.Fatalf("%d %v: %s", resp.StatusCode, err, text)
	}
	if !within(10*time.Second, func() bool {
		_, err := spentOf(t.Context(), m, made.Secret)
		return err == nil
	}) {
		t.Fatal("the budget doesn't open")
	}
	return made.Secret
}

// spentOf is what a key's budget has spent.
func spentOf(ctx context.Context, m *mesh.Mesh, key string) (pico int64, err error) {
	status, page, err := get(ctx, m.URL("/api/v1/quota"), "Authorization", "Bearer "+key)
	if err != nil || status != http.StatusOK {
		return 0, errors.Join(err, fmt.Errorf("status %d: %s", status, page))
	}
	var quota struct {
		Balances []struct {
			Dimension string `json:"dimension"`
			Remaining int64  `json:"remaining,string"`
			Unopened  bool   `json:"unopened"`
		}
	}
	if err := json.NewDecoder(bytes.NewReader(page)).Decode(&quota); err != nil {
		return 0, err
	}
	for _, b := range quota.Balances {
		if strings.Contains(b.Dimension, "BUDGET") && !b.Unopened {
			return budgetPico - b.Remaining, nil
		}
	}
	return 0, fmt.Errorf("no open budget: %s", page)
}
