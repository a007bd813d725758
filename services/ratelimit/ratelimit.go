// Package ratelimit is the room for the service that limits requests, tokens and money per key, across routers. Nothing stands in it yet: the
// router serves without it, and its contract is defined in proto/headgate/ratelimit/v1 when it is built.
package ratelimit
