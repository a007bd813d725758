package recorded

import (
	"fmt"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// Story collects a typed stream and checks that its events come in the order that headgate.llm.v1 promises: start; for
// each part its start, deltas and end; usage; one finish. The zero Story is ready.
type Story struct {
	// Text is what text and refusal parts said, in order.
	Text string
	// Usage is the last count; nil where there was none.
	Usage *llmv1.TokenUsage
	// ID is the answer's, as its start gives it.
	ID string
	// Finished says that the finish came, Why what it gave as the reason.
	Finished bool
	Why      llmv1.FinishReason

	started, open bool
	parts         int32
}

// Add takes the next events; the error says which one is out of order.
func (s *Story) Add(events []*llmv1.StreamEvent) error {
	for _, e := range events {
		if s.Finished || s.started == (e.GetStart() != nil) || !s.fits(e) {
			return fmt.Errorf("out of order: %v", e)
		}
	}
	return nil
}

func (s *Story) fits(e *llmv1.StreamEvent) bool {
	switch kind := e.GetEvent().(type) {
	case *llmv1.StreamEvent_Start:
		s.started = true
		s.ID = kind.Start.GetId()
	case *llmv1.StreamEvent_PartStart:
		fits := !s.open && kind.PartStart.GetIndex() == s.parts
		s.open = true
		return fits
	case *llmv1.StreamEvent_PartDelta:
		s.Text += kind.PartDelta.GetText()
		return s.open && kind.PartDelta.GetIndex() == s.parts && kind.PartDelta.GetText() != ""
	case *llmv1.StreamEvent_PartEnd:
		fits := s.open && kind.PartEnd.GetIndex() == s.parts
		s.open = false
		s.parts++
		return fits
	case *llmv1.StreamEvent_Usage:
		s.Usage = kind.Usage
		return !s.open
	case *llmv1.StreamEvent_Finish:
		s.Finished = true
		s.Why = kind.Finish.GetReason()
		return !s.open
	}
	return true
}
