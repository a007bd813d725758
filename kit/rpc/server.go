package rpc

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
)

// Server serves the registered services to listeners and in process. Register everything before the first call; from
// then on it is safe for concurrent use. It implements grpc.ServiceRegistrar.
type Server struct {
	options Options
	grpc    *grpc.Server
	inside  *inside
	rules   *auth.Rules
	health  *health.Server

	// hurried ends where calls under way have to end; hurry ends it.
	hurried  context.Context //nolint:containedctx // it is no call's
	hurry    context.CancelCauseFunc
	draining atomic.Bool
	stopped  chan struct{}

	mu       sync.Mutex
	services []string
	serving  healthv1.HealthCheckResponse_ServingStatus
}

// NewServer returns a Server with health and reflection registered, reporting itself as serving.
func NewServer(o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		options: o,
		rules:   auth.NewRules(),
		health:  health.NewServer(),
		serving: healthv1.HealthCheckResponse_SERVING,
		stopped: make(chan struct{}),
	}
	s.hurried, s.hurry = context.WithCancelCause(context.Background())
	unary, stream := chain(interceptors(s.hurried, o, s.rules), messages{validate: o.Validate, maxRecv: o.MaxRecv, maxSend: o.MaxSend})
	s.grpc = grpc.NewServer(append(serverOptions(o), grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))...)
	s.inside = newInside(unary, stream, &cloner{share: o.ShareMessage})
	healthv1.RegisterHealthServer(s, s.health)
	reflection.Register(s)
	return s
}

func serverOptions(o Options) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(o.MaxRecv),
		grpc.MaxSendMsgSize(o.MaxSend),
		grpc.MaxConcurrentStreams(o.MaxConcurrentStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(o.ConnectionTimeout),
		grpc.ReadBufferSize(ioBuffer),
		grpc.WriteBufferSize(ioBuffer),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle:     o.MaxConnectionIdle,
			MaxConnectionAge:      o.MaxConnectionAge,
			MaxConnectionAgeGrace: o.MaxConnectionAgeGrace,
			Time:                  o.KeepaliveTime,
			Timeout:               o.KeepaliveTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	return options
}

// RegisterService registers a service for listeners and in process, and reads from its contract who may call what. A
// service whose descriptor isn't linked in is internal as a whole.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(desc.ServiceName)); err == nil {
		if sd, ok := d.(protoreflect.ServiceDescriptor); ok {
			s.rules.Add(sd)
		}
	}
	s.grpc.RegisterService(desc, impl)
	s.inside.RegisterService(desc, impl)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services = append(s.services, desc.ServiceName)
	s.health.SetServingStatus(desc.ServiceName, s.serving)
}

// GetServiceInfo lists the registered services, for reflection.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// InProcess returns the channel for callers in this process, to be wrapped by peer.InProcess, which evens out what is
// different from a connection. Calls on it are neither counted nor drained by Serve: whoever makes them stops first.
func (s *Server) InProcess() grpc.ClientConnInterface { return s.inside }

// SetServing sets what the health service answers, for the server and each of its services.
func (s *Server) SetServing(serving bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		s.serving = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", s.serving)
	for _, name := range s.services {
		s.health.SetServingStatus(name, s.serving)
	}
}

// Serve accepts connections until ctx ends or Drain is called. Then health says NOT_SERVING, new calls are refused, and the
// calls that run get Options.DrainTimeout, counted from whichever came first, to finish before they are ended with an error,
// and those that don't take that are cut. It closes the listener and returns nil after such a stop, once ctx has ended, or
// the listener's error. Several listeners may be served at once; the first stop ends all of them.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.grpc.Serve(lis) }()
	select {
	case err := <-failed:
		if !s.draining.Load() {
			return ignoreStopped(err)
		}
		failed <- err
		<-ctx.Done()
	case <-ctx.Done():
	}
	s.Drain()
	<-s.stopped
	return ignoreStopped(<-failed)
}

// Drain begins to stop: it returns at once, and Serve waits for the end.
func (s *Server) Drain() {
	if s.draining.CompareAndSwap(false, true) {
		s.health.Shutdown()
		go s.drain()
	}
}

// lastWords is how long calls may take to end with an error, once their time is over.
const lastWords = 2 * time.Second

// drain stops gracefully, ends what takes longer than the drain timeout, and cuts what doesn't end then.
func (s *Server) drain() {
	defer close(s.stopped)
	hurry := time.AfterFunc(s.options.DrainTimeout, func() {
		s.hurry(fault.New(errorsv1.Reason_REASON_OVERLOADED, "Headgate is stopping, and the answer took longer than it could wait; try again"))
	})
	defer hurry.Stop()
	cut := time.AfterFunc(s.options.DrainTimeout+lastWords, s.grpc.Stop)
	defer cut.Stop()
	s.grpc.GracefulStop()
}

func ignoreStopped(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}
