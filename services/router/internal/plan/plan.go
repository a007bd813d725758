// Package plan decides which targets a call goes to: those of its model that may see it.
package plan

import (
	"context"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Plan is where a call may go, in order, and what its caller wishes.
type Plan struct {
	// Model is the name that was resolved: the request's, or the route that replaced it.
	Model   string
	Targets []catalog.Target
	Wishes  steer.Wishes
	// Cache says that the model's answers are kept unless the caller wishes otherwise.
	Cache bool
}

// Make plans an incoming call for a model. The errors are INVALID_FIELD for a steering header, MODEL_NOT_ALLOWED,
// MODEL_NOT_FOUND and SENSITIVITY.
func Make(ctx context.Context, c *catalog.Catalog, model string) (Plan, error) {
	wishes, err := steer.Read(ctx)
	if err != nil {
		return Plan{}, err
	}
	if wishes.Route != "" {
		model = wishes.Route
	}
	if p, ok := auth.FromContext(ctx); ok && !p.MayAsk(model) {
		return Plan{}, fault.New(errorsv1.Reason_REASON_MODEL_NOT_ALLOWED,
			"this key may not ask for this model; GET /v1/models lists those it may").With("field", "model")
	}
	targets, err := c.Resolve(model)
	if err != nil {
		return Plan{}, err
	}
	targets, err = catalog.Trusted(targets, wishes.Sensitivity)
	return Plan{Model: model, Targets: targets, Wishes: wishes, Cache: c.Cached(model)}, err
}
