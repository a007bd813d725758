// Package plan decides which targets a call goes to: those of its model that may see it.
package plan

import (
	"context"

	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// Plan is where a call may go, in order, and what its caller wishes.
type Plan struct {
	Targets []catalog.Target
	Wishes  steer.Wishes
}

// Make plans an incoming call for a model. The errors are INVALID_FIELD for a steering header, MODEL_NOT_FOUND and
// SENSITIVITY.
func Make(ctx context.Context, c *catalog.Catalog, model string) (Plan, error) {
	wishes, err := steer.Read(ctx)
	if err != nil {
		return Plan{}, err
	}
	if wishes.Route != "" {
		model = wishes.Route
	}
	targets, err := c.Resolve(model)
	if err != nil {
		return Plan{}, err
	}
	targets, err = catalog.Trusted(targets, wishes.Sensitivity)
	return Plan{Targets: targets, Wishes: wishes}, err
}
