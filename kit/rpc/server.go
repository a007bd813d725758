package rpc

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/headgate-mesh/headgate/kit/auth"
)

// Server serves the registered services to listeners and in process. Register everything before the first call; from
// then on it is safe for concurrent use. It implements grpc.ServiceRegistrar.
type Server struct {
	options Options
	grpc    *grpc.Server
	inside  *inside
	rules   *auth.Rules
	health  *health.Server

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
	}
	unary, stream := chain(interceptors(o, s.rules), messages{validate: o.Validate, maxRecv: o.MaxRecv, maxSend: o.MaxSend})
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

// Serve accepts connections until ctx ends. Then health says NOT_SERVING, new calls are refused, and the calls that run
// get Options.DrainTimeout to finish before they are cancelled. It closes the listener and returns nil after such a
// stop, or the listener's error. Several listeners may be served at once; the first stop ends all of them.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.grpc.Serve(lis) }()
	select {
	case err := <-failed:
		return ignoreStopped(err)
	case <-ctx.Done():
	}
	s.drain()
	return ignoreStopped(<-failed)
}

// drain stops gracefully, then, after the drain timeout, at once.
func (s *Server) drain() {
	s.health.Shutdown()
	hurry := time.AfterFunc(s.options.DrainTimeout, s.grpc.Stop)
	defer hurry.Stop()
	s.grpc.GracefulStop()
}

func ignoreStopped(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}
