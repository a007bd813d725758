package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(&logging.VoidLogger{})
	goleak.VerifyTestMain(m)
}

// redisServer is a real one, of this test alone.
type redisServer struct {
	port, dir string
	args      []string
	cmd       *exec.Cmd
}

// startRedis starts one on a free port, and skips the test where none is installed.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server isn't installed (apt-get install redis-server): nothing of the Redis backend is tested")
	}
	r := &redisServer{port: freePort(t), dir: t.TempDir(), args: args}
	r.start(t)
	t.Cleanup(r.stop)
	return r
}

func freePort(t testing.TB) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return strconv.Itoa(lis.Addr().(*net.TCPAddr).Port)
}

func (r *redisServer) url() string { return "redis://127.0.0.1:" + r.port + "/0" }

func (r *redisServer) start(t testing.TB) {
	t.Helper()
	args := append([]string{
		"--port", r.port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--logfile", filepath.Join(r.dir, "log"),
	}, r.args...)
	r.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", args...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := r.client()
	defer c.Close()
	deadline := time.Now().Add(10 * time.Second)
	for c.Ping(t.Context()).Err() != nil {
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			t.Fatalf("redis-server doesn't come up: %s", log)
		}
	}
}

// client is one for the test's own use.
func (r *redisServer) client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:" + r.port, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 1})
}

// stop ends it at once.
func (r *redisServer) stop() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// pass takes d from every key's time to live.
func (r *redisServer) pass(t *testing.T, d time.Duration) {
	t.Helper()
	c := r.client()
	defer c.Close()
	const script = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key) - tonumber(ARGV[1])
  if left <= 0 then redis.call('DEL', key) else redis.call('PEXPIRE', key, left) end
end`
	if err := c.Eval(t.Context(), script, nil, d.Milliseconds()).Err(); err != nil && err != goredis.Nil { //nolint:errorlint // the very value
		t.Fatal(err)
	}
}

// everyKeyEnds fails for a key that would stay for ever.
func (r *redisServer) everyKeyEnds(t *testing.T) {
	t.Helper()
	ctx := context.Background() // the test's own has ended
	c := r.client()
	defer c.Close()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if ttl := c.TTL(ctx, key).Val(); ttl <= 0 || ttl > nodeTTL {
			t.Errorf("%s has the time to live %v", key, ttl)
		}
	}
}

// asCluster makes it a cluster of its own.
func (r *redisServer) asCluster(t *testing.T) {
	t.Helper()
	c := r.client()
	defer c.Close()
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
