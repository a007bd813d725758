package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/ops"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/kit/telemetry"
	"github.com/headgate-mesh/headgate/services/gateway"
	"github.com/headgate-mesh/headgate/services/router"
)

// process is what every kind of process has: a log, telemetry, an operations listener, and components that start and
// stop in order.
type process struct {
	env      env
	cfg      Config
	log      *slog.Logger
	tel      *telemetry.Telemetry
	group    *run.Group
	draining atomic.Bool
	// routerReady reports whether a router elsewhere can be reached; nil where it is in this process.
	routerReady func() bool
}

// goodKey is how many characters an administrator's key should have.
const goodKey = 24

func newProcess(ctx context.Context, e env, cfg Config, name string) (*process, error) {
	log, err := telemetry.Logger(e.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return nil, err
	}
	tel, err := telemetry.Setup(ctx, telemetry.Config{
		Service: "headgate-" + name, Version: version, SampleRatio: *cfg.Tracing.SampleRatio, Lookup: e.lookup,
	})
	if err != nil {
		return nil, err
	}
	if len(cfg.AdminKey) < goodKey {
		log.Warn("the administrator's key is short enough to be guessed", "characters", len(cfg.AdminKey), "better", goodKey)
	}
	p := &process{env: e, cfg: cfg, log: log, tel: tel, group: run.New(nil)}
	p.group.OnDrain(func() { p.draining.Store(true) })
	return p, nil
}

// run starts everything that was added and returns when it has stopped.
func (p *process) run(ctx context.Context) error {
	err := p.group.Run(ctx)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, p.tel.Shutdown(flush))
}

// ready is nil while requests are welcome.
func (p *process) ready() error {
	if p.draining.Load() {
		return errors.New("stopping")
	}
	if p.routerReady != nil && !p.routerReady() {
		return errors.New("no router can be reached")
	}
	return nil
}

// addOps adds the operations listener. Readiness turns off before anything stops, so it is added first and stops last.
func (p *process) addOps() error {
	lis, tlsConfig, err := listen.Listen(p.cfg.Listen.Ops)
	if err != nil {
		return fmt.Errorf("operations listener: %w", err)
	}
	p.group.Add(run.Component{Name: "operations", Run: func(ctx context.Context) error {
		return ops.Serve(ctx, lis, ops.Options{Gatherer: p.tel.Registry(), TLS: tlsConfig, Ready: p.notReady})
	}})
	return nil
}

func (p *process) notReady(context.Context) []string {
	if err := p.ready(); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// addRouter adds the router and its gRPC listener, and returns the server, whose channel reaches it in process.
func (p *process) addRouter() (*rpc.Server, error) {
	service, err := router.New(p.cfg.router(), router.Deps{
		Logger: p.log, Tracer: p.tel.Tracer(), Meter: p.tel.Meter(), Version: version,
	})
	if err != nil {
		return nil, err
	}
	lis, tlsConfig, err := listen.Listen(p.cfg.Listen.GRPC)
	if err != nil {
		return nil, fmt.Errorf("gRPC listener: %w", err)
	}
	server := rpc.NewServer(rpc.Options{
		Name: "router", Logger: p.log, Telemetry: p.tel, TLS: tlsConfig,
		Verifier:     auth.NewAdminKey(p.cfg.AdminKey.Reveal()),
		Peers:        auth.NewPeerVerifier(auth.Secret(p.cfg.Secret.Reveal())),
		Validate:     func(_ string, m proto.Message) error { return service.Validate(m) },
		ShareMessage: shared,
		DrainTimeout: p.cfg.Gateway.DrainTime(),
	})
	service.Register(server)
	p.group.Add(run.Component{Name: "router", Run: service.Run})
	p.group.Add(run.Component{Name: "grpc", Timeout: p.stopTime(), Run: func(ctx context.Context) error {
		return server.Serve(ctx, lis)
	}})
	p.log.Info("router listens", "addr", lis.Addr().String())
	return server, nil
}

// shared messages cross the in-process channel by reference: the relay's bytes, which nobody changes once they are sent.
func shared(m proto.Message) bool {
	switch m.(type) {
	case *routerv1.RelayRequest, *routerv1.RelayResponse:
		return true
	}
	return false
}

// addGateway adds the HTTP gateway in front of a router, and returns its address.
func (p *process) addGateway(toRouter grpc.ClientConnInterface) (net.Addr, error) {
	service, err := gateway.New(p.cfg.Gateway, gateway.Deps{
		Logger: p.log, Tracer: p.tel.Tracer(), Meter: p.tel.Meter(),
		Verifier: auth.NewAdminKey(p.cfg.AdminKey.Reveal()), Router: toRouter, Ready: p.ready,
	})
	if err != nil {
		return nil, err
	}
	lis, tlsConfig, err := listen.Listen(p.cfg.Listen.HTTP)
	if err != nil {
		return nil, fmt.Errorf("HTTP listener: %w", err)
	}
	p.group.Add(run.Component{Name: "gateway", Timeout: p.stopTime(), Run: func(ctx context.Context) error {
		return service.Serve(ctx, lis, tlsConfig)
	}})
	p.log.Info("gateway listens", "addr", lis.Addr().String())
	return lis.Addr(), nil
}

// callTime is the deadline of calls to the router: the router's own timers end them before.
func (p *process) callTime() time.Duration { return 25 * time.Hour }

// stopTime is how long a component that serves clients may take to stop.
func (p *process) stopTime() time.Duration { return p.cfg.Gateway.DrainTime() + 15*time.Second }
