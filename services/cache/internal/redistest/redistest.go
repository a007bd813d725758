// Package redistest runs real Redis servers for tests.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Server is a real one, of one test alone.
type Server struct {
	port, dir string
	args      []string
	cmd       *exec.Cmd
}

// Start starts one on a free port, and skips the test where none is installed.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server isn't installed (apt-get install redis-server): nothing of the Redis backend is tested")
	}
	r := &Server{port: FreePort(t), dir: t.TempDir(), args: args}
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// FreePort returns a port of this machine that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	return port
}

// URL is its address.
func (r *Server) URL() string { return "redis://127.0.0.1:" + r.port + "/0" }

// Start starts it again, with what is in its directory.
func (r *Server) Start(t testing.TB) {
	t.Helper()
	args := append([]string{
		"--port", r.port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--logfile", filepath.Join(r.dir, "log"),
	}, r.args...)
	r.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", args...) //nolint:gosec // the test's own arguments
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := r.Client()
	defer func() { _ = c.Close() }()
	deadline := time.Now().Add(10 * time.Second)
	for c.Ping(t.Context()).Err() != nil {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			t.Fatalf("redis-server doesn't come up: %s", log)
		}
	}
}

// Client is one for the test's own use.
func (r *Server) Client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:" + r.port, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 1})
}

// Stop ends it at once.
func (r *Server) Stop() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// Pass takes d from every key's time to live.
func (r *Server) Pass(t *testing.T, d time.Duration) {
	t.Helper()
	c := r.Client()
	defer func() { _ = c.Close() }()
	const script = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key) - tonumber(ARGV[1])
  if left <= 0 then redis.call('DEL', key) else redis.call('PEXPIRE', key, left) end
end`
	if err := c.Eval(t.Context(), script, nil, d.Milliseconds()).Err(); err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
}

// EveryKeyEnds fails for a key that would stay longer.
func (r *Server) EveryKeyEnds(t testing.TB, longest time.Duration) {
	t.Helper()
	ctx := context.Background() // the test's own has ended
	c := r.Client()
	defer func() { _ = c.Close() }()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if ttl := c.TTL(ctx, key).Val(); ttl <= 0 || ttl > longest {
			t.Errorf("%s has the time to live %v", key, ttl)
		}
	}
}

// AsCluster makes it a cluster of its own.
func (r *Server) AsCluster(t *testing.T) {
	t.Helper()
	c := r.Client()
	defer func() { _ = c.Close() }()
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for c.Set(t.Context(), "probe", "x", time.Second).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("the cluster doesn't come up: ", c.ClusterInfo(t.Context()).Val()))
		}
	}
}
