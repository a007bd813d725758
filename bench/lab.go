package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// adminKey is the administrator's key, secret the mesh's root secret.
const (
	adminKey = "hg_bench_administrators_key_0123456789"
	secret   = "a secret of the benchmark, which nobody has to keep" //nolint:gosec // it is none
)

// The three servers, in the order in which each round goes through them.
const (
	direct = iota
	plain
	gate
	subjects
)

var names = [subjects]string{"direct", "reverse proxy", "headgate"}

// subject is one server under measurement: a process of its own, or several that work together.
type subject struct {
	name, addr string
	processes  []*process
	// keys are presented in turn.
	keys []string
}

// cpu is the processor time that all its processes have used.
func (s *subject) cpu() (total time.Duration, err error) {
	for _, p := range s.processes {
		used, err := cpu(p.pid())
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// memory is the resident memory of all its processes.
func (s *subject) memory() (total int64, err error) {
	for _, p := range s.processes {
		used, err := memory(p.pid())
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// lab is the simulator and what stands in front of it, freshly started.
type lab struct {
	dir      string
	subjects []*subject
	ops      string
}

// openLab starts the servers, waits until each is ready, and makes the keys. The caller closes it.
func openLab(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	if err = l.start(ctx, o); err == nil && o.governed {
		err = l.govern(ctx, o)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// govern gives every Headgate clients' keys of its own.
func (l *lab) govern(ctx context.Context, o options) (err error) {
	if o.against != "" {
		other := l.subjects[plain]
		if other.keys, err = createKeys(ctx, other.addr, o.againstKeys); err != nil {
			return err
		}
	}
	l.subjects[gate].keys, err = createKeys(ctx, l.subjects[gate].addr, o.keys)
	return err
}

func (l *lab) start(ctx context.Context, o options) error {
	addrs, err := freeAddrs(ctx, 3)
	if err != nil {
		return err
	}
	sim, other, http := addrs[0], addrs[1], addrs[2]
	if err := l.launch(ctx, direct, sim, launch{program: o.headgate, args: []string{"sim", "-addr", sim}}); err != nil {
		return err
	}
	if o.against != "" {
		err = l.launchMesh(ctx, plain, o, o.against, other, sim)
	} else {
		err = l.launchProxy(ctx, other, sim)
	}
	if err != nil {
		return err
	}
	return l.launchMesh(ctx, gate, o, o.headgate, http, sim)
}

func (l *lab) launchProxy(ctx context.Context, addr, sim string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return l.launch(ctx, plain, addr, launch{program: self, args: []string{"-proxy", addr, "-towards", "http://" + sim}})
}

func (l *lab) launchMesh(ctx context.Context, which int, o options, program, addr, sim string) error {
	config, err := l.configure(which, sim)
	if err != nil {
		return err
	}
	list := together
	if o.split {
		list = apart
	}
	launches, ops, err := mesh(ctx, list, program, config, addr)
	if err != nil {
		return err
	}
	l.ops = ops
	return l.launch(ctx, which, addr, launches...)
}

// configure writes a Headgate's configuration, and returns its file.
func (l *lab) configure(which int, sim string) (string, error) {
	dir := filepath.Join(l.dir, strconv.Itoa(which))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "headgate.yaml")
	text := fmt.Sprintf(`data_dir: %q
log: {level: warn}
providers:
  openai: {kind: openai, api_key: "sk-bench", base_url: "http://%s/v1"}
  claude: {kind: anthropic, api_key: "sk-bench", base_url: "http://%s"}
`, dir, sim, sim)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// launch starts a subject's processes in order, and waits for each until it listens; then until the subject is ready.
func (l *lab) launch(ctx context.Context, which int, addr string, launches ...launch) error {
	s := &subject{name: names[which], addr: addr, keys: []string{adminKey}}
	l.subjects = append(l.subjects, s)
	for _, start := range launches {
		p, err := start.process()
		if err != nil {
			return fmt.Errorf("starting %s: %w", s.name, err)
		}
		s.processes = append(s.processes, p)
		if start.listens == "" {
			continue
		}
		if err := p.until(ctx, func(ctx context.Context) error { return listening(ctx, start.listens) }); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	last := s.processes[len(s.processes)-1]
	if err := last.until(ctx, func(ctx context.Context) error { return ready(ctx, which, addr) }); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// ready returns nil when Headgate says that it is, and when the others listen.
func ready(ctx context.Context, which int, addr string) error {
	if which == gate {
		return get(ctx, "http://"+addr+"/readyz", io.Discard)
	}
	return listening(ctx, addr)
}

func listening(ctx context.Context, addr string) error {
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
	for _, s := range slices.Backward(l.subjects) {
		for _, p := range slices.Backward(s.processes) {
			p.end()
		}
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
