package sim

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Engine is what a self-hosted server can do at once.
type Engine struct {
	// Slots is how many requests are answered at once; the others wait (vLLM's max_num_seqs). Default: 256 for vllm, 128
	// for tgi.
	Slots int `yaml:"slots"`
	// Limit is how many requests may be there, those that wait included; TGI refuses more as overloaded
	// (max_concurrent_requests). 0 is no limit for vllm, which has none, and 128 for tgi.
	Limit int `yaml:"limit"`
	// Context is how many tokens a prompt and its answer may have together. Default: 40960 for vllm, 32768 for tgi.
	Context int `yaml:"context"`
}

func (e Engine) withDefaults(d Engine) Engine {
	if e.Slots == 0 {
		e.Slots = d.Slots
	}
	if e.Limit == 0 {
		e.Limit = d.Limit
	}
	if e.Context == 0 {
		e.Context = d.Context
	}
	return e
}

// engine is a server's scheduler and its books. Safe for concurrent use.
type engine struct {
	Engine
	slots chan struct{}

	mu   sync.Mutex
	open int // requests that are there, those that wait included
	busy int // requests that are being answered
	done map[string]int
	work work
	took histogram
}

// work is what an engine has done so far.
type work struct{ prompt, generated, cached int }

func newEngine(e Engine) *engine {
	return &engine{Engine: e, slots: make(chan struct{}, e.Slots), done: make(map[string]int)}
}

// enter books a request in; false says that there are too many.
func (e *engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Limit > 0 && e.open >= e.Limit {
		return false
	}
	e.open++
	return true
}

// slot waits for a place in the batch; false says that the client left first.
func (e *engine) slot(ctx context.Context) bool {
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy++
	return true
}

// leave books a request out.
func (e *engine) leave(ran bool, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open--
	if ran {
		e.busy--
		e.took.add(took.Seconds())
		<-e.slots
	}
}

// finished counts an answer and how it ended.
func (e *engine) finished(reason string, u usage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done[reason]++
	e.work.prompt += u.input
	e.work.generated += u.output
	e.work.cached += u.read
}

// admit lets the request into the engine, after those before it. Without a way to leave, it was refused or the client
// left.
func (x *exchange) admit() (leave func(), err error) {
	e := x.s.engines[x.host]
	if x.plan.overloaded && x.host == tgi || !e.enter() {
		return nil, x.overloaded()
	}
	if !e.slot(x.r.Context()) {
		e.leave(false, 0)
		return nil, errGone
	}
	return func() { e.leave(true, x.s.cfg.Now().Sub(x.at)) }, nil
}

// book tells the engine what an answer cost; reason is how its server calls the end.
func (x *exchange) book(reason string, u usage) {
	x.spent = u
	if x.host.selfHosted() {
		x.s.engines[x.host].finished(reason, u)
	}
}

// health is 200 without a body.
func (x *exchange) health() error { return x.out.start(http.StatusOK) }
