package router_test

import (
	"testing"

	"github.com/headgate-mesh/headgate/services/router"
)

// TestWeightsByDefault: every share is shown, and the configuration itself stays as it was written.
func TestWeightsByDefault(t *testing.T) {
	t.Parallel()
	three := 3
	var cfg router.Config
	cfg.Models.Set("shared", router.Model{Strategy: "weighted", Targets: []router.Target{{Provider: "a", Model: "m", Weight: &three}, {Provider: "b", Model: "m"}}})
	cfg.Models.Set("ordered", router.Model{Targets: []router.Target{{Provider: "a", Model: "m"}}})
	shown := cfg.WithDefaults()
	shared, _ := shown.Models.Get("shared")
	if got := shared.Targets; *got[0].Weight != 3 || got[1].Weight == nil || *got[1].Weight != 1 {
		t.Errorf("%v", got)
	}
	if ordered, _ := shown.Models.Get("ordered"); ordered.Strategy != "failover" || ordered.Targets[0].Weight != nil {
		t.Errorf("%+v", ordered)
	}
	if written, _ := cfg.Models.Get("shared"); written.Targets[1].Weight != nil {
		t.Error("the configuration itself was changed")
	}
}

// TestBatchByDefault: it is shown where there is a batch API at all.
func TestBatchByDefault(t *testing.T) {
	t.Parallel()
	var cfg router.Config
	cfg.Providers.Set("a", router.Provider{Kind: "anthropic"})
	cfg.Providers.Set("b", router.Provider{Kind: "openai", Batch: "off"})
	cfg.Providers.Set("c", router.Provider{Kind: "vllm"})
	shown := cfg.WithDefaults()
	for name, want := range map[string]string{"a": "auto", "b": "off", "c": ""} {
		if p, _ := shown.Providers.Get(name); p.Batch != want {
			t.Errorf("%s: %q", name, p.Batch)
		}
	}
}
