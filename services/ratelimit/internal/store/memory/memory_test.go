package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/memory"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still but for Advance.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) Advance(d time.Duration) { c.now = c.now.Add(d) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) (store.Store, storetest.Clock) {
		c := &clock{now: time.Unix(1_700_000_000, 0)}
		return memory.New(c.Now), c
	}, 100_000)
}
