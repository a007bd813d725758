package plan

import (
	"sync/atomic"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/policy"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// Setup is a configuration in force. It doesn't change.
type Setup struct {
	Catalog *catalog.Catalog
	Policy  *policy.Policy
	Scanner *sensitive.Scanner
}

// scans reports whether anybody looks at content.
func (s *Setup) scans() bool {
	needs := s.Policy.Needs()
	return s.Scanner != nil && (needs.Sensitivity || needs.Redact || s.Scanner.Always())
}

// Planner plans calls by the configuration in force. Safe for concurrent use.
type Planner struct{ setup atomic.Pointer[Setup] }

// New returns a Planner.
func New(s *Setup) *Planner {
	p := new(Planner)
	p.Use(s)
	return p
}

// Use brings another configuration in force: the next call is planned by it, those under way go on by theirs.
func (p *Planner) Use(s *Setup) { p.setup.Store(s) }

// Catalog is the one in force.
func (p *Planner) Catalog() *catalog.Catalog { return p.setup.Load().Catalog }
