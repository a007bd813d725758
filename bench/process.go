package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// launch is a process to be started.
type launch struct {
	program string
	args    []string
	env     []string
	// listens is the address that it listens on before the next one is started; empty where that doesn't matter.
	listens string
}

// process is one that was started.
type process struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

func (l launch) process() (*process, error) {
	cmd := exec.Command(l.program, l.args...) //nolint:gosec,noctx // ended by end, in its turn
	cmd.Env = append(append(os.Environ(), "HEADGATE_ADMIN_KEY="+adminKey, "HEADGATE_SECRET="+secret), l.env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		_ = cmd.Wait() // how it ended is of no interest, that it did is
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// until waits for good news, at most ten seconds.
func (p *process) until(ctx context.Context, good func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := good(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.gone:
			return errors.New("it ended before it was ready")
		default:
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("it isn't ready: %w", err)
		}
	}
}

// end asks it to end, and makes it after five seconds.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
	hurry := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer hurry.Stop()
	<-p.gone
}

// member is one process of Headgate's, in the order in which they start: who is called before who calls.
type member struct {
	// args begin with the subcommand.
	args []string
	// name is the service's in HEADGATE_..._ADDR; empty for one that others don't call.
	name string
}

// together is `headgate all`, apart every service as a process of its own. The last one serves HTTP.
var (
	together = []member{{args: []string{"all"}}}
	apart    = []member{
		{args: []string{"keys"}, name: "keys"},
		{args: []string{"ratelimit"}, name: "ratelimit"},
		{args: []string{"cache"}, name: "cache"},
		{args: []string{"usage", "serve"}, name: "usage"},
		{args: []string{"router"}, name: "router"},
		{args: []string{"gateway"}},
	}
)

// mesh returns how to start Headgate's processes, and the operations address of the last one.
func mesh(ctx context.Context, list []member, program, config, http string) (launches []launch, ops string, err error) {
	addrs, err := freeAddrs(ctx, 2*len(list))
	if err != nil {
		return nil, "", err
	}
	known := []string{"HEADGATE_HTTP_ADDR=" + http}
	for i, m := range list {
		if m.name != "" {
			known = append(known, "HEADGATE_"+strings.ToUpper(m.name)+"_ADDR="+addrs[2*i])
		}
	}
	for i, m := range list {
		grpc := addrs[2*i]
		ops = addrs[2*i+1]
		l := launch{program: program, args: append(m.args[:len(m.args):len(m.args)], "--config", config)}
		l.env = append(known[:len(known):len(known)], "HEADGATE_GRPC_ADDR="+grpc, "HEADGATE_OPS_ADDR="+ops)
		if m.name != "" {
			l.listens = grpc
		}
		launches = append(launches, l)
	}
	return launches, ops, nil
}
