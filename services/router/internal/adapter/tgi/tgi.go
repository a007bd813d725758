// Package tgi is the adapter for providers of kind tgi: Hugging Face's Text Generation Inference, one or more replicas of
// it. Its clients are never shown what TGI itself says: everything is translated.
package tgi

import (
	"context"

	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/load"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "tgi"

// Options are what only this kind has.
type Options struct {
	// Generate asks over /generate, for models without a chat template, instead of the Messages API.
	Generate bool
	// MaxWaiting is the queue at which a replica gets no more calls; 0 means any.
	MaxWaiting int64
	// Health says how replicas are asked whether they are well.
	Health health.Options
}

// New builds the provider, and what asks it how busy and how well it is: the caller runs that. It fails on an address that
// isn't a URL.
func New(cfg adapter.Config, o Options) (p *provider.Provider, run func(context.Context), err error) {
	cfg.Kind = Kind
	w := wire.TGI()
	if o.Generate {
		w = wire.TGIGenerate()
	}
	a, err := adapter.New(cfg, w)
	if err != nil {
		return nil, nil, err
	}
	poller := load.New(a.Client(), load.TGI, o.MaxWaiting)
	checker := health.New(a.Client(), o.Health)
	return a.Provider(poller.Load), adapter.Both(poller.Run, checker.Run), nil
}
