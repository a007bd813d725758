package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/keyring"
	"github.com/headgate-mesh/headgate/kit/listen"
	"github.com/headgate-mesh/headgate/kit/ops"
	"github.com/headgate-mesh/headgate/kit/overload"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/kit/rpc"
	"github.com/headgate-mesh/headgate/kit/run"
	"github.com/headgate-mesh/headgate/kit/telemetry"
	"github.com/headgate-mesh/headgate/services/batch"
	"github.com/headgate-mesh/headgate/services/cache"
	"github.com/headgate-mesh/headgate/services/gateway"
	"github.com/headgate-mesh/headgate/services/keys"
	"github.com/headgate-mesh/headgate/services/ratelimit"
	"github.com/headgate-mesh/headgate/services/router"
	"github.com/headgate-mesh/headgate/services/usage"
)

// process is what every kind of process has: a log, telemetry, an operations listener, and components that start and
// stop in order.
type process struct {
	// name is the command's.
	name     string
	env      env
	cfg      Config
	log      *slog.Logger
	tel      *telemetry.Telemetry
	group    *run.Group
	draining atomic.Bool
	// routerReady reports whether a router elsewhere can be reached; nil where it is in this process.
	routerReady func() bool
	// limitsReady reports whether the router of this process can hold calls to their limits; nil where there is none.
	limitsReady func() error

	callers  *callers
	keyring  *keyring.Keyring
	server   *rpc.Server
	lis      net.Listener
	tls      *tls.Config
	services []service
	peers    peers
	// level is that of the log; loaded is the configuration in force, as it was read; simulator is the address that is asked
	// where no provider is configured.
	level     slog.LevelVar
	admission *overload.Limiter
	loaded    Config
	simulator string
	router    *router.Service
	ratelimit *ratelimit.Service
}

// goodKey is how many characters an administrator's key should have.
const goodKey = 24

func newProcess(ctx context.Context, e env, cfg Config, name string) (*process, error) {
	p := &process{name: name, env: e, cfg: cfg, group: run.New(nil), callers: &callers{auth.NewAdminKey(cfg.AdminKey.Reveal())}}
	level, err := telemetry.Level(cfg.Log.Level)
	if err != nil {
		return nil, err
	}
	p.level.Set(level)
	log, err := telemetry.LoggerAt(e.stderr, &p.level, cfg.Log.Format)
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
	p.log, p.tel = log, tel
	if err := p.addAdmission(); err != nil {
		return nil, err
	}
	p.group.OnDrain(func() { p.draining.Store(true) })
	return p, nil
}

// addAdmission decides how many calls are let in at once, over HTTP and gRPC together.
func (p *process) addAdmission() error {
	p.admission = overload.New(overload.Options{Cap: p.cfg.Gateway.WithDefaults().MaxInFlight, Changed: func(crowded bool, limit int64) {
		if crowded {
			p.log.Warn("the processors don't keep up: fewer calls are let in, others get 503; give Headgate more processors, or more nodes", "limit", limit)
			return
		}
		p.log.Info("the processors keep up again: as many calls as ever are let in", "limit", limit)
	}})
	p.group.Add(run.Component{Name: "admission", Run: p.admission.Run})
	meter := p.tel.Meter()
	inFlight, err1 := meter.Int64ObservableGauge("headgate.admission.in_flight", metric.WithDescription("Calls under way."))
	limit, err2 := meter.Int64ObservableGauge("headgate.admission.limit",
		metric.WithDescription("How many calls are let in at once: gateway.max_in_flight, less where the processors don't keep up."))
	refused, err3 := meter.Int64ObservableCounter("headgate.admission.refused", metric.WithDescription("Calls refused because of it."))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		n, most, no := p.admission.Read()
		o.ObserveInt64(inFlight, n)
		o.ObserveInt64(limit, most)
		o.ObserveInt64(refused, no)
		return nil
	}, inFlight, limit, refused)
	return err
}

// run starts everything that was added and returns when it has stopped.
func (p *process) run(ctx context.Context) error {
	if err := p.addReload(); err != nil {
		return err
	}
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
	if p.limitsReady != nil {
		if err := p.limitsReady(); err != nil {
			return err
		}
	}
	if p.keyring != nil {
		return p.keyring.Ready()
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

// service is what every service of the mesh has.
type service interface {
	Register(r grpc.ServiceRegistrar)
	Validate(m proto.Message) error
	Run(ctx context.Context) error
}

// peers are the ways to the services, in this process or elsewhere.
type peers struct {
	router, keys, ratelimit, cache, usage grpc.ClientConnInterface
	// batch is nil where there are no batches.
	batch grpc.ClientConnInterface
}

// callers knows the callers' keys: those of the keys service, and the administrator's. The server that asks it is built
// before what it asks is there.
type callers struct{ auth.Verifier }

// VerifyID implements auth.IDVerifier.
func (c *callers) VerifyID(ctx context.Context, id string) (auth.Principal, error) {
	return auth.VerifyID(ctx, c.Verifier, id)
}

// newServer makes the one gRPC server of the process; services are added to it before it is served.
func (p *process) newServer(name string) {
	p.server = rpc.NewServer(rpc.Options{
		Name: name, Logger: p.log, Telemetry: p.tel,
		Verifier:     p.callers,
		Peers:        auth.NewPeerVerifier(auth.Secret(p.cfg.Secret.Reveal())),
		Validate:     p.validate,
		ShareMessage: shared,
		Admission:    p.admission,
		Admitted:     func(method string) bool { return strings.HasPrefix(method, "/headgate.router.v1.") },
		TLS:          p.tls,
		DrainTimeout: p.cfg.Gateway.DrainTime(),
	})
	p.group.OnDrain(p.server.Drain)
}

// validate asks every service whether a message is one of its own and sound.
func (p *process) validate(_ string, m proto.Message) error {
	for _, s := range p.services {
		if err := s.Validate(m); err != nil {
			return err
		}
	}
	return nil
}

// inProcess reaches the services of this process's own server.
func (p *process) inProcess(name string) grpc.ClientConnInterface {
	return peer.InProcess(p.server.InProcess(), peer.Options{Credentials: p.credentials(name), Timeout: p.callTime()})
}

// add registers a service at the server and runs it.
func (p *process) add(name string, s service) {
	s.Register(p.server)
	p.services = append(p.services, s)
	p.group.Add(run.Component{Name: name, Run: s.Run})
}

// hasher makes what is stored of keys.
func (p *process) hasher() *apikey.Hasher {
	return apikey.NewHasher(auth.Secret(p.cfg.Secret.Reveal()))
}

func (p *process) addKeys() error {
	if err := p.makeDataDir(); err != nil {
		return err
	}
	s, err := keys.New(p.cfg.Keys, keys.Deps{Logger: p.log, Hasher: p.hasher(), DataDir: p.cfg.DataDir})
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	p.group.OnDrain(s.Drain)
	p.add("keys", s)
	return nil
}

func (p *process) addRateLimit() error {
	s, err := ratelimit.New(p.cfg.RateLimit, ratelimit.Deps{Logger: p.log, Lookup: p.lookupKey, Usage: p.peers.usage})
	if err != nil {
		return fmt.Errorf("ratelimit: %w", err)
	}
	p.ratelimit = s
	p.group.OnDrain(s.Drain)
	p.add("ratelimit", s)
	return nil
}

// lookupKey finds a key that the caller may see, for the limits it has.
func (p *process) lookupKey(ctx context.Context, id string) (auth.Principal, bool) {
	r, err := keysv1.NewKeyServiceClient(p.peers.keys).GetKey(ctx, &keysv1.GetKeyRequest{Id: id})
	if err != nil {
		return auth.Principal{}, false
	}
	k := r.GetKey()
	return auth.Principal{Name: k.GetName(), Role: k.GetRole(), KeyID: k.GetId(), Tenant: k.GetTenant(), Models: k.GetModels(), Limits: k.GetLimits()}, true
}

func (p *process) addCache() error {
	s, err := cache.New(p.cfg.Cache, cache.Deps{Logger: p.log, Meter: p.tel.Meter()})
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	p.add("cache", s)
	return nil
}

// makeDataDir makes the directory for what has to survive a restart.
func (p *process) makeDataDir() error {
	if err := os.MkdirAll(p.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

func (p *process) addUsage() error {
	if err := p.makeDataDir(); err != nil {
		return err
	}
	s, err := usage.New(p.cfg.Usage, usage.Deps{Logger: p.log, DataDir: p.cfg.DataDir})
	if err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	p.add("usage", s)
	return nil
}

// addBatch adds the batch service. It is added after the router that it asks, so that it stops before.
func (p *process) addBatch() error {
	if err := p.makeDataDir(); err != nil {
		return err
	}
	s, err := batch.New(p.cfg.Batch, batch.Deps{
		Logger: p.log, Meter: p.tel.Meter(), DataDir: p.cfg.DataDir, Router: p.peers.router, Usage: p.peers.usage, RateLimit: p.peers.ratelimit,
	})
	if err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	p.add("batch", s)
	return nil
}

// addKeyring follows the keys service, so that callers' keys are known here.
func (p *process) addKeyring() {
	ring := keyring.New(keysv1.NewKeyServiceClient(p.peers.keys), p.hasher(), keyring.Options{Logger: p.log})
	p.callers.Verifier = auth.FirstOf(ring, auth.NewAdminKey(p.cfg.AdminKey.Reveal()))
	p.keyring = ring
	p.measureKeys(ring)
	p.group.Add(run.Component{Name: "keyring", Run: ring.Run})
}

// measureKeys shows how many keys are known here, and whether the keys service is heard.
func (p *process) measureKeys(ring *keyring.Keyring) {
	known := func(_ context.Context, o metric.Int64Observer) error { o.Observe(int64(ring.Len())); return nil }
	stale := func(_ context.Context, o metric.Int64Observer) error {
		n := int64(0)
		if ring.Stale() {
			n = 1
		}
		o.Observe(n)
		return nil
	}
	_, err1 := p.tel.Meter().Int64ObservableGauge("headgate.keys.known",
		metric.WithDescription("Callers' keys that this process knows."), metric.WithInt64Callback(known))
	_, err2 := p.tel.Meter().Int64ObservableGauge("headgate.keys.stale",
		metric.WithDescription("1 while the keys service can't be heard and known keys are still accepted."), metric.WithInt64Callback(stale))
	if err := errors.Join(err1, err2); err != nil {
		p.log.Warn("no metrics of keys", "error", err)
	}
}

// addRouter adds the router.
func (p *process) addRouter() error {
	prices, err := p.cfg.prices()
	if err != nil {
		return fmt.Errorf("prices: %w", err)
	}
	s, err := router.New(p.cfg.router(), router.Deps{
		Logger: p.log, Tracer: p.tel.Tracer(), Meter: p.tel.Meter(), Version: version,
		RateLimit: p.peers.ratelimit, Cache: p.peers.cache, Usage: p.peers.usage,
		DataDir: p.cfg.DataDir, Secret: auth.Secret(p.cfg.Secret.Reveal()), Prices: prices,
		Spare: p.admission.Spare,
	})
	if err != nil {
		return err
	}
	p.limitsReady, p.router = s.Ready, s
	p.add("router", s)
	return nil
}

// listenGRPC finds the gRPC listener's address; serveGRPC serves it once every service is added.
func (p *process) listenGRPC() error {
	lis, tlsConfig, err := listen.Listen(p.cfg.Listen.GRPC)
	if err != nil {
		return fmt.Errorf("gRPC listener: %w", err)
	}
	p.lis, p.tls = lis, tlsConfig
	return nil
}

func (p *process) serveGRPC() {
	p.group.Add(run.Component{Name: "grpc", Timeout: p.stopTime(), Run: func(ctx context.Context) error {
		return p.server.Serve(ctx, p.lis)
	}})
	p.log.Info("gRPC listens", "addr", p.lis.Addr().String())
}

// shared messages cross the in-process channel by reference: those of the hot path, which nobody changes once they are
// sent.
func shared(m proto.Message) bool {
	switch m.(type) {
	case *routerv1.RelayRequest, *routerv1.RelayResponse,
		*ratelimitv1.ReserveRequest, *ratelimitv1.ReserveResponse, *ratelimitv1.SettleRequest,
		*cachev1.LookupResponse, *cachev1.StoreRequest, *usagev1.IngestRequest:
		return true
	}
	return false
}

// addGateway adds the HTTP gateway in front of the services, and returns its address.
func (p *process) addGateway() (net.Addr, error) {
	service, err := gateway.New(p.cfg.Gateway, gateway.Deps{
		Logger: p.log, Tracer: p.tel.Tracer(), Meter: p.tel.Meter(),
		Verifier: p.callers, Router: p.peers.router, Ready: p.ready, Admission: p.admission,
		Keys: p.peers.keys, RateLimit: p.peers.ratelimit, Cache: p.peers.cache, Usage: p.peers.usage, Batch: p.peers.batch,
		Version: version,
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
