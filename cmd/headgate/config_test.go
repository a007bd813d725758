package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/batch"
	"github.com/headgate-mesh/headgate/services/keys"
	"github.com/headgate-mesh/headgate/services/usage"
)

// runIn runs headgate with an environment of its own and returns what it printed.
func runIn(t *testing.T, vars map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	e := env{stdout: &out, stderr: &errs, lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
	err = dispatch(t.Context(), e, args)
	return out.String(), errs.String(), err
}

// written is a file with a text, in a directory of its own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCheckFinds: what can't start, or would do nothing, is found with its line before anything is started.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	bad := written(t, "bad.pem", "no certificate")
	cases := map[string]struct{ text, want string }{
		"shared limits that aren't": {"ratelimit:\n  redis_url: redis://h\n  backend: memory\n", "v.yaml:3: ratelimit.backend: is memory, and redis_url is set"},
		"limits of nobody":          {"ratelimit:\n  tenants:\n    Acme: {requests_per_minute: 1}\n", "v.yaml:3: ratelimit.tenants.Acme: no key can have this tenant"},
		"limits' Redis":             {"ratelimit:\n  redis_url: canary\n", "v.yaml:2: ratelimit.redis_url: isn't the address"},
		"limits' Redis' port":       {"ratelimit:\n  redis_url: redis://u:canary@h:65536\n", "v.yaml:2: ratelimit.redis_url: names a node"},
		"answers' Redis":            {"cache:\n  redis_url: canary\n", "v.yaml:2: cache.redis_url: isn't the address"},
		"a dictionary":              {"sensitivity:\n  dictionaries:\n    - {name: a, words: [b]}\n    - name: c\n      file: " + none + "\n", "v.yaml:5: sensitivity.dictionaries[1].file: can't be read"},
		"a certificate":             {"listen:\n  http:\n    cert_file: " + none + "\n    key_file: " + bad + "\n", "v.yaml:3: listen.http.cert_file: can't be read"},
		"a certificate's key":       {"listen:\n  http:\n    cert_file: " + bad + "\n    key_file: " + none + "\n", "v.yaml:4: listen.http.key_file: can't be read"},
		"no certificate":            {"listen:\n  http:\n    cert_file: " + bad + "\n    key_file: " + bad + "\n", "v.yaml:3: listen.http.cert_file: isn't a certificate"},
		"half a certificate":        {"listen:\n  ops:\n    key_file: " + bad + "\n", "v.yaml:3: listen.ops.key_file: needs cert_file"},
		"a CA":                      {"peers:\n  keys:\n    address: h:1\n    ca_file: " + none + "\n", "v.yaml:4: peers.keys.ca_file: reading the CA"},
		"no CA":                     {"peers:\n  keys:\n    address: h:1\n    ca_file: " + bad + "\n", "v.yaml:4: peers.keys.ca_file: the CA file"},
		"a port":                    {"listen:\n  grpc:\n    addr: 127.0.0.1:99999\n", "v.yaml:3: listen.grpc.addr: has a port that isn't from 0 to 65535"},
		"no port":                   {"listen:\n  grpc:\n    addr: canary\n", "v.yaml:3: listen.grpc.addr: has to be host:port"},
		"exposed":                   {"listen:\n  grpc:\n    addr: 0.0.0.0:1234\n", "v.yaml:3: listen.grpc.addr: isn't loopback"},
		"a clash":                   {"listen:\n  http:\n    addr: 127.0.0.1:7000\n  ops:\n    addr: localhost:7000\n", "v.yaml:5: listen.ops.addr: is the address of listen.http, too"},
		"a clash with a default":    {"listen:\n  http:\n    addr: 127.0.0.1:9091\n", "v.yaml:3: listen.http.addr: is the address of listen.ops, too"},
		"a clash with everything":   {"listen:\n  http:\n    addr: :9091\n    plaintext: true\n", "v.yaml:3: listen.http.addr: is the address of listen.ops, too"},
		"a peer":                    {"peers:\n  usage:\n    address: h:99999\n", "v.yaml:3: peers.usage.address: has a port that isn't from 1 to 65535"},
		"one of several peers":      {"peers:\n  router:\n    address: h:1,canary\n", "v.yaml:3: peers.router.address: number 2 of those between commas has to be host:port"},
		"a provider's port":         {"providers:\n  v:\n    kind: vllm\n    endpoints:\n      - http://h:1\n      - http://h:99999\n", "v.yaml:6: providers.v.endpoints[1]: has a port"},
		"prices of nobody":          {"\nprices: " + written(t, "p.yaml", "version: 1\nprices:\n  openia: {m: {input: 1}}\n") + "\n", "p.yaml:3: prices.openia: isn't a kind of provider; did you mean openai?"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, _, err := runIn(t, nil, "config", "check", written(t, "v.yaml", c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v\nwant %s\n%s", err, c.want, out)
			}
		})
	}
}

// TestCheckIsContent with what can start: a mesh of addresses that don't clash.
func TestCheckIsContent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"listen: {http: {addr: '127.0.0.1:0'}, grpc: {addr: '127.0.0.1:0'}, ops: {addr: '127.0.0.1:0'}}\n",
		"listen: {http: {addr: '127.0.0.1:7000'}, grpc: {addr: '127.0.0.2:7000'}}\n",
		"ratelimit: {redis_url: 'redis://u:p@h:6379/1', tenants: {acme-2_x: {requests_per_minute: 1}}}\n",
		"peers: {keys: {address: ':9092', plaintext: true}, router: {address: 'a:1, b:2'}, cache: {address: 'unix:/run/x'}}\n",
	} {
		if out, _, err := runIn(t, nil, "config", "check", written(t, "v.yaml", text)); err != nil || !strings.Contains(out, "the configuration is sound") {
			t.Errorf("%s: %v %s", text, err, out)
		}
	}
}

// TestVariablesAreNamed: a mistake in the environment isn't blamed on the file.
func TestVariablesAreNamed(t *testing.T) {
	t.Parallel()
	file := written(t, "v.yaml", "log: {level: info}\nratelimit: {backend: memory}\n")
	for name, value := range map[string]string{
		"HEADGATE_HTTP_ADDR": "canary", "HEADGATE_GRPC_ADDR": "127.0.0.1:99999", "HEADGATE_OPS_ADDR": "127.0.0.1:8080",
		"HEADGATE_SECRET": "canary", "HEADGATE_ROUTER_ADDR": "canary", "HEADGATE_KEYS_ADDR": "h:0", "HEADGATE_RATELIMIT_ADDR": "canary",
		"HEADGATE_CACHE_ADDR": "canary", "HEADGATE_USAGE_ADDR": "canary", "HEADGATE_BATCH_ADDR": "canary", "HEADGATE_REDIS_URL": "canary",
		"VLLM_BASE_URL": "canary", "TGI_BASE_URL": "http://h:99999",
	} {
		_, _, err := runIn(t, map[string]string{name: value}, "config", "check", file)
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "v.yaml") ||
			strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := runIn(t, map[string]string{"HEADGATE_REDIS_URL": "redis://h"}, "config", "check", file); err != nil {
		t.Errorf("the environment doesn't win: %v", err)
	}
}

// TestPrintIsWhatIsInForce: the places of what is kept, too.
func TestPrintIsWhatIsInForce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := written(t, "v.yaml", "data_dir: "+dir+"\nratelimit: {redis_url: 'redis://u:canary@h'}\n")
	out, _, err := runIn(t, nil, "config", "print", "--config", file)
	for _, want := range []string{
		"file: " + dir + "/keys.db", "database: " + dir + "/usage.db", "database: " + dir + "/batch.db", "files: file://" + dir + "/batch-files", "backend: redis",
	} {
		if err != nil || !strings.Contains(out, want) || strings.Contains(out, "canary") {
			t.Errorf("%v\nwant %s\n%s", err, want, out)
		}
	}
	again := written(t, "again.yaml", strings.ReplaceAll(out, "redis_url:", "#"))
	if _, _, err := runIn(t, nil, "config", "check", strings.TrimSpace(again)); err != nil && !strings.Contains(err.Error(), "redis_url: is required") {
		t.Errorf("what it prints isn't sound: %v", err)
	}
}

// TestPlacesAreWhereThingsAre: what is printed of a data directory is what the services make of it.
func TestPlacesAreWhereThingsAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := keys.New(keys.Config{}, keys.Deps{Hasher: apikey.NewHasher(auth.Secret("0123456789abcdef")), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	u, err := usage.New(usage.Config{}, usage.Deps{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	b, err := batch.New(batch.Config{}, batch.Deps{DataDir: dir, Router: rpc.NewServer(rpc.Options{}).InProcess()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c := Config{DataDir: dir}.effective()
	for _, path := range []string{c.Keys.File, c.Usage.Database, c.Batch.Database, strings.TrimPrefix(c.Batch.Files, "file://")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
