package quota_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/quota"
)

// L1 where routers hold a little for long: calls now and then at all of them, then as many as pass at some of them, again
// and again. No window admits more than the limit, and what the others hold is less than 1 %.
func TestWindowAfterRareCalls(t *testing.T) {
	t.Parallel()
	const perMinute, load = 6000, 8
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for busy := 1; busy <= 4; busy++ {
		t.Run(strconv.Itoa(busy)+" of 4 routers", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(time.Now)
				f.long = true
				keepers := skewed(t, f, time.Second)
				account := quota.Account{Tenant: "acme", TenantLimits: &ratelimitv1.Limits{RequestsPerMinute: perMinute}}
				var mu sync.Mutex
				var all []admission
				try := func(k *quota.Keeper) bool {
					began := time.Now()
					r, err := k.Reserve(t.Context(), account, "r", quota.Amount{})
					if err != nil {
						return false
					}
					known := time.Now()
					r.Settle(quota.Amount{}, false)
					mu.Lock()
					defer mu.Unlock()
					all = append(all, admission{asked: began, known: known})
					return true
				}
				for range rounds {
					before, _, _ := f.counts()
					for range 30 {
						for _, k := range keepers {
							if !try(k) {
								t.Error("a rare call was refused")
							}
						}
						time.Sleep(time.Duration(rand.IntN(3000)+600) * time.Millisecond)
					}
					if after, _, _ := f.counts(); after-before > 60 {
						t.Errorf("%d of 120 rare calls asked: nothing was held", after-before)
					}
					warm, began := len(all), time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
					var wg sync.WaitGroup
					for i := range load {
						wg.Go(func() {
							for ctx.Err() == nil {
								if !try(keepers[i%busy]) {
									time.Sleep(time.Duration(rand.IntN(1000)+500) * time.Microsecond)
								}
							}
						})
					}
					wg.Wait()
					cancel()
					checkWindow(t, all, warm, perMinute, time.Since(began))
					time.Sleep(time.Minute)
				}
			})
		})
	}
}
