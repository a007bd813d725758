// Package run starts the components of a process together and stops them in the opposite order, so that whoever calls
// stops before whoever is called.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Component is one thing that runs until its context ends. Run returns nil after an ordinary stop; an error, or a
// return before it was asked to stop, ends the whole group.
type Component struct {
	Name string
	Run  func(ctx context.Context) error
	// Timeout bounds how long the component may take to stop before the next one is told to. Default 30 s.
	Timeout time.Duration
}

// DefaultTimeout is how long a component may take to stop.
const DefaultTimeout = 30 * time.Second

// Group is an ordered list of components. Fill it, then call Run once.
type Group struct {
	logger     *slog.Logger
	components []Component
	drain      []func()
}

// New returns an empty group that logs what starts and stops; a nil logger discards.
func New(logger *slog.Logger) *Group {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Group{logger: logger}
}

// Add appends a component. What is added later may depend on what was added before, and is stopped first.
func (g *Group) Add(c Component) {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	g.components = append(g.components, c)
}

// OnDrain registers what happens before anything is stopped, such as turning readiness off. Functions run in the order
// of registration.
func (g *Group) OnDrain(f func()) { g.drain = append(g.drain, f) }

// Run starts every component and waits until ctx ends or one of them is over. Then it runs the drain functions and
// stops the components in reverse order, each before the next. It returns the errors of all components joined, nil
// after an ordinary stop.
func (g *Group) Run(ctx context.Context) error {
	over := make(chan struct{})
	var once sync.Once
	tasks := make([]*task, len(g.components))
	for i, c := range g.components {
		g.logger.Info("starting", "component", c.Name)
		tasks[i] = start(ctx, c, func() { once.Do(func() { close(over) }) })
	}
	select {
	case <-ctx.Done():
	case <-over:
	}
	for _, f := range g.drain {
		f()
	}
	return g.stop(tasks)
}

// stop ends the tasks from the last to the first.
func (g *Group) stop(tasks []*task) error {
	var errs []error
	for i := len(tasks) - 1; i >= 0; i-- {
		g.logger.Info("stopping", "component", tasks[i].Name)
		if err := tasks[i].stop(); err != nil {
			g.logger.Error("component failed", "component", tasks[i].Name, "error", err)
			errs = append(errs, fmt.Errorf("%s: %w", tasks[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// task is a running component.
type task struct {
	Component
	cancel context.CancelFunc
	done   chan struct{}
	err    error // readable once done is closed
}

// ErrEarly is the error of a component that returned without being asked to stop.
var ErrEarly = errors.New("returned before it was told to stop")

// ErrSlow is the error of a component that didn't stop in time.
var ErrSlow = errors.New("didn't stop in time")

// start runs a component under a context of its own, which the group's end doesn't cancel by itself: order does.
func start(ctx context.Context, c Component, ended func()) *task {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &task{Component: c, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer ended()
		defer close(t.done)
		t.err = guarded(own, c.Run)
		if t.err == nil && own.Err() == nil {
			t.err = ErrEarly
		}
		if own.Err() != nil && errors.Is(t.err, context.Canceled) {
			t.err = nil
		}
	}()
	return t
}

// guarded turns a panic into an error, so that the other components still stop in order.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic of type %T\n%s", v, debug.Stack())
		}
	}()
	return f(ctx)
}

func (t *task) stop() error {
	t.cancel()
	timer := time.NewTimer(t.Timeout)
	defer timer.Stop()
	select {
	case <-t.done:
		return t.err
	case <-timer.C:
		return fmt.Errorf("%w (%s)", ErrSlow, t.Timeout)
	}
}
