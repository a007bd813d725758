package ratelimit_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/services/ratelimit"
)

// TestBackend: the URL of a Redis is enough to share limits; a word against it is a mistake, and never a silence.
func TestBackend(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ backend, wrong string }{
		"{}":                            {"memory", ""},
		"{redis_url: ''}":               {"memory", ""},
		"{redis_url: 'redis://h:6379'}": {"redis", ""},
		"{redis_url: 'redis://h', backend: redis}":                    {"redis", ""},
		"{redis_url: 'redis://u:canary@h', backend: memory}":          {"", "f.yaml:1: backend: is memory, and redis_url is set"},
		"{redis_url: 'http://canary'}":                                {"", "f.yaml:1: redis_url: isn't the address of a Redis"},
		"{redis_url: 'redis://u:canary@h:70000'}":                     {"", "f.yaml:1: redis_url: names a node that can't be one"},
		"{redis_url: 'redis://h:1?addr=canary', redis_cluster: true}": {"", "f.yaml:1: redis_url: "},
	} {
		var c ratelimit.Config
		err := conf.Parse("f.yaml", []byte(text), &c, nil)
		switch {
		case want.wrong == "" && (err != nil || c.WithDefaults().Backend != want.backend):
			t.Errorf("%s: %q, %v", text, c.WithDefaults().Backend, err)
		case want.wrong != "" && (err == nil || !strings.Contains(err.Error(), want.wrong) || strings.Contains(err.Error(), "canary")):
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTenantNames: limits of a tenant that no key can have would hold for nobody.
func TestTenantNames(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"acme": true, "a-b_9": true, strings.Repeat("x", 64): true,
		"Acme": false, "a b": false, "a.b": false, "ä": false, strings.Repeat("x", 65): false,
	} {
		var c ratelimit.Config
		err := conf.Parse("f.yaml", []byte("tenants:\n  ok: {}\n  "+name+": {requests_per_minute: 1}\n"), &c, nil)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "f.yaml:3: tenants.") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
