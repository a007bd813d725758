// Package openai is the adapter for providers of kind openai.
package openai

import (
	"github.com/headgate-mesh/headgate/services/router/internal/adapter"
	"github.com/headgate-mesh/headgate/services/router/internal/wire"
)

// Kind is the configuration's word for it.
const Kind = "openai"

// New builds the adapter. It fails on an address that isn't a URL.
func New(cfg adapter.Config) (*adapter.Adapter, error) {
	cfg.Kind = Kind
	return adapter.New(cfg, wire.OpenAI())
}
