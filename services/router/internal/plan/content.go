package plan

import (
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/complexity"
	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// Body is a client's own bytes; redaction replaces them.
type Body struct {
	JSON []byte
	// Reread reads what is known of the bytes anew, once they have changed.
	Reread func(body []byte) error
}

// Scan implements Content.
func (b *Body) Scan(s *sensitive.Scanner) (sensitive.Report, error) { return s.Body(b.JSON) }

// Redact implements Content.
func (b *Body) Redact(r sensitive.Report, detectors []string) (sensitive.Report, error) {
	var left sensitive.Report
	b.JSON, left = r.RedactBody(b.JSON, detectors)
	return left, b.Reread(b.JSON)
}

// Complexity implements Content.
func (b *Body) Complexity() float64 { return complexity.Body(b.JSON) }

// Shape implements Content.
func (b *Body) Shape() complexity.Shape { return complexity.ShapeOf(b.JSON) }

// Prompt is a typed prompt; redaction replaces it by a changed copy.
type Prompt struct{ *llmv1.Prompt }

// Scan implements Content.
func (p *Prompt) Scan(s *sensitive.Scanner) (sensitive.Report, error) { return s.Prompt(p.Prompt), nil }

// Redact implements Content.
func (p *Prompt) Redact(r sensitive.Report, detectors []string) (sensitive.Report, error) {
	var left sensitive.Report
	p.Prompt, left = r.RedactPrompt(p.Prompt, detectors)
	return left, nil
}

// Complexity implements Content.
func (p *Prompt) Complexity() float64 { return complexity.Prompt(p.Prompt) }

// Shape implements Content.
func (p *Prompt) Shape() complexity.Shape { return complexity.ShapeOfPrompt(p.Prompt) }

// Texts are what an embedding is asked of; redaction replaces them by a changed copy.
type Texts struct{ *llmv1.EmbeddingInput }

// Scan implements Content.
func (t *Texts) Scan(s *sensitive.Scanner) (sensitive.Report, error) {
	return s.Input(t.EmbeddingInput), nil
}

// Redact implements Content.
func (t *Texts) Redact(r sensitive.Report, detectors []string) (sensitive.Report, error) {
	var left sensitive.Report
	t.EmbeddingInput, left = r.RedactInput(t.EmbeddingInput, detectors)
	return left, nil
}

// Complexity implements Content: there is nothing to think about.
func (*Texts) Complexity() float64 { return 0 }

// Shape implements Content.
func (*Texts) Shape() complexity.Shape { return complexity.Shape{} }
