package main

import (
	"log/slog"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router"
)

// providersFromEnvironment stands in for a configuration without providers: the keys that the vendors' own SDKs read.
func (c *Config) providersFromEnvironment(lookup func(string) (string, bool), log *slog.Logger) {
	if c.Providers.Len() > 0 {
		return
	}
	if key, ok := lookup("ANTHROPIC_API_KEY"); ok && key != "" {
		c.Providers.Set("claude", router.Provider{Kind: "anthropic", APIKey: conf.Secret(key)})
	}
	if key, ok := lookup("OPENAI_API_KEY"); ok && key != "" {
		c.Providers.Set("openai", router.Provider{Kind: "openai", APIKey: conf.Secret(key)})
	}
	for _, name := range []string{"VLLM_BASE_URL", "TGI_BASE_URL"} {
		if v, ok := lookup(name); ok && v != "" {
			log.Warn("this version has no adapter for it, so the variable is ignored", "variable", name)
		}
	}
}

// providersFromSimulator is the last resort: the simulator at an address, as both vendors.
func (c *Config) providersFromSimulator(addr string) {
	c.Providers.Set("claude", router.Provider{Kind: "anthropic", APIKey: "sim", BaseURL: "http://" + addr, Trust: "local"})
	c.Providers.Set("openai", router.Provider{Kind: "openai", APIKey: "sim", BaseURL: "http://" + addr + "/v1", Trust: "local"})
}
