package rpc

import (
	"context"

	"github.com/headgate-mesh/headgate/kit/fault"
)

// mapErrors is the one place where an error becomes a gRPC status. What it returns holds no cause, in process too.
func mapErrors() interceptor {
	return func(ctx context.Context, c *call) error {
		return fault.Status(c.next(ctx)).Err()
	}
}
