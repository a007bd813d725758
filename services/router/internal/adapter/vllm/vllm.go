// Package vllm is the adapter for providers of kind vllm: vLLM's own server, one or more replicas of it.
package vllm

import (
	"context"

	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/load"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "vllm"

// Options are what only this kind has.
type Options struct {
	// MessagesAPI sends Anthropic requests to the server's own /v1/messages, which newer versions have, instead of
	// translating them.
	MessagesAPI bool
	// MaxWaiting is the queue at which a replica gets no more calls; 0 means any.
	MaxWaiting int64
	// Health says how replicas are asked whether they are well.
	Health health.Options
}

// New builds the provider, and what asks it how busy and how well it is: the caller runs that. It fails on an address that
// isn't a URL.
func New(cfg adapter.Config, o Options) (p *provider.Provider, run func(context.Context), err error) {
	cfg.Kind = Kind
	var also []*wire.Wire
	if o.MessagesAPI {
		also = append(also, wire.VLLMMessages())
	}
	a, err := adapter.New(cfg, wire.VLLM(), also...)
	if err != nil {
		return nil, nil, err
	}
	poller := load.New(a.Client(), load.VLLM, o.MaxWaiting)
	checker := health.New(a.Client(), o.Health)
	return a.Provider(poller.Load), adapter.Both(poller.Run, checker.Run), nil
}
