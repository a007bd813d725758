// Package anthropic is the adapter for providers of kind anthropic.
package anthropic

import (
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "anthropic"

// New builds the provider. It fails on an address that isn't a URL.
func New(cfg adapter.Config) (*provider.Provider, error) {
	cfg.Kind = Kind
	a, err := adapter.New(cfg, wire.Anthropic())
	if err != nil {
		return nil, err
	}
	a.MessageBatches()
	return a.Provider(nil), nil
}
