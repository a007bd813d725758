package redis_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a redis-server of the test's own.
type server struct {
	t    *testing.T
	addr string
	args []string
	cmd  *exec.Cmd
}

// startServer starts a redis-server on a free loopback port, or skips the test where none is installed.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server isn't installed: the Redis backend isn't tested")
	}
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().String()
	lis.Close()
	_, port, _ := net.SplitHostPort(addr)
	base := []string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(),
		"--daemonize", "no", "--loglevel", "warning",
	}
	s := &server{t: t, addr: addr, args: append(base, args...)}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) url() string { return "redis://" + s.addr + "/0" }

// start runs the server until kill and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := goredis.NewClient(&goredis.Options{Addr: s.addr, MaxRetries: -1})
	defer c.Close()
	eventually(s.t, 10*time.Second, func() bool { return c.Ping(s.t.Context()).Err() == nil })
}

// kill ends the server at once; what it held is lost.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_, _ = s.cmd.Process.Wait()
	s.cmd = nil
}

// stall and resume stop and continue the server: connections stay, answers don't come.
func (s *server) stall()  { s.signal(syscall.SIGSTOP) }
func (s *server) resume() { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig os.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits until what is checked holds.
func eventually(t *testing.T, within time.Duration, check func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("didn't happen within " + strconv.FormatFloat(within.Seconds(), 'g', 3, 64) + " s")
		}
	}
}
