package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/headgate-mesh/headgate/kit/run"
)

// member is one process of a mesh on this machine.
type member struct {
	name string
	// grpc, http and ops are where it listens; empty where it doesn't.
	grpc, http, ops string
	args            []string
}

// runMesh serves `headgate mesh`: every service as a process of its own on loopback, until it is told to stop.
func runMesh(ctx context.Context, e env, args []string) error {
	cfg, err := parse(e, "mesh", args, nil, (*Config).checkClash)
	if err != nil {
		return err
	}
	madeKey, err := ownSecrets(&cfg)
	if err != nil {
		return err
	}
	if err := cfg.providersFromEnvironment(e.lookup); err != nil {
		return err
	}
	members, simulated := membersOf(cfg)
	environment := meshEnvironment(cfg, members)
	group := run.New(nil)
	for _, m := range members {
		if cfg.file != "" && m.name != "sim" {
			m.args = append(m.args, "--config", cfg.file)
		}
		group.Add(run.Component{Name: m.name, Timeout: cfg.Gateway.DrainTime() + 20*time.Second, Run: func(ctx context.Context) error {
			return m.run(ctx, e, environment)
		}})
	}
	group.Add(run.Component{Name: "welcome", Run: func(ctx context.Context) error {
		welcome(ctx, e, cfg, members, simulated, madeKey)
		<-ctx.Done()
		return nil
	}})
	return group.Run(ctx)
}

// membersOf lists the processes, those that are called before those that call.
func membersOf(cfg Config) (members []member, simulated bool) {
	host, _, _ := net.SplitHostPort(cfg.Listen.GRPC.Addr)
	at := func(port string) string { return net.JoinHostPort(host, port) }
	router := member{name: "router", grpc: cfg.Listen.GRPC.Addr, ops: at("9196")}
	if cfg.Providers.Len() == 0 {
		simulated = true
		members = append(members, member{name: "sim", args: []string{"--addr", at("8089")}, http: at("8089")})
		router.args = []string{"--simulator", at("8089")}
	}
	members = append(members,
		member{name: "keys", grpc: at("9092"), ops: at("9192")},
		member{name: "ratelimit", grpc: at("9093"), ops: at("9193")},
		member{name: "cache", grpc: at("9094"), ops: at("9194")},
		member{name: "usage", args: []string{"serve"}, grpc: at("9095"), ops: at("9195")},
		router,
		member{name: "batch", args: []string{"serve"}, grpc: at("9097"), ops: at("9197")},
		member{name: "gateway", http: cfg.Listen.HTTP.Addr, ops: cfg.Listen.Ops.Addr},
	)
	return members, simulated
}

// meshEnvironment is what the processes have in common: the secrets, and where the others are.
func meshEnvironment(cfg Config, members []member) []string {
	list := append(os.Environ(),
		"HEADGATE_SECRET="+cfg.Secret.Reveal(), "HEADGATE_ADMIN_KEY="+cfg.AdminKey.Reveal(), "HEADGATE_DATA_DIR="+cfg.DataDir)
	for _, m := range members {
		if m.grpc != "" {
			list = append(list, "HEADGATE_"+strings.ToUpper(m.name)+"_ADDR="+m.grpc)
		}
	}
	return list
}

// run is the process, from its start to its end. What it logs is marked with its name.
func (m member) run(ctx context.Context, e env, environment []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{m.name}, m.args...)...) //nolint:gosec,noctx // this very program; it is stopped by a signal, not killed
	cmd.Env = append(environment[:len(environment):len(environment)], "HEADGATE_OPS_ADDR="+m.ops)
	if m.grpc != "" {
		cmd.Env = append(cmd.Env, "HEADGATE_GRPC_ADDR="+m.grpc)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process, which stops them in order
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	defer passOn(syscall.SIGHUP, cmd.Process)()
	mark(e.stderr, m.name, out)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if ctx.Err() == nil {
		return errors.New(m.name + " ended by itself")
	}
	return nil
}

// passOn gives a signal on to another process until it is told to stop.
func passOn(s syscall.Signal, to *os.Process) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				_ = to.Signal(s)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// mark copies lines with a name before each.
func mark(w io.Writer, name string, r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintf(w, "%-9s | %s\n", name, lines.Text())
	}
	_, _ = io.Copy(io.Discard, r)
}

// welcome waits until the gateway is ready and prints where everything is.
func welcome(ctx context.Context, e env, cfg Config, members []member, simulated, madeKey bool) {
	for !up(ctx, "http://"+cfg.Listen.HTTP.Addr+"/readyz") {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "service\tgRPC\tHTTP\toperations")
	for _, m := range members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.name, m.grpc, m.http, m.ops)
	}
	_ = table.Flush()
	if simulated {
		fmt.Fprintln(e.stdout, "No provider is configured: the simulator answers, no model does.")
	}
	key := "$HEADGATE_ADMIN_KEY"
	if madeKey {
		key = cfg.AdminKey.Reveal()
	}
	fmt.Fprintf(e.stdout, "\nTry it:\n\n  curl http://%s/v1/models -H \"authorization: Bearer %s\"\n\n", cfg.Listen.HTTP.Addr, key)
}

func up(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
