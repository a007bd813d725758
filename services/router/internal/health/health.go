// Package health asks self-hosted servers whether they are well, so that a sick one gets no calls before the first has
// failed there, and a mended one gets them at once.
package health

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Failures are how many checks in a row have to fail for a server to be sick; one that succeeds makes it well.
const Failures = 2

// Options say how servers are asked.
type Options struct {
	// Interval is the time between two checks; 0 makes none.
	Interval time.Duration
	// Timeout bounds one.
	Timeout time.Duration
	// Path is what is asked for with GET. Any answer below 500 is a good one: who says that there is no such page is up.
	Path string
}

// Checker asks every replica of one provider at intervals. Its methods belong to one goroutine.
type Checker struct {
	client *upstream.Client
	o      Options
	// failed counts each replica's failures in a row.
	failed []int
}

// New builds a checker.
func New(c *upstream.Client, o Options) *Checker {
	return &Checker{client: c, o: o, failed: make([]int, len(c.Replicas()))}
}

// Run asks until ctx ends.
func (c *Checker) Run(ctx context.Context) {
	if c.o.Interval <= 0 {
		return
	}
	ticker := time.NewTicker(c.o.Interval)
	defer ticker.Stop()
	for {
		c.Ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Ask asks every replica once, all at the same time.
func (c *Checker) Ask(ctx context.Context) {
	var wg sync.WaitGroup
	for i, r := range c.client.Replicas() {
		wg.Go(func() {
			well := c.one(ctx, r)
			if ctx.Err() == nil {
				c.note(i, r, well)
			}
		})
	}
	wg.Wait()
}

func (c *Checker) note(i int, r *upstream.Replica, well bool) {
	if well {
		c.failed[i] = 0
		r.SetHealthy(true)
		return
	}
	if c.failed[i]++; c.failed[i] >= Failures {
		r.SetHealthy(false)
	}
}

func (c *Checker) one(ctx context.Context, r *upstream.Replica) (well bool) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	resp, err := c.client.Probe(ctx, r, c.o.Path)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode < http.StatusInternalServerError
}
