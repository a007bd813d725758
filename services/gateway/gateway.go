// Package gateway is the service that speaks HTTP to clients: the OpenAI and the Anthropic dialect, the native REST
// surface and its description, and MCP for agents. It knows no provider and keeps no state; every request becomes one call to the router.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/overload"
	"github.com/headgate-mesh/headgate/services/gateway/internal/batches"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
	"github.com/headgate-mesh/headgate/services/gateway/internal/front"
	"github.com/headgate-mesh/headgate/services/gateway/internal/mcp"
	"github.com/headgate-mesh/headgate/services/gateway/internal/rest"
)

// Deps are what the gateway is given; those up to Router are required.
type Deps struct {
	Logger   *slog.Logger
	Tracer   trace.Tracer
	Meter    metric.Meter
	Verifier auth.Verifier
	// Router reaches the router, in this process or elsewhere.
	Router grpc.ClientConnInterface
	// Keys, RateLimit, Cache, Usage and Batch reach the services of these names; without one, its routes don't exist.
	Keys, RateLimit, Cache, Usage, Batch grpc.ClientConnInterface
	// Admission lets requests in. Default: as many at once as Config.MaxInFlight.
	Admission *overload.Limiter
	// Ready returns nil while requests are welcome.
	Ready func() error
	// Version is told to MCP clients. Default: dev.
	Version string
}

// Service is the gateway.
type Service struct {
	cfg     Config
	log     *slog.Logger
	handler http.Handler
}

// New builds the gateway.
func New(cfg Config, deps Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if deps.Admission == nil {
		deps.Admission = overload.New(overload.Options{Cap: cfg.MaxInFlight})
	}
	handler, err := routes(cfg, deps)
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, log: deps.Logger, handler: handler}, nil
}

func routes(cfg Config, deps Deps) (http.Handler, error) {
	s := newSurface(cfg, deps)
	mux, err := rest.NewMux(context.Background(), deps.services(), s.refuse)
	if err != nil {
		return nil, err
	}
	if err := s.mount(mux); err != nil {
		return nil, err
	}
	chain, err := front.Chain(s.straight(rest.Streams(mux, s.edges.Limits)), front.Options{
		Logger: deps.Logger, Tracer: deps.Tracer, Meter: deps.Meter, Verifier: deps.Verifier,
		Admission: deps.Admission, Open: open, Refuse: s.refuse,
	})
	if err != nil {
		return nil, err
	}
	return s.preflight(chain), nil
}

func (d Deps) services() rest.Services {
	s := rest.Services{Router: routerv1.NewRouterServiceClient(d.Router)}
	if d.Keys != nil {
		s.Keys = keysv1.NewKeyServiceClient(d.Keys)
	}
	if d.RateLimit != nil {
		s.RateLimit = ratelimitv1.NewRateLimitServiceClient(d.RateLimit)
	}
	if d.Cache != nil {
		s.Cache = cachev1.NewCacheServiceClient(d.Cache)
	}
	if d.Usage != nil {
		s.Usage = usagev1.NewUsageServiceClient(d.Usage)
	}
	if d.Batch != nil {
		s.Batch = batchv1.NewBatchServiceClient(d.Batch)
	}
	return s
}

func newSurface(cfg Config, deps Deps) *surface {
	s := &surface{
		openai:    edge.OpenAI(),
		anthropic: edge.Anthropic(),
		ready:     deps.Ready,
		edges: &edge.Edges{
			Relay:  routerv1.NewRelayServiceClient(deps.Router),
			Router: routerv1.NewRouterServiceClient(deps.Router),
			Limits: edge.Limits{
				MaxBody: int64(cfg.MaxBody), ReadProgress: cfg.ReadProgress, WriteStall: cfg.WriteStall, Heartbeat: cfg.Heartbeat,
			},
		},
	}
	if deps.Batch != nil {
		s.batches = &batches.Edges{
			Batches: batchv1.NewBatchServiceClient(deps.Batch), OpenAI: s.openai, Anthropic: s.anthropic,
			ReadProgress: cfg.ReadProgress, WriteStall: cfg.WriteStall, PublicURL: strings.TrimSuffix(cfg.PublicURL, "/"),
		}
	}
	if !cfg.MCP.Disabled {
		s.mcp = newMCP(cfg, deps, s.edges.Limits)
	}
	return s
}

func newMCP(cfg Config, deps Deps, limits edge.Limits) *mcp.Handler {
	services := deps.services()
	return mcp.New(mcp.Options{
		Logger: deps.Logger, Limits: limits, Version: deps.Version,
		Services: mcp.Services{Router: services.Router, RateLimit: services.RateLimit, Usage: services.Usage, Batch: services.Batch},
		Access:   mcp.Access{Origins: cfg.MCP.AllowedOrigins, Hosts: cfg.MCP.AllowedHosts},
	})
}

// Handler is the whole HTTP surface, for tests and for servers of one's own.
func (s *Service) Handler() http.Handler { return s.handler }

// Serve serves a listener until ctx ends, then lets requests finish within Config.Drain. Streams past it end with an
// error frame, and what doesn't even take that is cut.
func (s *Service) Serve(ctx context.Context, lis net.Listener, tlsConfig *tls.Config) error {
	requests, hurry := context.WithCancelCause(context.WithoutCancel(ctx))
	defer hurry(nil)
	server := s.server(requests, tlsConfig)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- s.stop(server, hurry)
	}()
	var err error
	if tlsConfig != nil {
		err = server.ServeTLS(lis, "", "")
	} else {
		err = server.Serve(lis)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// lastWords is how long clients may take the error frame that ends their stream.
const lastWords = 2 * time.Second

func (s *Service) stop(server *http.Server, hurry context.CancelCauseFunc) error {
	drain := time.AfterFunc(s.cfg.Drain, func() {
		hurry(fault.New(errorsv1.Reason_REASON_OVERLOADED, "Headgate is stopping, and the answer took longer than it could wait; try again"))
	})
	defer drain.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain+lastWords)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

// writeBuffer bounds what the kernel holds for a client that doesn't read (promise S8).
const writeBuffer = 512 << 10

func bounded(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer)
	}
	return ctx
}

func (s *Service) server(requests context.Context, tlsConfig *tls.Config) *http.Server {
	return &http.Server{
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       bounded,
		Handler:           s.handler,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: s.cfg.ReadProgress,
		IdleTimeout:       s.cfg.Idle,
		MaxHeaderBytes:    int(s.cfg.MaxHeader),
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 256,
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
		},
	}
}
