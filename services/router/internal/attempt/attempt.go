// Package attempt tries the targets of a call in order until one answers.
package attempt

import (
	"context"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/catalog"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Try makes one attempt at a target. It returns false when another target may be tried instead: nothing of the answer
// has reached the client, and the failure is the provider's doing.
type Try func(ctx context.Context, t catalog.Target, number int) (settled bool, err error)

// InOrder tries the targets in order and returns the last error. The caller's leaving ends it. At least one target.
func InOrder(ctx context.Context, targets []catalog.Target, try Try) error {
	var err error
	for i, t := range targets {
		var settled bool
		settled, err = once(ctx, t, i+1, try)
		if settled || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// once counts an attempt at its provider.
func once(ctx context.Context, t catalog.Target, number int, try Try) (settled bool, err error) {
	end := t.Provider.Stats().Begin()
	defer func() { end(err) }()
	settled, err = try(ctx, t, number)
	return settled || !adapter.AtFault(err), err
}

// Deadline bounds a whole call: the caller's wish where it is shorter than the configuration's. The context ends with a
// TIMEOUT cause.
func Deadline(ctx context.Context, targets []catalog.Target, wish time.Duration) (context.Context, context.CancelFunc) {
	total := targets[0].Total
	if wish > 0 && wish < total {
		return context.WithTimeoutCause(ctx, wish, fault.New(errorsv1.Reason_REASON_TIMEOUT,
			"the call's own deadline of %s passed; try again with a larger x-headgate-timeout-ms", wish).
			With("timer", upstream.TimerTotal).With("limit", wish.String()))
	}
	return context.WithTimeoutCause(ctx, total, upstream.TimeoutError(upstream.TimerTotal, total))
}
