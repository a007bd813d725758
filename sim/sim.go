package sim

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// Sim is the simulator, an http.Handler. Make it with New; it is safe for concurrent use, holds no goroutine and needs
// no closing.
type Sim struct {
	cfg      Config
	keys     map[string]bool
	plan     plan // what the configuration's script says
	counter  atomic.Uint64
	attempts attempts
	replays  replays
	recent   recent
	stats    counters
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
	var err error
	s.plan, err = parseScript(newPlan(), string(cfg.Faults))
	return s, err
}

// ServeHTTP answers one request as the vendor would, or goes wrong as the script says.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.exchange(w, r)
	s.stats.enter()
	x.end(x.serve())
	s.stats.leave(x.streaming)
}
