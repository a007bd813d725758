package answers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// fly runs a test of one router and of two, on a clock of its own.
func fly(t *testing.T, test func(t *testing.T, l *leasing, routers []*Answers)) {
	t.Helper()
	t.Parallel()
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint(n, " routers"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeasing()
				var routers []*Answers
				for range n {
					routers = append(routers, newAnswers(t, l, nil))
				}
				test(t, l, routers)
			})
		})
	}
}

// TestOneAsksForAll: the provider is asked once, however many ask and however long it takes.
func TestOneAsksForAll(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		for _, took := range []time.Duration{time.Millisecond, time.Second, 10 * time.Minute} {
			l.set(func() { clear(l.values) })
			c := newCrowd(t, slow(took))
			c.come(t.Context(), 100, question(nil), routers...)
			c.ends(l, routers...)
			c.want(1, map[string]int{"miss": 1, "coalesced": 99})
			if c.texts[frameOne+frameDone] != 100 {
				t.Errorf("they read %v", c.texts)
			}
			for _, d := range c.took {
				if d < took || d > took+pollWait {
					t.Errorf("an answer of %v after %v", took, d)
				}
			}
			c.come(t.Context(), 1, question(nil), routers...)
			c.ends(l, routers...)
			c.want(1, map[string]int{"miss": 1, "coalesced": 99, "hit": 1})
		}
		if n := routers[0].Counts().Coalesced; n == 0 || l.waited < 3*99 {
			t.Errorf("%d are counted, of %d", n, l.waited)
		}
	})
}

// TestLeaderLeaves: one follower goes on at once, the others wait for that one.
func TestLeaderLeaves(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(10*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		c.come(ctx, 1, question(nil), routers[0])
		synctest.Wait()
		c.come(t.Context(), 100, question(nil), routers...)
		time.Sleep(5 * time.Second)
		cancel()
		c.ends(l, routers...)
		c.want(2, map[string]int{"miss": 2, "coalesced": 99})
		if c.asked[1] != 5*time.Second {
			t.Errorf("the next one asks after %v", c.asked[1])
		}
	})
}

// TestEveryLeaderLeaves, ten of them: that is no reason for the others to go on alone.
func TestEveryLeaderLeaves(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(10*time.Second))
		for i := range 10 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, nil)
			defer cancel()
			time.AfterFunc(time.Duration(i+1)*time.Second, cancel)
			c.come(ctx, 1, question(nil), routers[0])
			synctest.Wait()
		}
		c.come(t.Context(), 50, question(nil), routers...)
		c.ends(l, routers...)
		if c.labels["coalesced"] != 49 || c.labels["miss"]+c.labels["left"] != 11 || c.labels["miss"] > 11 {
			t.Errorf("%v, asked at %v", c.labels, c.asked)
		}
	})
}

// TestLeaderFails: one after another goes on, until it is clear that they all fail.
func TestLeaderFails(t *testing.T) {
	failing := map[string]func() []*routerv1.RelayResponse{
		"no answer": func() []*routerv1.RelayResponse { return nil },
		"a status": func() []*routerv1.RelayResponse {
			return answer(func(m []*routerv1.RelayResponse) { m[0].Head.Status = 500 })
		},
		"truncated": func() []*routerv1.RelayResponse {
			return answer(func(m []*routerv1.RelayResponse) { m[1].Trailer.Complete = false })
		},
	}
	for name, fails := range failing {
		for _, n := range []int{1, 2, 3} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					l := newLeasing()
					a := newAnswers(t, l, nil)
					c := newCrowd(t, func(ctx context.Context, i int) []*routerv1.RelayResponse {
						pause(ctx, time.Second)
						if i <= n {
							return fails()
						}
						return answer(nil)
					})
					c.come(t.Context(), 20, question(nil), a)
					c.ends(l, a)
					if n < maxFailures {
						c.want(n+1, map[string]int{"miss": n + 1, "coalesced": 19 - n})
						return
					}
					// The rest go on alone, all at the same time.
					c.want(20, map[string]int{"miss": 20})
					if c.asked[19] != time.Duration(n)*time.Second {
						t.Errorf("asked at %v", c.asked)
					}
				})
			})
		}
	}
}

// TestUnkept: once it is clear that an answer can't be kept, nobody waits for it or for another one.
func TestUnkept(t *testing.T) {
	unkept := map[string]func(m []*routerv1.RelayResponse){
		"too large":  func(m []*routerv1.RelayResponse) { m[0].Data = make([]byte, 2<<20) },
		"a failover": func(m []*routerv1.RelayResponse) { m[0].Head.Provider = "claude" },
	}
	for name, change := range unkept {
		t.Run(name, func(t *testing.T) {
			fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
				c := newCrowd(t, func(ctx context.Context, _ int) []*routerv1.RelayResponse {
					pause(ctx, time.Second)
					return answer(change)
				})
				c.come(t.Context(), 20, question(nil), routers...)
				time.Sleep(3 * time.Second)
				c.come(t.Context(), 20, question(nil), routers...) // a little later: nobody waits at all
				c.ends(l, routers...)
				if n := len(c.asked); n != 40 || c.asked[19] != time.Second || c.asked[39] != 3*time.Second {
					t.Errorf("%d asked, at %v", n, c.asked)
				}
				if l.waited > 0 {
					t.Errorf("%d looked for an answer that can't be kept", l.waited)
				}
			})
		})
	}
}

// TestLeaderDies: its lease lapses, then one goes on.
func TestLeaderDies(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		digest, _ := routers[0].Key(question(nil))
		l.breaks(func() { l.acquire(string(digest[:]), "a router that dies") })
		c := newCrowd(t, slow(5*time.Second))
		c.come(t.Context(), 50, question(nil), routers...)
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 49})
		if c.asked[0] < 2*time.Second || c.asked[0] > 2100*time.Millisecond {
			t.Errorf("one goes on after %v", c.asked[0])
		}
	})
}

// TestFollowersLeave at once; where all of them do, nothing is left behind.
func TestFollowersLeave(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		leader, follower := newCrowd(t, slow(time.Minute)), newCrowd(t, slow(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		leader.come(ctx, 1, question(nil), routers[0])
		synctest.Wait()
		own, leave := context.WithCancel(t.Context())
		follower.come(own, 50, question(nil), routers...)
		time.Sleep(time.Second)
		leave()
		follower.wg.Wait()
		follower.want(0, map[string]int{"left": 50})
		for _, d := range follower.took {
			if d != time.Second {
				t.Errorf("one left after %v", d)
			}
		}
		cancel()
		leader.ends(l, routers...)
		leader.want(1, nil)
	})
}

// TestLimit: who has waited long enough goes on alone, with a fill that isn't the leader's.
func TestLimit(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(time.Minute))
		c.most = 3 * time.Second
		c.come(t.Context(), 10, question(nil), routers...)
		c.ends(l, routers...)
		c.want(10, map[string]int{"miss": 10})
		if c.asked[0] != 0 || c.asked[1] != 3*time.Second || c.asked[9] != 3*time.Second {
			t.Errorf("asked at %v", c.asked)
		}
	})
}

// TestServiceGoes while a call is under way: the followers go on alone within about a second, and the leader isn't
// disturbed.
func TestServiceGoes(t *testing.T) {
	for name, gone := range map[string]func(l *leasing){
		"dead":    func(l *leasing) { l.dead = errDown },
		"stalled": func(l *leasing) { l.stalled = true },
	} {
		t.Run(name, func(t *testing.T) {
			fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
				c := newCrowd(t, slow(20*time.Second))
				c.come(t.Context(), 20, question(nil), routers...)
				time.Sleep(5 * time.Second)
				l.breaks(func() { gone(l) })
				c.come(t.Context(), 20, question(nil), routers...)
				c.wg.Wait()
				if n := len(c.asked); n != 40 || c.asked[39] > 5*time.Second+1200*time.Millisecond || len(c.took) != 40 {
					t.Errorf("%d asked, the last one at %v", n, c.asked[39])
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestServiceHiccups: one call that fails is no reason to give up.
func TestServiceHiccups(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(20*time.Second))
		c.come(t.Context(), 20, question(nil), routers...)
		time.Sleep(5 * time.Second)
		l.breaks(func() { l.stalled = true })
		time.Sleep(250 * time.Millisecond)
		l.breaks(func() { l.stalled = false })
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 19})
	})
}

// TestServiceRestarts without the leases that it had: the calls under way hold theirs again.
func TestServiceRestarts(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(20*time.Second))
		c.come(t.Context(), 1, question(nil), routers[0])
		time.Sleep(5 * time.Second)
		l.breaks(func() { clear(l.leases) })
		time.Sleep(time.Second)
		c.come(t.Context(), 20, question(nil), routers...)
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 20})
	})
}

// TestWithdrawnWhileTheyWait: the leader's own client gets its answer, the others a newer one (promise C3).
func TestWithdrawnWhileTheyWait(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		var version atomic.Int64
		c := newCrowd(t, func(ctx context.Context, _ int) []*routerv1.RelayResponse {
			text := fmt.Sprintf("data: version %d\n\n", version.Load())
			pause(ctx, 2*time.Second)
			return answer(func(m []*routerv1.RelayResponse) { m[0].Data = []byte(text) })
		})
		c.come(t.Context(), 50, question(nil), routers...)
		time.Sleep(time.Second)
		version.Add(1)
		l.set(func() { l.generation = "another of 16..." })
		c.ends(l, routers...)
		c.want(2, map[string]int{"miss": 2, "coalesced": 48})
		if c.texts["data: version 0\n\n"+frameDone] != 1 || c.texts["data: version 1\n\n"+frameDone] != 49 {
			t.Errorf("they read %v", c.texts)
		}
	})
}

// TestWhoIsNeverJoined: other tenants, other modes, those that want a new answer or no cache.
func TestWhoIsNeverJoined(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c := newCrowd(t, slow(5*time.Second))
		c.come(t.Context(), 1, question(nil), routers...)
		synctest.Wait()
		for _, change := range []func(a *Ask){
			func(a *Ask) { a.Tenant = "u" },
			func(a *Ask) { a.KeyID = "k" },
			func(a *Ask) { a.Stream = false },
			func(a *Ask) { a.Wish = steer.CacheOff },
			func(a *Ask) { a.Wish = steer.CacheRefresh },
			func(a *Ask) { a.Wish = steer.CacheRefresh },
			func(a *Ask) { a.Wish = "" },
		} {
			c.come(t.Context(), 1, question(change), routers...)
		}
		synctest.Wait()
		if len(c.asked) != 8 {
			t.Errorf("%d asked at once", len(c.asked))
		}
		c.ends(l, routers...)
	})
}

// TestRefreshIsFound by those that wait, even before their leader is done.
func TestRefreshIsFound(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		c, other := newCrowd(t, slow(time.Minute)), newCrowd(t, slow(time.Second))
		c.come(t.Context(), 10, question(nil), routers...)
		synctest.Wait()
		other.come(t.Context(), 1, question(func(a *Ask) { a.Wish = steer.CacheRefresh }), routers[0])
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 9})
		if d := c.took[8]; d > time.Second+renewEvery {
			t.Errorf("the last follower waits for %v", d)
		}
	})
}

// TestTurnFindsAnAnswer: what was kept by the time that it is a follower's turn is taken.
func TestTurnFindsAnAnswer(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		ask := question(nil)
		digest, _ := routers[0].Key(ask)
		sealed, err := routers[0].sealed(&value{
			head: answer(nil)[0].GetHead(), trailer: answer(nil)[1].GetTrailer(), data: []byte(frameOne), ends: []int{len(frameOne)},
		}, digest)
		if err != nil {
			t.Fatal(err)
		}
		c := newCrowd(t, slow(time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		c.come(ctx, 1, ask, routers[0])
		synctest.Wait()
		c.come(t.Context(), 20, ask, routers...)
		synctest.Wait()
		l.set(func() { l.values[string(digest[:])] = sealed })
		cancel()
		c.ends(l, routers...)
		c.want(1, map[string]int{"miss": 1, "coalesced": 20})
	})
}

// TestTurnOfNobody: where the only follower leaves just as it is its turn, the flight ends and the lease with it.
func TestTurnOfNobody(t *testing.T) {
	fly(t, func(t *testing.T, l *leasing, routers []*Answers) {
		a := routers[0]
		_, fill, _ := a.Lookup(t.Context(), question(nil))
		if !fill.flight.enter() {
			t.Fatal("the flight is over")
		}
		fill.giveUp(left)
		if fill.flight.ended {
			t.Fatal("the follower isn't given its turn")
		}
		fill.flight.leave()
		a.Close()
		if !fill.flight.ended || len(a.flights.all) > 0 || l.left() > 0 {
			t.Errorf("ended %v, %d flights, %d leases", fill.flight.ended, len(a.flights.all), l.left())
		}
	})
}

// TestJoinedCanaries: 20 000 calls (2 000 in short tests) over two routers, of tenants that ask the same; providers that
// fail, callers that leave: each answer is to its own question, and nothing is left behind (promises C1, C4).
func TestJoinedCanaries(t *testing.T) {
	t.Parallel()
	rounds := 20_000
	if testing.Short() {
		rounds /= 10
	}
	l := newLeasing()
	routers := []*Answers{newAnswers(t, l, nil), newAnswers(t, l, nil)}
	type verdict struct{ joined, foreign, asked atomic.Int64 }
	var v verdict
	const readers = 64
	c := newCrowd(t, nil)
	for i := range readers {
		c.wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(i)))
			for n := range rounds / readers {
				tenant := fmt.Sprint("tenant ", random.IntN(5))
				route := fmt.Sprint("question ", n/2)
				canary := "data: " + tenant + ", " + route + "\n\n"
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(10) < 3 {
					time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, cancel)
				}
				one := newCrowd(t, func(ctx context.Context, _ int) []*routerv1.RelayResponse {
					v.asked.Add(1)
					fails := random.IntN(20) == 0
					if !pause(ctx, time.Duration(random.IntN(1000))*time.Microsecond) || fails {
						return nil
					}
					return answer(func(m []*routerv1.RelayResponse) { m[0].Data = []byte(canary) })
				})
				one.ask(ctx, routers[random.IntN(2)], question(func(a *Ask) { a.Tenant, a.Query = tenant, route }))
				cancel()
				for text, n := range one.texts {
					if text != "" && text != canary+frameDone {
						v.foreign.Add(int64(n))
					}
				}
				v.joined.Add(int64(one.labels["coalesced"]))
			}
		})
	}
	c.ends(l, routers...)
	t.Logf("%d calls, the provider asked %d times, %d joined, %d foreign", rounds, v.asked.Load(), v.joined.Load(), v.foreign.Load())
	if v.foreign.Load() > 0 || v.joined.Load() == 0 {
		t.Error("an answer crossed, or nobody was joined")
	}
}
