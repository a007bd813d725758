package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/tests/mesh"
)

// TestTwoNodesOneBudget: 64 callers at two nodes with a rate limiter each never spend more than the one budget of their
// key, and nearly all of it; neither do they where Redis loses everything on the way (promise L2).
func TestTwoNodesOneBudget(t *testing.T) {
	t.Parallel()
	for name, flushes := range map[string]int{"calm": 0, "flushed": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := startRedis(t)
			first := mesh.Start(t, mesh.Options{Split: true, Env: []string{"HEADGATE_REDIS_URL=" + url}, Extra: "ratelimit: {budget_grace: 1ns}\n"})
			second := first.StartNode(t)
			k := budgetKey(t, first, "0.25")
			eventually(t, "the second node knows the key", func() bool {
				resp, _ := ask(t, second, k.Secret, http.MethodGet, "/v1/models", "")
				return resp.StatusCode == 200
			})
			s := &spenders{key: k.Secret}
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() { s.spend(t, []*mesh.Mesh{first, second}[i%2], i) })
			}
			for i := range flushes {
				within(t, 20*time.Second, "calls pass", func() bool { return s.passed.Load() > int64(60*(i+1)) || s.done.Load() == 64 })
				flushRedis(t, url)
			}
			wg.Wait()
			checkSpent(t, first, k, s)
			checkSpent(t, second, k, s)
		})
	}
}

// spenders are callers with one key who don't stop before its budget does.
type spenders struct {
	key                           string
	passed, held, unchecked, done atomic.Int64
}

// spend calls until the budget is used up, half of the time with streams.
func (s *spenders) spend(t *testing.T, m *mesh.Mesh, i int) {
	defer s.done.Add(1)
	body := boundedBody("gpt-5", 64)
	if i%4 > 1 {
		body = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	for deadline := time.Now().Add(40 * time.Second); ; {
		resp, got, err := try(t, m, s.key, http.MethodPost, chatPath, body)
		switch {
		case err != nil || time.Now().After(deadline):
			t.Errorf("caller %d: %v", i, err)
			return
		case resp.StatusCode == 200:
			s.passed.Add(1)
			continue
		case bytes.Contains(got, []byte(`"insufficient_quota"`)):
			return
		case resp.StatusCode == 429:
			s.held.Add(1)
		case resp.StatusCode == 503:
			s.unchecked.Add(1)
		default:
			t.Errorf("%d: %s", resp.StatusCode, got)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// checkSpent: what the ledger has is within the budget and nearly all of it, and the node knows it.
func checkSpent(t *testing.T, m *mesh.Mesh, k madeKey, s *spenders) {
	t.Helper()
	eventually(t, "every call is in the ledger", func() bool { return int64(len(rows(t, m, k.Secret, ""))) >= s.passed.Load() })
	spent := spentBy(t, m, k)
	left := budgetOf(t, m, k)
	for range 200 { // what is left is what wasn't spent, once all of it is settled
		if left = budgetOf(t, m, k); left.left == left.limit-spent {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Logf("%d calls for %d of %d, %d left; %d had to wait, %d couldn't be checked", s.passed.Load(), spent, left.limit, left.left, s.held.Load(), s.unchecked.Load())
	if spent > left.limit || left.left > left.limit-spent {
		t.Errorf("%d of %d were spent, %d are left\n%s", spent, left.limit, left.left, linesOf(m.Log(), "deciding alone"))
	}
	if s.unchecked.Load() == 0 && (spent < left.limit*9/10 || left.left != left.limit-spent) {
		t.Errorf("%d of %d were spent, %d are left", spent, left.limit, left.left)
	}
}

// flushRedis makes a Redis forget everything.
func flushRedis(t *testing.T, url string) {
	t.Helper()
	addr := strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 5)
	if _, err := fmt.Fprint(conn, "FLUSHALL\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+OK\r\n" {
		t.Fatalf("%v: %q", err, answer)
	}
}

// TestBudgetSurvivesKills: with limits in memory, kill -9 of whatever keeps them under load gives nobody new money: what
// was spent is read from the ledger, and until it is nobody spends.
func TestBudgetSurvivesKills(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"all", "ratelimit", "router", "usage"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			m := mesh.Start(t, mesh.Options{Split: victim != "all"})
			k := budgetKey(t, m, "0.1")
			s := &spenders{key: k.Secret}
			const kills, callers = 2, 8
			for round := range kills {
				callAtOnce(t, m, s, int64(50*(round+1)), func() {
					m.Kill(t, victim)
					if victim == "all" {
						m.StartAll(t)
					} else {
						m.StartService(t, victim)
					}
				})
			}
			within(t, 20*time.Second, "the mesh is back", func() bool {
				resp, _, err := try(t, m, k.Secret, http.MethodGet, "/api/v1/usage", "")
				return err == nil && resp.StatusCode == 200
			})
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() { s.spend(t, m, i) })
			}
			wg.Wait()
			eventually(t, "every call is in the ledger", func() bool { return int64(len(rows(t, m, k.Secret, ""))) >= s.passed.Load() })
			spent, left := spentBy(t, m, k), budgetOf(t, m, k)
			t.Logf("%d calls for %d of %d, %d left", s.passed.Load(), spent, left.limit, left.left)
			if spent > left.limit {
				t.Errorf("%d of %d were spent", spent, left.limit)
			}
		})
	}
}

// callAtOnce has eight callers spend while something happens, as soon as so many calls have passed.
func callAtOnce(t *testing.T, m *mesh.Mesh, s *spenders, after int64, happens func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if resp, _, err := try(t, m, s.key, http.MethodPost, chatPath, boundedBody("gpt-5", 64)); err == nil && resp.StatusCode == 200 {
					s.passed.Add(1)
				} else {
					<-time.After(5 * time.Millisecond)
				}
			}
		})
	}
	within(t, 20*time.Second, "calls pass", func() bool { return s.passed.Load() >= after })
	happens()
	cancel()
	wg.Wait()
}

// TestUsedUpStaysUsedUp: a budget that is used up is used up after kill -9, from the first call on.
func TestUsedUpStaysUsedUp(t *testing.T) {
	t.Parallel()
	m := mesh.Start(t, mesh.Options{})
	k := budgetKey(t, m, "0.015")
	useUp(t, m, k)
	eventually(t, "it is in the ledger", func() bool { return len(rows(t, m, k.Secret, "")) == 1 })
	for range 2 {
		m.Kill(t, "all")
		m.StartAll(t)
		told := false
		for range 20 {
			resp, body := ask(t, m, k.Secret, http.MethodPost, chatPath, boundedBody("gpt-5", 10))
			if resp.StatusCode != 429 && resp.StatusCode != 503 {
				t.Fatalf("%d: %s", resp.StatusCode, body)
			}
			told = told || bytes.Contains(body, []byte("insufficient_quota"))
			<-time.After(5 * time.Millisecond)
		}
		if !told {
			eventually(t, "the budget is known", func() bool {
				resp, _ := ask(t, m, k.Secret, http.MethodPost, chatPath, boundedBody("gpt-5", 10))
				return resp.StatusCode == 429
			})
		}
	}
}
