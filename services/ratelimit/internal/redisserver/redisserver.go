// Package redisserver starts a redis-server of a test's own, which can be stalled, killed and started again.
package redisserver

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

// Server is a redis-server on a free loopback port. It belongs to one test.
type Server struct {
	t testing.TB
	// Addr is host:port.
	Addr string
	args []string
	cmd  *exec.Cmd
}

// New starts a redis-server that ends with the test, or skips the test where none is installed.
func New(t testing.TB, args ...string) *Server {
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
	s := &Server{t: t, Addr: addr, args: append(base, args...)}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// URL is the server's address.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Start runs the server until Kill, and returns once it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...) //nolint:gosec,noctx // a test's own, ended by Kill
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = c.Close() }()
	Eventually(s.t, 10*time.Second, func() bool { return c.Ping(s.t.Context()).Err() == nil })
}

// Kill ends the server at once; what it held is lost.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	_, _ = s.cmd.Process.Wait()
	s.cmd = nil
}

// Flush has the server lose everything it holds.
func (s *Server) Flush() {
	s.t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = c.Close() }()
	if err := c.FlushAll(s.t.Context()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// Stall stops the server: connections stay, answers don't come.
func (s *Server) Stall() { s.signal(syscall.SIGSTOP) }

// Resume ends a stall.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Eventually waits until what is checked holds, or fails the test.
func Eventually(t testing.TB, within time.Duration, check func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
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
