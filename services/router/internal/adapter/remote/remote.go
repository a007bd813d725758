// Package remote is the adapter for providers of kind grpc: anybody's headgate.provider.v1.ProviderService, in any
// language.
package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/headgate-mesh/headgate/dialect"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
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
	// Key goes as `authorization: Bearer` with every call; empty sends none.
	Key string
	// Trust is the highest sensitivity the provider may see.
	Trust llmv1.Sensitivity
	// UserAgent goes with every call.
	UserAgent string
}

// Remote asks a ProviderService. Safe for concurrent use.
type Remote struct {
	cfg    Config
	client providerv1.ProviderServiceClient
	mask   *upstream.Mask
}

// New builds the provider. It doesn't connect yet. It fails on an address that can't be one.
func New(cfg Config) (*provider.Provider, error) {
	conn, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	r := &Remote{cfg: cfg, client: providerv1.NewProviderServiceClient(conn), mask: upstream.NewMask(cfg.Key)}
	id := provider.Identity{Name: cfg.Name, Kind: Kind, Trust: cfg.Trust}
	return provider.New(id, r, provider.Options{Close: func() { _ = conn.Close() }}), nil
}

// dial prepares one connection over all endpoints, which gRPC uses in turn.
func dial(cfg Config) (*grpc.ClientConn, error) {
	var hosts []string
	creds := insecure.NewCredentials()
	for _, endpoint := range cfg.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" {
			return nil, errors.New("an endpoint must be http://host:port or https://host:port")
		}
		if u.Scheme == "https" {
			creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
		}
		hosts = append(hosts, u.Host)
	}
	return grpc.NewClient(target(hosts), grpc.WithTransportCredentials(creds), grpc.WithUserAgent(cfg.UserAgent), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(dialect.MaxFrame)))
}

func target(hosts []string) string {
	if len(hosts) == 1 {
		return "dns:///" + hosts[0]
	}
	return "ipv4:" + strings.Join(hosts, ",")
}

func (r *Remote) outgoing(ctx context.Context) context.Context {
	// The caller's own metadata (its key) stays here.
	md := metadata.MD{}
	if r.cfg.Key != "" {
		md.Set("authorization", "Bearer "+r.cfg.Key)
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// Chat implements provider.Typed.
func (r *Remote) Chat(ctx context.Context, q *providerv1.ChatRequest) (*providerv1.ChatResponse, error) {
	answer, err := r.client.Chat(r.outgoing(ctx), q)
	if err != nil {
		return nil, r.explain(ctx, err)
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
	stream, err := r.client.StreamChat(r.outgoing(ctx), q)
	if err != nil {
		return r.explain(ctx, err)
	}
	for {
		watch.Wait()
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.explain(ctx, err)
		}
		watch.Progress(provider.Shows(m.GetEvent()))
		if err := emit(m, false); err != nil {
			return err
		}
	}
}

// Embed implements provider.Typed.
func (r *Remote) Embed(ctx context.Context, q *providerv1.EmbedRequest) (*providerv1.EmbedResponse, error) {
	answer, err := r.client.Embed(r.outgoing(ctx), q)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return answer, nil
}

// CountTokens implements provider.Typed.
func (r *Remote) CountTokens(ctx context.Context, q *providerv1.CountTokensRequest) (*providerv1.CountTokensResponse, error) {
	answer, err := r.client.CountTokens(r.outgoing(ctx), q)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return answer, nil
}

// ListModels implements provider.Typed.
func (r *Remote) ListModels(ctx context.Context, q *providerv1.ListModelsRequest) (*providerv1.ListModelsResponse, error) {
	answer, err := r.client.ListModels(r.outgoing(ctx), q)
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return answer, nil
}

// explain turns a status into what the caller may know: the timer that ran out, that the provider can't be reached,
// what it refused, or its own error, its message without credentials.
func (r *Remote) explain(ctx context.Context, err error) error {
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
	message := string(r.mask.Bytes([]byte(s.Message())))
	switch s.Code() {
	case codes.Unimplemented:
		return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "provider %s can't do this: %s", r.cfg.Name, message).With("field", "model")
	case codes.Unauthenticated, codes.PermissionDenied:
		return fault.New(errorsv1.Reason_REASON_PROVIDER_CREDENTIALS,
			"provider %s refused Headgate's credential; the operator has to check providers.%s.api_key", r.cfg.Name, r.cfg.Name).
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
