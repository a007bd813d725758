package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/services/keys"
)

const testAdmin = "an administrator's key for tests"

// keysProcess serves the keys service on loopback and returns its address.
func keysProcess(t *testing.T) string {
	t.Helper()
	service, err := keys.New(keys.Config{Store: "memory"}, keys.Deps{Hasher: apikey.NewHasher(auth.Secret("0123456789abcdef"))})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Options{
		Verifier: auth.NewAdminKey(testAdmin), Validate: func(_ string, m proto.Message) error { return service.Validate(m) },
	})
	service.Register(server)
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(ctx, lis) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
		_ = service.Close()
	})
	return lis.Addr().String()
}

// shell runs a command in an environment and returns what it printed.
func shell(t *testing.T, vars map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	e := env{stdout: &out, stderr: &errs, lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
	err = runKey(t.Context(), e, args)
	return out.String(), errs.String(), err
}

func TestKeyCommand(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"HEADGATE_KEYS_ADDR": keysProcess(t), "HEADGATE_ADMIN_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
	run := func(args ...string) string {
		t.Helper()
		out, errs, err := shell(t, vars, args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, errs)
		}
		return out
	}
	secret, errs, err := shell(t, vars, "create", "--name", "CI of search", "--tenant", "acme", "--role", "viewer",
		"--models", "claude-*, gpt-5,o3", "--rpm", "60", "--tpm", "1000", "--concurrency", "5",
		"--budget", "10", "--budget-period", "day", "--expires", "30d", "--env", "ci")
	if err != nil || !apikey.WellFormed(strings.TrimSpace(secret)) || !strings.HasPrefix(secret, "hg_ci_") || strings.Contains(errs, strings.TrimSpace(secret)) {
		t.Fatalf("create: %q, %v\n%s", secret, err, errs)
	}
	for _, want := range []string{"CI of search", "acme", "viewer", "claude-*, gpt-5, and 1 more", "60 requests/min, 1000 tokens/min, 5 at once, $10.00/day", "keep it now"} {
		if !strings.Contains(errs, want) {
			t.Errorf("create doesn't say %q:\n%s", want, errs)
		}
	}
	list := run("list")
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	if !strings.HasPrefix(id, "key_") || !strings.Contains(list, "valid") || !strings.Contains(list, "hg_ci_") {
		t.Errorf("list:\n%s", list)
	}
	if got := run("get", id); !strings.Contains(got, "claude-*, gpt-5, o3") || !strings.Contains(got, "by admin") {
		t.Errorf("get:\n%s", got)
	}
	if got := run("get", "--json", id); !json.Valid([]byte(got)) || !strings.Contains(got, `"requests_per_minute": "60"`) {
		t.Errorf("get --json:\n%s", got)
	}
	if got := run("revoke", id, "--json"); !strings.Contains(got, "revoked_at") {
		t.Errorf("revoke:\n%s", got)
	}
	if got := run("revoke", id); !strings.Contains(got, "within a second") {
		t.Errorf("revoke:\n%s", got)
	}
	if got := run("list"); got != "" {
		t.Errorf("list:\n%s", got)
	}
	if got := run("list", "--all", "--tenant", "acme"); !strings.Contains(got, "revoked") {
		t.Errorf("list --all:\n%s", got)
	}
	t.Logf("\n%s\n%s", list, run("get", id))
}

func TestKeyCommandRefuses(t *testing.T) {
	t.Parallel()
	addr := keysProcess(t)
	good := map[string]string{"HEADGATE_GRPC_ADDR": addr, "HEADGATE_KEY": testAdmin, "HEADGATE_DATA_DIR": t.TempDir()}
	cases := []struct {
		name string
		vars map[string]string
		args []string
		text string
	}{
		{"no verb", good, nil, "usage"},
		{"an unknown verb", good, []string{"melt"}, "usage"},
		{"rotating nothing", good, []string{"rotate"}, "usage"},
		{"for too long", good, []string{"rotate", "key_x", "--keep", "8d"}, "keep_old_for must be"},
		{"for some time", good, []string{"rotate", "key_x", "--keep", "a while"}, "--keep"},
		{"for less than no time", good, []string{"rotate", "key_x", "--keep", "-1h"}, "--keep"},
		{"changing nothing", good, []string{"update", "key_x"}, "say what to change"},
		{"changing the tenant", good, []string{"update", "key_x", "--tenant", "a"}, "tenant"},
		{"another period", good, []string{"update", "key_x", "--budget-period", "year"}, "--budget-period"},
		{"no models", good, []string{"update", "key_x", "--models", ""}, "--models"},
		{"no expiry", good, []string{"update", "key_x", "--expires", ""}, "--expires"},
		{"another expiry", good, []string{"update", "key_x", "--expires", "soon"}, "--expires"},
		{"changing an unknown id", good, []string{"update", "key_x", "--name", "n"}, "no key with this id"},
		{"a negative limit", good, []string{"update", "key_x", "--rpm", "-1"}, "limits.requests_per_minute"},
		{"no id", good, []string{"get"}, "usage"},
		{"two ids", good, []string{"revoke", "a", "b"}, "usage"},
		{"no name", good, []string{"create"}, "--name"},
		{"a role", good, []string{"create", "--name", "n", "--role", "root"}, "--role"},
		{"a budget's period", good, []string{"create", "--name", "n", "--budget", "1", "--budget-period", "year"}, "--budget-period"},
		{"a period of no budget", good, []string{"create", "--name", "n", "--budget-period", "day"}, "--budget"},
		{"a negative budget", good, []string{"create", "--name", "n", "--budget", "-1"}, "limits.budget_usd"},
		{"an expiry", good, []string{"create", "--name", "n", "--expires", "soon"}, "--expires"},
		{"a past", good, []string{"create", "--name", "n", "--expires", "2020-01-01T00:00:00Z"}, "expires_at must be in the future"},
		{"a tenant", good, []string{"create", "--name", "n", "--tenant", "A"}, "tenant must be"},
		{"an unknown id", good, []string{"get", "key_x"}, "no key with this id; headgate key list lists yours"},
		{"an address", good, []string{"list", "--addr", "nonsense"}, "address has to be host:port"},
		{"a wrong key", map[string]string{"HEADGATE_GRPC_ADDR": addr, "HEADGATE_KEY": "x"}, []string{"list"}, "isn't valid"},
		{"no key", map[string]string{"HEADGATE_GRPC_ADDR": addr, "HEADGATE_DATA_DIR": t.TempDir()}, []string{"list"}, "HEADGATE_KEY"},
		{"nobody there", good, []string{"list", "--addr", "127.0.0.1:1"}, "nothing answers for Headgate at 127.0.0.1:1: is it running? --addr takes its gRPC address"},
		{"off loopback", good, []string{"list", "--addr", "192.0.2.1:1", "--ca", "/none"}, "CA"},
	}
	for _, c := range cases {
		_, errs, err := shell(t, c.vars, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error()+errs, testAdmin) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCallersKey(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "k")
	for path, text := range map[string]string{filepath.Join(dir, "admin.key"): "kept\n", file: " filed \n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]string{"HEADGATE_DATA_DIR": dir, "HEADGATE_ADMIN_KEY": "admin", "HEADGATE_KEY": "own"}
	without := func(names ...string) map[string]string {
		m := map[string]string{}
		for k, v := range all {
			m[k] = v
		}
		for _, n := range names {
			delete(m, n)
		}
		return m
	}
	for _, c := range []struct {
		vars map[string]string
		file string
		want string
	}{
		{all, file, "filed"},
		{all, "", "own"},
		{without("HEADGATE_KEY"), "", "admin"},
		{without("HEADGATE_KEY", "HEADGATE_ADMIN_KEY"), "", "kept"},
	} {
		e := env{lookup: func(name string) (string, bool) { v, ok := c.vars[name]; return v, ok }}
		f := &meshFlags{keyFile: c.file}
		cfg, err := meshConfig(e, f)
		if err != nil {
			t.Fatal(err)
		}
		if key, err := callerKey(e, f, cfg); err != nil || key != c.want {
			t.Errorf("%q, want %q: %v", key, c.want, err)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:9090": "127.0.0.1:9090", ":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "127.0.0.1:9090",
		"10.0.0.1:9090": "10.0.0.1:9090", "host:9090": "host:9090", "nonsense": "nonsense",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"720h": "2026-03-01T12:00:00Z", "2d": "2026-02-01T12:00:00Z", "2027-01-31T00:00:00+01:00": "2027-01-30T23:00:00Z",
		"0": "", "-1h": "", "0d": "", "-2d": "", "d": "", "2d3h": "", "tomorrow": "",
	} {
		at, err := parseExpiry(s, now)
		got := ""
		if err == nil {
			got = at.AsTime().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
}
