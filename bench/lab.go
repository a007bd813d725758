package main

import (
	"context"
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

const key = "hg_bench_administrators_key_0123456789"

// subject is one server under measurement.
type subject struct {
	name, addr string
	proc       *exec.Cmd
}

// lab is the simulator and what stands in front of it, each a process of its own.
type lab struct {
	dir      string
	subjects []*subject
	ops      string
}

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
	addrs, err := freeAddrs(5)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sim, proxy, gate, rpc, ops := addrs[0], addrs[1], addrs[2], addrs[3], addrs[4]
	l.ops = ops
	config := filepath.Join(l.dir, "headgate.yaml")
	text := fmt.Sprintf(`data_dir: %s
listen: {http: {addr: "%s"}, grpc: {addr: "%s"}, ops: {addr: "%s"}}
providers:
  openai: {kind: openai, api_key: "sk-bench", base_url: "http://%s/v1"}
`, l.dir, gate, rpc, ops, sim)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	for _, s := range []struct {
		name, addr string
		args       []string
	}{
		{"direct", sim, []string{o.headgate, "sim", "-addr", sim}},
		{"reverse proxy", proxy, []string{self, "-proxy", proxy, "-towards", "http://" + sim}},
		{"headgate", gate, []string{o.headgate, "all", "--config", config}},
	} {
		if err := l.launch(ctx, s.name, s.addr, s.args); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) launch(ctx context.Context, name, addr string, args []string) error {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // ended by close, after the last measurement
	cmd.Env = append(os.Environ(), "HEADGATE_ADMIN_KEY="+key)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	l.subjects = append(l.subjects, &subject{name: name, addr: addr, proc: cmd})
	for range 200 {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if err := pause(ctx, 25*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s doesn't listen", name)
}

// close ends every process, the last started first.
func (l *lab) close() {
	for i := len(l.subjects) - 1; i >= 0; i-- {
		p := l.subjects[i].proc
		_ = p.Process.Signal(syscall.SIGTERM)
		hurry := time.AfterFunc(5*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		hurry.Stop()
	}
	_ = os.RemoveAll(l.dir)
}

// profile fetches a CPU profile of Headgate.
func (l *lab) profile(ctx context.Context, file string, d time.Duration) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", l.ops, int(d.Seconds())), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, resp.Body)
	return err
}

func freeAddrs(n int) ([]string, error) {
	var addrs []string
	for range n {
		lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return nil, err
		}
		defer lis.Close()
		addrs = append(addrs, lis.Addr().String())
	}
	return addrs, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
