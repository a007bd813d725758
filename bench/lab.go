package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// key is the administrator's key that every request carries; the simulator takes any.
const key = "hg_bench_administrators_key_0123456789"

// The three servers, in the order in which each round goes through them.
const (
	direct = iota
	plain
	gate
	subjects
)

var names = [subjects]string{"direct", "reverse proxy", "headgate"}

// subject is one server under measurement, a process of its own.
type subject struct {
	name, addr string
	cmd        *exec.Cmd
	gone       chan struct{} // closed when the process has ended
}

// lab is the simulator and what stands in front of it, freshly started.
type lab struct {
	dir      string
	subjects []*subject
	ops      string
}

// openLab starts the three servers and waits until each is ready. The caller closes it.
func openLab(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	if err := l.start(ctx, o); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) start(ctx context.Context, o options) error {
	addrs, err := freeAddrs(ctx, 5)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sim, proxy, http, rpc, ops := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	l.ops = ops
	config := filepath.Join(l.dir, "headgate.yaml")
	text := fmt.Sprintf(`data_dir: %q
log: {level: warn}
listen: {http: {addr: %q}, grpc: {addr: %q}, ops: {addr: %q}}
providers:
  openai: {kind: openai, api_key: "sk-bench", base_url: "http://%s/v1"}
  claude: {kind: anthropic, api_key: "sk-bench", base_url: "http://%s"}
`, l.dir, http, rpc, ops, sim, sim)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	return errors.Join(
		l.launch(ctx, direct, sim, o.headgate, "sim", "-addr", sim),
		l.launch(ctx, plain, proxy, self, "-proxy", proxy, "-towards", "http://"+sim),
		l.launch(ctx, gate, http, o.headgate, "all", "--config", config),
	)
}

// launch starts one server and waits until it is ready, at most ten seconds.
func (l *lab) launch(ctx context.Context, which int, addr, program string, args ...string) error {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // ended by close, in its turn
	cmd.Env = append(os.Environ(), "HEADGATE_ADMIN_KEY="+key)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", names[which], err)
	}
	s := &subject{name: names[which], addr: addr, cmd: cmd, gone: make(chan struct{})}
	l.subjects = append(l.subjects, s)
	go func() {
		defer close(s.gone)
		_ = cmd.Wait() // how it ended is of no interest, that it did is
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ready(ctx, which, addr) != nil {
		select {
		case <-s.gone:
			return fmt.Errorf("%s ended before it was ready", s.name)
		default:
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s isn't ready: %w", s.name, err)
		}
	}
	return nil
}

// ready returns nil when Headgate says that it is, and when the others listen.
func ready(ctx context.Context, which int, addr string) error {
	if which == gate {
		return get(ctx, "http://"+addr+"/readyz", io.Discard)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// get fetches a page into w.
func get(ctx context.Context, url string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody) //nolint:gosec // an address of our own, on loopback
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

// close ends every process by its own id, the last started first, and waits for it.
func (l *lab) close() {
	for i := len(l.subjects) - 1; i >= 0; i-- {
		s := l.subjects[i]
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
		hurry := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
		<-s.gone
		hurry.Stop()
	}
	_ = os.RemoveAll(l.dir)
}

// freeAddrs returns addresses on loopback that were free a moment ago.
func freeAddrs(ctx context.Context, n int) ([]string, error) {
	var addrs []string
	for range n {
		lis, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer lis.Close()
		addrs = append(addrs, lis.Addr().String())
	}
	return addrs, nil
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
