package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/headgate-mesh/headgate/kit/conf"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/sim"
)

// runKeys serves `headgate keys`.
func runKeys(ctx context.Context, e env, args []string) error {
	return runService(ctx, e, "keys", args, (*process).addKeys)
}

// runRateLimit serves `headgate ratelimit`.
func runRateLimit(ctx context.Context, e env, args []string) error {
	return runService(ctx, e, "ratelimit", args, func(p *process) error {
		if p.cfg.Peers.Usage.Address != "" {
			if err := p.dial(&p.peers.usage, "usage", p.cfg.Peers.Usage); err != nil {
				return err
			}
		}
		return p.addRateLimit()
	})
}

// runCache serves `headgate cache`.
func runCache(ctx context.Context, e env, args []string) error {
	return runService(ctx, e, "cache", args, (*process).addCache)
}

// runUsageOrServe serves `headgate usage`, which asks a mesh, and `headgate usage serve`, which is the service it asks.
func runUsageOrServe(ctx context.Context, e env, args []string) error {
	if len(args) > 0 && args[0] == "serve" {
		return runUsageService(ctx, e, args[1:])
	}
	return runUsage(ctx, e, args)
}

func runUsageService(ctx context.Context, e env, args []string) error {
	return runService(ctx, e, "usage", args, (*process).addUsage)
}

// runService serves one of the services that keep something.
func runService(ctx context.Context, e env, name string, args []string, add func(*process) error) error {
	p, err := newSplitProcess(ctx, e, name, args, nil)
	if err != nil {
		return err
	}
	if err := p.listenGRPC(); err != nil {
		return err
	}
	p.newServer(name)
	if name == "keys" {
		p.peers.keys = p.inProcess(name)
	} else if err := p.dial(&p.peers.keys, "keys", p.cfg.Peers.Keys); err != nil {
		return err
	}
	if err := add(p); err != nil {
		return err
	}
	p.addKeyring()
	p.serveGRPC()
	return p.run(ctx)
}

// runBatchService serves `headgate batch serve`.
func runBatchService(ctx context.Context, e env, args []string) error {
	return runService(ctx, e, "batch", args, func(p *process) error {
		if err := p.dial(&p.peers.usage, "usage", p.cfg.Peers.Usage); err != nil {
			return err
		}
		if p.cfg.Peers.RateLimit.Address != "" {
			if err := p.dial(&p.peers.ratelimit, "ratelimit", p.cfg.Peers.RateLimit); err != nil {
				return err
			}
		}
		closer, err := p.dialRouter()
		if err != nil {
			return err
		}
		p.group.Add(run.Component{Name: "connection to router", Run: func(ctx context.Context) error {
			<-ctx.Done()
			return closer.Close()
		}})
		return p.addBatch()
	})
}

// dialRouter prepares the connection to the routers.
func (p *process) dialRouter() (io.Closer, error) {
	if p.cfg.Peers.Router.Address == "" {
		return nil, fmt.Errorf("the %s needs a router: set peers.router.address or HEADGATE_ROUTER_ADDR", p.name)
	}
	conn, err := peer.Dial(p.cfg.Peers.Router, peer.Options{
		Credentials: p.credentials(p.name), Timeout: p.callTime(), Logger: p.log, HealthService: "headgate.router.v1.RelayService",
	})
	if err != nil {
		return nil, err
	}
	p.routerReady, p.peers.router = conn.Ready, conn
	return conn, nil
}

// runRouter serves `headgate router`.
func runRouter(ctx context.Context, e env, args []string) error {
	var simulator string
	p, err := newSplitProcess(ctx, e, "router", args, func(f *flag.FlagSet) {
		f.StringVar(&simulator, "simulator", "", "where no provider is configured: the `address` of a simulator to ask")
	})
	if err != nil {
		return err
	}
	p.simulator = simulator
	if err := p.findProviders(&p.cfg); err != nil {
		return err
	}
	if err := p.dialAll(); err != nil {
		return err
	}
	if err := p.listenGRPC(); err != nil {
		return err
	}
	p.newServer("router")
	p.addKeyring()
	if err := p.addRouter(); err != nil {
		return err
	}
	p.serveGRPC()
	return p.run(ctx)
}

// runGateway serves `headgate gateway`.
func runGateway(ctx context.Context, e env, args []string) error {
	p, err := newSplitProcess(ctx, e, "gateway", args, nil)
	if err != nil {
		return err
	}
	if err := p.dialAll(); err != nil {
		return err
	}
	if p.cfg.Peers.Batch.Address != "" {
		if err := p.dial(&p.peers.batch, "batch", p.cfg.Peers.Batch); err != nil {
			return err
		}
	}
	conn, err := p.dialRouter()
	if err != nil {
		return err
	}
	defer conn.Close()
	p.addKeyring()
	if _, err := p.addGateway(); err != nil {
		return err
	}
	return p.run(ctx)
}

// dialAll prepares the connections to the services that keep something.
func (p *process) dialAll() error {
	for _, to := range []struct {
		conn *grpc.ClientConnInterface
		name string
		cfg  peer.Config
	}{
		{&p.peers.keys, "keys", p.cfg.Peers.Keys},
		{&p.peers.ratelimit, "ratelimit", p.cfg.Peers.RateLimit},
		{&p.peers.cache, "cache", p.cfg.Peers.Cache},
		{&p.peers.usage, "usage", p.cfg.Peers.Usage},
	} {
		if err := p.dial(to.conn, to.name, to.cfg); err != nil {
			return err
		}
	}
	return nil
}

// dial prepares a connection to a service elsewhere. It doesn't wait: each caller has its own way to do without.
func (p *process) dial(conn *grpc.ClientConnInterface, name string, cfg peer.Config) error {
	if cfg.Address == "" {
		return fmt.Errorf("the %s service has to be somewhere: set peers.%s.address or HEADGATE_%s_ADDR", name, name, strings.ToUpper(name))
	}
	c, err := peer.Dial(cfg, peer.Options{Credentials: p.credentials(p.name), Timeout: p.callTime(), Logger: p.log})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.group.Add(run.Component{Name: "connection to " + name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		return c.Close()
	}})
	*conn = c
	return nil
}

// newSplitProcess is the beginning of every process that is one service of a mesh.
func newSplitProcess(ctx context.Context, e env, name string, args []string, extra func(*flag.FlagSet)) (*process, error) {
	cfg, err := parse(e, name, args, extra)
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
	p.loaded = cfg
	return p, p.addOps()
}

// runSim serves `headgate sim`.
func runSim(ctx context.Context, e env, args []string) error {
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8089", "where to listen")
	file := flags.String("config", "", "a YAML file with the simulator's settings (sim/README.md)")
	faults := flags.String("faults", "", "a script for every request, such as ttft=200ms,chunk_delay=20ms")
	batchDir := flags.String("batch-dir", "", "where batches are kept over a restart (default: in memory)")
	if err := readFlags(e, flags, args); err != nil {
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
	cfg.BatchDir = cmp.Or(*batchDir, cfg.BatchDir)
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
