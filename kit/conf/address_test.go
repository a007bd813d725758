package conf_test

import (
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/conf"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		addr         string
		listen, dial bool
	}{
		{"127.0.0.1:9090", true, true},
		{"[::1]:9090", true, true},
		{"keys.mesh:65535", true, true},
		{"keys.mesh:65536", false, false},
		{"127.0.0.1:-1", false, false},
		{"127.0.0.1:0", true, false},
		{":8080", true, true},
		{"127.0.0.1:", false, false},
		{"127.0.0.1:no-such-service", false, false},
		{"secret-nonsense", false, false},
		{"::1:80", false, false},
		{"", false, false},
	}
	for _, c := range cases {
		for name, check := range map[string]struct {
			of   func(string) error
			want bool
		}{"listen": {conf.ListenAddress, c.listen}, "dial": {conf.DialAddress, c.dial}} {
			err := check.of(c.addr)
			if (err == nil) != check.want {
				t.Errorf("%s %q: %v", name, c.addr, err)
			}
			if err != nil && c.addr != "" && strings.Contains(err.Error(), c.addr) {
				t.Errorf("%s %q is quoted: %v", name, c.addr, err)
			}
		}
	}
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"redis://u:canary@h:6379/1": true, "rediss://h": true, "redis://h:6379?addr=i:6380": true, "unix:///run/redis.sock": true,
		"redis://u:canary@h:65536": false, "redis://u:canary@h:0": false, "redis://h:canary": false, "redis://h?addr=canary": false,
		"canary": false, "redis://h?addr=i:70000": false,
	} {
		if err := conf.RedisURL(url); (err == nil) != good || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
