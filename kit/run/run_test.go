package run_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-mesh/headgate/kit/run"
)

// record notes what happened in which order.
type record struct {
	mu   sync.Mutex
	list []string
}

func (r *record) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
}

func (r *record) obedient(name string) run.Component {
	return run.Component{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		r.add("stopped " + name)
		return ctx.Err()
	}}
}

func TestStopsInReverseAfterDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r record
		g := run.New(nil)
		for _, name := range []string{"store", "router", "gateway"} {
			g.Add(r.obedient(name))
		}
		g.OnDrain(func() { r.add("readiness off") })
		g.OnDrain(func() { r.add("told the balancer") })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
		want := []string{"readiness off", "told the balancer", "stopped gateway", "stopped router", "stopped store"}
		if !slices.Equal(r.list, want) {
			t.Errorf("got %q", r.list)
		}
	})
}

func TestOneFailureStopsAll(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	cases := map[string]struct {
		run  func(context.Context) error
		want error
	}{
		"an error":     {func(context.Context) error { return boom }, boom},
		"early return": {func(context.Context) error { return nil }, run.ErrEarly},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r record
			g := run.New(nil)
			g.Add(r.obedient("a"))
			g.Add(run.Component{Name: "b", Run: c.run})
			g.Add(r.obedient("c"))
			err := g.Run(t.Context())
			if !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "b: ") {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(r.list, []string{"stopped c", "stopped a"}) {
				t.Errorf("order %q", r.list)
			}
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	var r record
	var out bytes.Buffer
	g := run.New(slog.New(slog.NewTextHandler(&out, nil)))
	g.Add(r.obedient("a"))
	g.Add(run.Component{Name: "b", Run: func(context.Context) error { panic("canary") }})
	err := g.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "run_test.go") || strings.Contains(err.Error()+out.String(), "canary") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(r.list, []string{"stopped a"}) {
		t.Errorf("order %q", r.list)
	}
}

func TestSlowComponentHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r record
		release := make(chan struct{})
		g := run.New(nil)
		g.Add(r.obedient("a"))
		g.Add(run.Component{Name: "b", Timeout: time.Minute, Run: func(context.Context) error { <-release; return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := g.Run(ctx)
		if !errors.Is(err, run.ErrSlow) || time.Since(begin) != time.Minute || !slices.Equal(r.list, []string{"stopped a"}) {
			t.Errorf("after %v: %v, %q", time.Since(begin), err, r.list)
		}
		close(release)
	})
}
