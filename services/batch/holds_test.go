package batch_test

import (
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// TestKilledWhileGivingBack kills the service while it gives back what was reserved for the lines of a batch that was
// cancelled before any provider took them: first while the router takes nothing, then twice in the middle. In the end all
// of it was given back.
func TestKilledWhileGivingBack(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills four processes")
	}
	const n = 600
	r := providing(nil)
	r.jobs.budget = true
	r.jobs.submit = func(*routerv1.JobDescription) error {
		return fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "no").With(fault.MetadataHTTPStatus, "429").With("submitted", "no")
	}
	var away atomic.Bool
	var calls atomic.Int64
	away.Store(true)
	r.jobs.finish = func() error {
		if calls.Add(1); away.Load() {
			return fault.New(errorsv1.Reason_REASON_SERVICE_UNAVAILABLE, "no")
		}
		<-time.After(time.Millisecond) // so that a kill finds it in the middle
		return nil
	}
	router, dir := listen(t, r), t.TempDir()
	id := prepare(t, dir, router, n)
	var tried atomic.Bool
	refuse := r.jobs.submit
	r.jobs.submit = func(d *routerv1.JobDescription) error { tried.Store(true); return refuse(d) }
	kill(t, dir, router, tried.Load)
	cancelWithoutRunning(t, dir, router, id)
	released := func() int {
		r.jobs.mu.Lock()
		defer r.jobs.mu.Unlock()
		return len(r.jobs.released)
	}
	kill(t, dir, router, func() bool { return calls.Load() > 0 })
	if got := released(); got != 0 {
		t.Errorf("%d given back by a router that is away", got)
	}
	away.Store(false)
	for _, enough := range []int{50, 300} {
		kill(t, dir, router, func() bool { return released() > enough })
	}
	between := released()
	c, ctx := reopened(t, dir, router), client(t, "acme")
	b := until(ctx, t, c, id, func(b *batchv1.Batch) bool { return ended(b) && released() == n })
	if b.GetCounts().GetCancelled() != n || r.total() > 0 {
		t.Errorf("%v, %d asked live", b, r.total())
	}
	again := 0
	for _, times := range r.jobs.released {
		again += times - 1
	}
	t.Logf("%d reservations, %d given back by the processes that were killed, %d twice", n, between, again)
}

// cancelWithoutRunning cancels a batch with a service that carries nothing out.
func cancelWithoutRunning(t *testing.T, dir, router, id string) {
	t.Helper()
	s, conn, err := open(dir, router)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Close(), s.Close() }()
	c := batchv1.NewBatchServiceClient(serve(t, func(g *grpc.Server) { s.Register(g) }, interceptors(s)...))
	if _, err := c.CancelBatch(client(t, "acme"), &batchv1.CancelBatchRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
}
