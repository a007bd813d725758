package remote

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/headgate-mesh/headgate/services/router/internal/health"
)

// checker asks grpc.health.v1.Health at intervals whether the provider is well, whichever of its endpoints answers. A
// server without that service is well while it answers.
type checker struct {
	client healthv1.HealthClient
	o      health.Options
	// checked says that there was an answer, or none often enough; sick that it isn't well.
	checked, sick atomic.Bool
}

// Healthy returns what the checks said; known is false before the first of them.
func (c *checker) Healthy() (healthy, known bool) {
	known = c.checked.Load()
	return known && !c.sick.Load(), known
}

// Run asks until ctx ends.
func (c *checker) Run(ctx context.Context) {
	if c.o.Interval <= 0 {
		return
	}
	ticker := time.NewTicker(c.o.Interval)
	defer ticker.Stop()
	for failed := 0; ; {
		failed = c.ask(ctx, failed)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask asks once, and returns how many checks in a row have failed now.
func (c *checker) ask(ctx context.Context, failed int) int {
	well := c.one(ctx)
	switch {
	case ctx.Err() != nil:
		return failed
	case well:
		failed = 0
	default:
		failed++
	}
	if well || failed >= health.Failures {
		c.sick.Store(!well)
		c.checked.Store(true)
	}
	return failed
}

func (c *checker) one(ctx context.Context) (well bool) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	answer, err := c.client.Check(ctx, &healthv1.HealthCheckRequest{})
	if s := status.Code(err); s == codes.Unimplemented || s == codes.NotFound || s == codes.Unauthenticated {
		return true
	}
	return err == nil && answer.GetStatus() == healthv1.HealthCheckResponse_SERVING
}
