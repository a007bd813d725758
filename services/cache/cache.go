// Package cache is the room for the service that keeps answers that may be given again, per tenant. Nothing stands in it yet: the
// router serves without it, and its contract is defined in proto/headgate/cache/v1 when it is built.
package cache
