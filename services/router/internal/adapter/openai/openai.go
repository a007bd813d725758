// Package openai is the adapter for providers of kind openai.
package openai

import (
	dialect "github.com/headgate-mesh/headgate/dialect/openai"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "openai"

// New builds the provider. It fails on an address that isn't a URL.
func New(cfg adapter.Config) (*provider.Provider, error) {
	cfg.Kind = Kind
	a, err := adapter.New(cfg, wire.OpenAI(dialect.Flavour{}))
	if err != nil {
		return nil, err
	}
	a.FileBatches()
	return a.Provider(nil), nil
}
