package remote_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	providerv1 "github.com/headgate-mesh/headgate/gen/provider/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/adapter/remote"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/health"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
)

// watched runs a provider of n endpoints, each with a health service, or without one where n is 0.
func watched(t *testing.T, n int) (*provider.Provider, []*grpchealth.Server, []*service) {
	t.Helper()
	var states []*grpchealth.Server
	var services []*service
	var endpoints []string
	for range max(n, 1) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s, state, server := &service{seen: make(chan metadata.MD, 100)}, grpchealth.NewServer(), grpc.NewServer()
		providerv1.RegisterProviderServiceServer(server, s)
		if n > 0 {
			healthv1.RegisterHealthServer(server, state)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(lis)
		}()
		t.Cleanup(func() {
			server.Stop()
			<-done
		})
		states, services, endpoints = append(states, state), append(services, s), append(endpoints, "http://"+lis.Addr().String())
	}
	p, run, err := remote.New(remote.Config{
		Name: "mine", Endpoints: endpoints, Keys: credential.New([]string{"first", "second"}, nil),
		Health: health.Options{Interval: 5 * time.Millisecond, Timeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		p.Close()
	})
	return p, states, services
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	p, states, _ := watched(t, 1)
	is := func(want bool) func() bool {
		return func() bool {
			healthy, known := p.Healthy()
			return known && healthy == want
		}
	}
	eventually(t, "never well", is(true))
	states[0].SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	eventually(t, "never sick", is(false))
	states[0].SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	eventually(t, "never well again", is(true))
}

// TestWithoutHealthService: a server that can't tell is well while it answers.
func TestWithoutHealthService(t *testing.T) {
	t.Parallel()
	p, _, _ := watched(t, 0)
	eventually(t, "never well", func() bool {
		healthy, known := p.Healthy()
		return known && healthy
	})
}

// TestSickEndpointsGetNoCalls while another one serves.
func TestSickEndpointsGetNoCalls(t *testing.T) {
	t.Parallel()
	p, states, services := watched(t, 2)
	states[0].SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	eventually(t, "the sick one gets calls", func() bool {
		before := len(services[0].seen)
		for range 4 {
			if _, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: "good"}); err != nil {
				t.Fatal(err)
			}
		}
		return len(services[0].seen) == before
	})
}

// TestKeysRest: what a status says of a key.
func TestKeysRest(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{"stranger": "second", "busy": "second", "mistake": "first", "down": "first"} {
		p, _, _ := watched(t, 1)
		_, err := p.Chat(t.Context(), &providerv1.ChatRequest{Model: model})
		if got := p.Keys().Pick(model, time.Now()).Value(); err == nil || got != want {
			t.Errorf("%s: key %s, %v", model, got, err)
		}
		if f := fault.From(err); f.Reason == errorsv1.Reason_REASON_PROVIDER_CREDENTIALS && f.Message != "provider mine refused Headgate's credential (key 1 of 2); the operator has to check providers.mine.api_key" {
			t.Error(f.Message)
		}
	}
}
