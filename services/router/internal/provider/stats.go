package provider

import "sync/atomic"

// Stats counts attempts at one provider. Safe for concurrent use.
type Stats struct {
	inFlight, attempts, failures atomic.Int64
}

// Begin notes that an attempt starts; the caller calls End once it is over.
func (s *Stats) Begin() {
	s.inFlight.Add(1)
	s.attempts.Add(1)
}

// End notes that an attempt is over, with its error.
func (s *Stats) End(err error) {
	s.inFlight.Add(-1)
	if AtFault(err) {
		s.failures.Add(1)
	}
}

// Read returns the attempts under way, all attempts, and those that failed by the provider's fault.
func (s *Stats) Read() (inFlight, attempts, failures int64) {
	return s.inFlight.Load(), s.attempts.Load(), s.failures.Load()
}
