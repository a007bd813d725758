package anthropic

import (
	"math"

	"github.com/headgate-mesh/headgate/dialect/object"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// checkSampling refuses what would give another answer than the one asked for, and leaves out what changes little.
func (q *asking) checkSampling() {
	s := q.prompt.GetSampling()
	if s == nil {
		return
	}
	const path = "prompt.sampling."
	for name, x := range map[string]*float64{"temperature": s.Temperature, "top_p": s.TopP} {
		if x != nil && (math.IsNaN(*x) || math.IsInf(*x, 0)) {
			q.invalid(path+name, "must be a number")
		}
	}
	if t := s.GetTemperature(); (t < 0 || t > 1) && !q.own() {
		q.refuse(path+"temperature", "must be from 0 to 1 for Anthropic")
	}
	for _, lacking := range []struct {
		name string
		set  bool
	}{
		{"choices", s.GetChoices() > 1},
		{"log_probs", s.GetLogProbs()},
		{"logit_bias", len(s.GetLogitBias()) > 0},
		{"frequency_penalty", s.GetFrequencyPenalty() != 0},
		{"presence_penalty", s.GetPresencePenalty() != 0},
		{"repetition_penalty", s.RepetitionPenalty != nil && s.GetRepetitionPenalty() != 1},
		{"min_p", s.GetMinP() != 0},
	} {
		if lacking.set {
			q.refuse(path+lacking.name, "is nothing that Anthropic has; leave it out")
		}
	}
	if s.Seed != nil {
		q.dropped(path+"seed", "Anthropic has none; answers differ from call to call")
	}
}

// writeSampling writes how to pick words. A thinking model only takes the defaults, which aren't worth a word.
func (q *asking) writeSampling(w *object.Writer, s *llmv1.Sampling) {
	if s == nil {
		return
	}
	thinks := q.thought.kind != ""
	if s.Temperature == nil || !thinks || s.GetTemperature() == 1 {
		w.Float("temperature", s.Temperature)
	} else {
		q.dropped("prompt.sampling.temperature", unthinking)
	}
	switch {
	case s.TopP == nil, s.GetTopP() == 1 && !q.own():
	case thinks:
		q.dropped("prompt.sampling.top_p", unthinking)
	default:
		w.Float("top_p", s.TopP)
	}
	if s.TopK == nil || !thinks {
		w.Int("top_k", s.TopK)
	} else {
		q.dropped("prompt.sampling.top_k", unthinking)
	}
	w.Texts("stop_sequences", s.GetStopSequences())
}

const unthinking = "Anthropic takes it only without thinking"
