package sim

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// Sim is the simulator, an http.Handler. Make it with New; it is safe for concurrent use, holds no goroutine and needs
// no closing.
type Sim struct {
	cfg      Config
	keys     map[string]bool
	plan     atomic.Pointer[plan] // what the configuration's script says
	engines  [len(vendors)]*engine
	counter  atomic.Uint64
	attempts attempts
	replays  replays
	recent   recent
	stats    counters
	desk     *desk
	scoped   scopes
	control  http.Handler
}

// New builds a simulator, or returns an error that names the configuration field which can't be used.
func New(cfg Config) (*Sim, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Sim{cfg: cfg, keys: make(map[string]bool, len(cfg.Keys))}
	for _, k := range cfg.Keys {
		s.keys[k] = true
	}
	s.recent.keep = max(cfg.Recent, 0)
	s.engines[vLLM], s.engines[tgi] = newEngine(cfg.VLLM), newEngine(cfg.TGI)
	if err := s.SetFaults(cfg.Faults); err != nil {
		return nil, err
	}
	d, err := newDesk(s)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s.desk, s.control = d, s.controls()
	return s, nil
}

// SetFaults replaces the configuration's script, for all requests that come from now on.
func (s *Sim) SetFaults(script Script) error {
	p, err := parseScript(newPlan(), string(script))
	if err == nil {
		s.plan.Store(&p)
	}
	return err
}

// ServeHTTP answers one request as the vendor would, or goes wrong as the script says.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPath) {
		s.control.ServeHTTP(w, r)
		return
	}
	x := s.exchange(w, r)
	s.stats.enter()
	x.end(x.serve())
	if x.leave != nil {
		x.leave()
	}
	s.stats.leave(x.streaming)
}
