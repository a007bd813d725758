// Package usage is the room for the service that keeps the durable record of what every attempt consumed and cost. Nothing stands in it yet: the
// router serves without it, and its contract is defined in proto/headgate/usage/v1 when it is built.
package usage
