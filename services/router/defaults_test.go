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
