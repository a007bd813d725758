package chat

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	maxMessages = 100_000 // Anthropic's own bound, the largest known
	maxInputs   = 2048    // OpenAI's
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of RouterService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *routerv1.ChatRequest:
		return question(r.GetModel(), r.GetPrompt())
	case *routerv1.StreamChatRequest:
		return question(r.GetModel(), r.GetPrompt())
	case *routerv1.CountTokensRequest:
		return question(r.GetModel(), r.GetPrompt())
	case *routerv1.EmbedRequest:
		return cmp.Or(named(r.GetModel()), input(r.GetInput()))
	case *routerv1.ExplainRouteRequest:
		return unsent(r)
	}
	return nil
}

// unsent checks a request that is to be explained: the body names its own model.
func unsent(r *routerv1.ExplainRouteRequest) error {
	switch {
	case r.GetBody() != nil && r.GetPrompt() != nil:
		return invalid("body", "can't be set beside prompt; send one of them")
	case r.GetBody() != nil:
		return nil
	case r.GetPrompt() != nil:
		return question(r.GetModel(), r.GetPrompt())
	}
	return named(r.GetModel())
}

func question(model string, p *llmv1.Prompt) error {
	if len(p.GetMessages()) > maxMessages {
		return invalid("prompt.messages", "must be at most %d messages", maxMessages)
	}
	return cmp.Or(named(model), dialect.CheckPrompt(p), sampling(p.GetSampling()))
}

func named(model string) error {
	switch {
	case model == "":
		return missing("model", "name a model; ListModels lists them")
	case len(model) > dialect.MaxModel:
		return invalid("model", "must be at most %d bytes", dialect.MaxModel)
	}
	return nil
}

func input(in *llmv1.EmbeddingInput) error {
	texts, lists := len(in.GetTexts()), len(in.GetTokenLists())
	switch {
	case texts+lists == 0:
		return missing("input.texts", "send at least one text")
	case texts > 0 && lists > 0:
		return invalid("input.token_lists", "can't be set beside input.texts; send one of them")
	case texts+lists > maxInputs:
		return invalid("input", "must be at most %d texts", maxInputs)
	case in.Dimensions != nil && in.GetDimensions() < 1:
		return invalid("input.dimensions", "must be at least 1")
	case slices.Contains(in.GetTexts(), ""):
		return invalid("input.texts", "must not hold an empty text")
	}
	return nil
}

func sampling(s *llmv1.Sampling) error {
	const path = "prompt.sampling."
	switch {
	case s == nil:
		return nil
	case s.MaxOutputTokens != nil && s.GetMaxOutputTokens() < 1:
		return invalid(path+"max_output_tokens", "must be at least 1")
	case s.Temperature != nil && !within(s.GetTemperature(), 0, 2):
		return invalid(path+"temperature", "must be from 0 to 2")
	case s.TopP != nil && !within(s.GetTopP(), 0, 1):
		return invalid(path+"top_p", "must be from 0 to 1")
	case s.TopK != nil && s.GetTopK() < 1:
		return invalid(path+"top_k", "must be at least 1")
	case s.FrequencyPenalty != nil && !within(s.GetFrequencyPenalty(), -2, 2):
		return invalid(path+"frequency_penalty", "must be from -2 to 2")
	case s.Choices != nil && (s.GetChoices() < 1 || s.GetChoices() > 128):
		return invalid(path+"choices", "must be from 1 to 128")
	case s.TopLogProbs != nil && (s.GetTopLogProbs() < 0 || s.GetTopLogProbs() > 20):
		return invalid(path+"top_log_probs", "must be from 0 to 20")
	case s.PresencePenalty != nil && !within(s.GetPresencePenalty(), -2, 2):
		return invalid(path+"presence_penalty", "must be from -2 to 2")
	}
	return nil
}

// within is false for NaN.
func within(x, low, high float64) bool { return x >= low && x <= high }

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
