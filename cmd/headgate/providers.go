package main

import (
	"strings"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router"
)

// providersFromEnvironment stands in for a configuration without providers: the keys that the vendors' own SDKs read.
func (c *Config) providersFromEnvironment(lookup func(string) (string, bool)) {
	if c.Providers.Len() > 0 {
		return
	}
	if key, ok := lookup("ANTHROPIC_API_KEY"); ok && key != "" {
		c.Providers.Set("claude", router.Provider{Kind: "anthropic", APIKey: conf.Secret(key)})
	}
	if key, ok := lookup("OPENAI_API_KEY"); ok && key != "" {
		c.Providers.Set("openai", router.Provider{Kind: "openai", APIKey: conf.Secret(key)})
	}
	for name, kind := range map[string]string{"VLLM_BASE_URL": "vllm", "TGI_BASE_URL": "tgi"} {
		if v, ok := lookup(name); ok && v != "" {
			c.Providers.Set(kind, router.Provider{Kind: kind, Endpoints: []string{root(v)}, Trust: "local"})
		}
	}
}

// root is a server's root, whether or not the /v1 that an SDK wants stands after it.
func root(address string) string {
	return strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/v1")
}

// providersFromSimulator is the last resort: the simulator at an address, as every kind of provider that it speaks.
func (c *Config) providersFromSimulator(addr string) {
	c.Providers.Set("claude", router.Provider{Kind: "anthropic", APIKey: "sim", BaseURL: "http://" + addr, Trust: "local"})
	c.Providers.Set("openai", router.Provider{Kind: "openai", APIKey: "sim", BaseURL: "http://" + addr + "/v1", Trust: "local"})
	c.Providers.Set("vllm", router.Provider{Kind: "vllm", Endpoints: []string{"http://" + addr + "/vllm"}, Trust: "local"})
	c.Providers.Set("tgi", router.Provider{Kind: "tgi", Endpoints: []string{"http://" + addr + "/tgi"}, Trust: "local"})
}
