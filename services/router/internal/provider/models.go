package provider

import (
	"context"
	"sync"
	"time"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
)

const (
	// modelsFresh is how long a provider's model list is used before it is asked again.
	modelsFresh = 5 * time.Minute
	// modelsRetry is how long a failure to list is remembered: a list request shouldn't hammer a provider that is down.
	modelsRetry = 10 * time.Second
	// modelsTimeout bounds asking.
	modelsTimeout = 5 * time.Second
)

// modelList is a provider's model list, kept for a while.
type modelList struct {
	mu     sync.Mutex
	models []*llmv1.Model
	until  time.Time
	err    error
}

// Models returns the provider's models, at most five minutes old; callers don't change them. While the provider can't
// be asked the last list it gave stays in use; without one the error is returned.
func (p *Provider) Models(ctx context.Context) ([]*llmv1.Model, error) {
	l := &p.models
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.After(l.until) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), modelsTimeout)
		defer cancel()
		answer, err := p.ListModels(ctx, &providerv1.ListModelsRequest{})
		l.err, l.until = err, now.Add(modelsRetry)
		if err == nil {
			l.models, l.until = p.ours(answer.GetModels()), now.Add(modelsFresh)
		}
	}
	if l.models != nil {
		return l.models, nil
	}
	return nil, l.err
}

// ours puts the provider's name on its models: every one can be asked for in every dialect. Names that say nothing of
// their vendor are asked for as provider/model.
func (p *Provider) ours(models []*llmv1.Model) []*llmv1.Model {
	for _, m := range models {
		m.Provider, m.Dialects = p.Name, Dialects
		if !p.Vendor {
			m.Id = p.Name + "/" + m.GetId()
		}
	}
	return models
}

// Dialects are those of the HTTP edges: what a provider doesn't speak itself is translated.
var Dialects = []llmv1.Dialect{llmv1.Dialect_DIALECT_OPENAI, llmv1.Dialect_DIALECT_ANTHROPIC}
