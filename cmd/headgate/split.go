package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/sim"
)

// runRouter serves `headgate router`.
func runRouter(ctx context.Context, e env, args []string) error {
	p, err := newSplitProcess(ctx, e, args, "router")
	if err != nil {
		return err
	}
	p.cfg.providersFromEnvironment(e.lookup)
	if p.cfg.Providers.Len() == 0 {
		return errors.New("the router needs a provider: configure one, or set ANTHROPIC_API_KEY or OPENAI_API_KEY")
	}
	if _, err := p.addRouter(); err != nil {
		return err
	}
	return p.run(ctx)
}

// runGateway serves `headgate gateway`.
func runGateway(ctx context.Context, e env, args []string) error {
	p, err := newSplitProcess(ctx, e, args, "gateway")
	if err != nil {
		return err
	}
	if p.cfg.Peers.Router.Address == "" {
		return errors.New("the gateway needs a router: set peers.router.address or HEADGATE_ROUTER_ADDR")
	}
	conn, err := peer.Dial(p.cfg.Peers.Router, peer.Options{
		Credentials: p.credentials("gateway"), Timeout: p.callTime(), HealthService: "headgate.router.v1.RelayService",
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	p.routerReady = conn.Ready
	if _, err := p.addGateway(conn); err != nil {
		return err
	}
	return p.run(ctx)
}

// newSplitProcess is the beginning of every process that is one service of a mesh.
func newSplitProcess(ctx context.Context, e env, args []string, name string) (*process, error) {
	cfg, err := parse(e, name, args, nil)
	if err != nil {
		return nil, err
	}
	if err := needSecrets(cfg); err != nil {
		return nil, err
	}
	p, err := newProcess(ctx, e, cfg, name)
	if err != nil {
		return nil, err
	}
	return p, p.addOps()
}

// runSim serves `headgate sim`.
func runSim(ctx context.Context, e env, args []string) error {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	addr := flags.String("addr", "127.0.0.1:8089", "where to listen")
	file := flags.String("config", "", "a YAML file with the simulator's settings (sim/README.md)")
	faults := flags.String("faults", "", "a script for every request, such as ttft=200ms,chunk_delay=20ms")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var cfg sim.Config
	if *file != "" {
		if err := conf.Load(*file, &cfg); err != nil {
			return err
		}
	}
	if *faults != "" {
		cfg.Faults = sim.Script(*faults)
	}
	s, err := sim.New(cfg)
	if err != nil {
		return err
	}
	lis, _, err := listen.Listen(listen.Config{Addr: *addr})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "The simulator listens on %s: base URL http://%s/v1 for OpenAI, http://%s for Anthropic, any key.\n",
		lis.Addr(), lis.Addr(), lis.Addr())
	group := run.New(nil)
	group.Add(run.Component{Name: "simulator", Run: func(ctx context.Context) error { return serveSim(ctx, lis, s) }})
	return group.Run(ctx)
}

// serveSim serves the simulator until ctx ends; what it is still saying then is cut.
func serveSim(ctx context.Context, lis net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
