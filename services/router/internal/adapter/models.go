package adapter

import (
	"context"
	"strconv"
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
func (a *Adapter) Models(ctx context.Context) ([]*llmv1.Model, error) {
	l := &a.models
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.After(l.until) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), modelsTimeout)
		defer cancel()
		answer, err := a.ListModels(ctx, &providerv1.ListModelsRequest{})
		l.err, l.until = err, now.Add(modelsRetry)
		if err == nil {
			l.models, l.until = answer.GetModels(), now.Add(modelsFresh)
		}
	}
	if l.models != nil {
		return l.models, nil
	}
	return nil, l.err
}

func itoa(n int) string { return strconv.Itoa(n) }
