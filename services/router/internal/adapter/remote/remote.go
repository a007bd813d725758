// Package remote is the adapter for providers of kind grpc: anybody's headgate.provider.v1.ProviderService, in any
// language.
package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // the client's side of watching endpoints
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// Kind is the configuration's word for it.
const Kind = "grpc"

// Config is one provider.
type Config struct {
	// Name is the configured name.
	Name string
	// Endpoints are its addresses, http://host:port or https://host:port; they take turns.
	Endpoints []string
	// Keys go as `authorization: Bearer` with calls; nil sends none.
	Keys *credential.Pool
	// Trust is the highest sensitivity the provider may see.
	Trust llmv1.Sensitivity
	// UserAgent goes with every call.
	UserAgent string
	// Health says how it is asked whether it is well.
	Health health.Options
}

// Remote asks a ProviderService. Safe for concurrent use.
type Remote struct {
	cfg    Config
	client providerv1.ProviderServiceClient
	mask   *upstream.Mask
	health checker
}

// New builds the provider, and what asks it whether it is well: the caller runs that. It doesn't connect yet. It fails on
// an address that can't be one.
func New(cfg Config) (p *provider.Provider, run func(context.Context), err error) {
	conn, err := dial(cfg)
	if err != nil {
		return nil, nil, err
	}
	r := &Remote{
		cfg: cfg, client: providerv1.NewProviderServiceClient(conn), mask: upstream.NewMask(cfg.Keys.Values()...),
		health: checker{client: healthv1.NewHealthClient(conn), o: cfg.Health},
	}
	id := provider.Identity{Name: cfg.Name, Kind: Kind, Trust: cfg.Trust}
	p = provider.New(id, r, provider.Options{
		Keys: cfg.Keys, Healthy: r.health.Healthy, Replicas: len(cfg.Endpoints), Close: func() { _ = conn.Close() },
	})
	return p, r.health.Run, nil
}

// dial prepares one connection over all endpoints, which gRPC uses in turn.
func dial(cfg Config) (*grpc.ClientConn, error) {
	var hosts []string
	creds := insecure.NewCredentials()
	for _, endpoint := range cfg.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Hostname() == "" {
			return nil, errors.New("an endpoint must be http://host:port or https://host:port")
		}
		if u.Scheme == "https" {
			creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
		}
		hosts = append(hosts, withPort(u))
	}
	target, several := "dns:///"+hosts[0], endpoints(hosts)
	if len(hosts) > 1 {
		target = several.Scheme() + ":///" + cfg.Name
	}
	return grpc.NewClient(target, grpc.WithResolvers(several), grpc.WithTransportCredentials(creds), grpc.WithUserAgent(cfg.UserAgent), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(serviceConfig(len(hosts) > 1 && cfg.Health.Interval > 0)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(dialect.MaxFrame)))
}

// withPort is an endpoint's host and port; those of the scheme where it names none.
func withPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// endpoints resolves a target to all hosts, each by its own name.
func endpoints(hosts []string) *manual.Resolver {
	var state resolver.State
	for _, host := range hosts {
		address := resolver.Address{Addr: host, ServerName: host}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
		state.Addresses = append(state.Addresses, address)
	}
	r := manual.NewBuilderWithScheme("endpoints")
	r.InitialState(state)
	return r
}

// serviceConfig takes endpoints in turn. Where they are watched, one that says of itself that it doesn't serve gets no
// calls; one without a health service is taken at its connection's word (gRFC A17).
func serviceConfig(watched bool) string {
	if watched {
		return `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}}`
	}
	return `{"loadBalancingConfig":[{"round_robin":{}}]}`
}

// outgoing is the context of a call about a model, and the key that goes with it.
func (r *Remote) outgoing(ctx context.Context, model string) (context.Context, credential.Lease) {
	// The caller's own metadata (its key) stays here.
	md := metadata.MD{}
	key := r.cfg.Keys.Pick(model, time.Now())
	if value := key.Value(); value != "" {
		md.Set("authorization", "Bearer "+value)
	}
	return metadata.NewOutgoingContext(ctx, md), key
}

// Chat implements provider.Typed.
func (r *Remote) Chat(ctx context.Context, q *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	out, key := r.outgoing(ctx, q.GetModel())
	answer, err := r.client.Chat(out, q)
	if err != nil {
		return nil, r.explain(ctx, key, err)
	}
	if answer.GetCompletion().GetMessage() == nil {
		return nil, r.malformed("an answer without a message")
	}
	return answer, nil
}

// StreamChat implements provider.Typed.
func (r *Remote) StreamChat(ctx context.Context, q *providerv1.StreamChatRequest, s provider.Silences, emit provider.Emit) error {
	ctx, watch := upstream.NewWatch(ctx, s.FirstContent, s.Gap)
	defer watch.Stop()
	out, key := r.outgoing(ctx, q.GetModel())
	stream, err := r.client.StreamChat(out, q)
	if err != nil {
		return r.explain(ctx, key, err)
	}
	for {
		watch.Wait()
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.explain(ctx, key, err)
		}
		watch.Progress(provider.Shows(m.GetEvent()))
		if err := emit(m, false); err != nil {
			return err
		}
	}
}

// Embed implements provider.Typed.
func (r *Remote) Embed(ctx context.Context, q *providerv1.EmbedRequest) (*providerv1.EmbedResponse, error) {
	out, key := r.outgoing(ctx, q.GetModel())
	answer, err := r.client.Embed(out, q)
	if err != nil {
		return nil, r.explain(ctx, key, err)
	}
	return answer, nil
}

// CountTokens implements provider.Typed.
func (r *Remote) CountTokens(ctx context.Context, q *providerv1.CountTokensRequest) (*providerv1.CountTokensResponse, error) {
	out, key := r.outgoing(ctx, q.GetModel())
	answer, err := r.client.CountTokens(out, q)
	if err != nil {
		return nil, r.explain(ctx, key, err)
	}
	return answer, nil
}

// ListModels implements provider.Typed.
func (r *Remote) ListModels(ctx context.Context, q *providerv1.ListModelsRequest) (*providerv1.ListModelsResponse, error) {
	out, key := r.outgoing(ctx, "")
	answer, err := r.client.ListModels(out, q)
	if err != nil {
		return nil, r.explain(ctx, key, err)
	}
	return answer, nil
}

// explain turns a status into what the caller may know: the timer that ran out, that the provider can't be reached,
// what it refused, or its own error, its message without credentials.
func (r *Remote) explain(ctx context.Context, key credential.Lease, err error) error {
	var known *fault.Error
	if errors.As(context.Cause(ctx), &known) {
		return known
	}
	if ctx.Err() != nil {
		return fault.From(ctx.Err())
	}
	s := status.Convert(err)
	if s.Code() == codes.Unavailable && len(s.Details()) == 0 {
		return fault.New(errorsv1.Reason_REASON_PROVIDER_UNREACHABLE,
			"provider %s can't be reached; try again, or ask the operator to check its address", r.cfg.Name).
			With("provider", r.cfg.Name).Because(err)
	}
	said := fault.From(err)
	judge(key, s.Code(), said.RetryAfter)
	message := string(r.mask.Bytes([]byte(s.Message())))
	switch s.Code() {
	case codes.Unimplemented:
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "provider %s can't do this: %s", r.cfg.Name, message).With("field", "model")
	case codes.Unauthenticated, codes.PermissionDenied:
		return fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS,
			"provider %s refused Headgate's credential%s; the operator has to check providers.%s.api_key", r.cfg.Name, key.Name(), r.cfg.Name).
			With("provider", r.cfg.Name)
	}
	if said.Reason == errorsv1.Reason_REASON_UNSUPPORTED {
		return said
	}
	failure := fault.New(errorsv1.Reason_REASON_PROVIDER_ERROR, "%s", message).
		With("provider", r.cfg.Name).With("http_status", httpStatus(s.Code())).After(said.RetryAfter)
	if field := said.Metadata["field"]; field != "" {
		failure = failure.With("field", field)
	}
	return failure
}

// judge lets a key rest where the provider's status is about it.
func judge(key credential.Lease, c codes.Code, after time.Duration) {
	switch now := time.Now(); c {
	case codes.ResourceExhausted:
		key.Limited(now, after)
	case codes.Unauthenticated:
		key.Refused(now)
	case codes.PermissionDenied:
		key.Forbidden(now)
	}
}

func (r *Remote) malformed(what string) error {
	return fault.New(errorsv1.Reason_REASON_PROVIDER_MALFORMED,
		"provider %s sent %s; try again, or ask the operator to check it", r.cfg.Name, what).With("provider", r.cfg.Name)
}

// httpStatus is the status that a gRPC code stands for (google/rpc/code.proto).
func httpStatus(c codes.Code) string {
	switch c {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return "400"
	case codes.NotFound:
		return "404"
	case codes.ResourceExhausted:
		return "429"
	case codes.Unavailable:
		return "503"
	case codes.DeadlineExceeded:
		return "504"
	}
	return "500"
}
