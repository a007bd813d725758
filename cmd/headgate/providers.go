package main

import (
	"strings"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/router"
)

// providersFromEnvironment stands in for a configuration without providers: the keys that the vendors' own SDKs read. What is
// wrong with one of them is an error with the variable's name.
func (c *Config) providersFromEnvironment(lookup func(string) (string, bool)) error {
	if c.Providers.Len() > 0 {
		return nil
	}
	for _, v := range []struct {
		variable, name string
		provider       func(value string) router.Provider
	}{
		{"ANTHROPIC_API_KEY", "claude", hosted("anthropic")},
		{"OPENAI_API_KEY", "openai", hosted("openai")},
		{"VLLM_BASE_URL", "vllm", selfHosted("vllm")},
		{"TGI_BASE_URL", "tgi", selfHosted("tgi")},
	} {
		if value, ok := lookup(v.variable); ok && value != "" {
			c.Providers.Set(v.name, v.provider(value))
			c.from("providers."+v.name, v.variable)
		}
	}
	r := router.Config{Providers: c.Providers}
	return c.locate(r.Validate())
}

func hosted(kind string) func(key string) router.Provider {
	return func(key string) router.Provider { return router.Provider{Kind: kind, APIKey: conf.Secret(key)} }
}

func selfHosted(kind string) func(address string) router.Provider {
	return func(address string) router.Provider {
		return router.Provider{Kind: kind, Endpoints: []string{root(address)}, Trust: "local"}
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
