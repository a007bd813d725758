package answers_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/answers"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

// shelf is a cache service of one answer.
type shelf struct {
	cachev1.CacheServiceClient

	value []byte
}

func (s *shelf) Lookup(context.Context, *cachev1.LookupRequest, ...grpc.CallOption) (*cachev1.LookupResponse, error) {
	return &cachev1.LookupResponse{Found: s.value != nil, Value: s.value, Generation: []byte("since the start.")}, nil
}

func (s *shelf) Store(_ context.Context, r *cachev1.StoreRequest, _ ...grpc.CallOption) (*cachev1.StoreResponse, error) {
	s.value = r.GetValue()
	return &cachev1.StoreResponse{Stored: true}, nil
}

// relay is what a relay does with each call.
func relay(ctx context.Context, a *answers.Answers, ask answers.Ask, send func(*routerv1.RelayResponse) error) error {
	hit, fill, ahead := a.Lookup(ctx, ask)
	if ahead != nil { // somebody asks the same already
		hit, fill = ahead.Wait(ctx, time.Minute)
	}
	if hit != nil {
		return hit.Replay(send)
	}
	defer fill.Close() // whatever goes wrong from here on, nothing of it is kept
	for _, m := range provider() {
		if err := send(m); err != nil {
			return err
		}
		fill.Take(m)
	}
	return nil
}

// provider answers with a stream of two frames.
func provider() []*routerv1.RelayResponse {
	fmt.Println("the provider is asked")
	return []*routerv1.RelayResponse{
		{Head: &routerv1.RelayHead{Status: 200, Stream: true, Provider: "openai", Model: "gpt-5"}, Data: []byte("data: Hi\n\n")},
		{Data: []byte("data: [DONE]\n\n"), Trailer: &routerv1.RelayTrailer{Complete: true}},
	}
}

func Example() {
	a := answers.New(&shelf{}, answers.Options{Secret: []byte("derived from the root secret"), Generation: "digest of the configuration"})
	ask := answers.Ask{
		Tenant: "acme", Model: "assistant", Targets: []answers.Target{{Provider: "openai", Model: "gpt-5"}},
		Body: []byte(`{"model":"assistant","stream":true}`), Stream: true, Wish: steer.CacheOn, TTL: time.Hour,
	}
	for range 2 {
		if err := relay(context.Background(), a, ask, func(m *routerv1.RelayResponse) error {
			fmt.Printf("%q\n", m.GetData())
			return nil
		}); err != nil {
			fmt.Println(err)
		}
		a.Close() // waits for the answer to be kept; a relay does so when it ends
	}
	// Output:
	// the provider is asked
	// "data: Hi\n\n"
	// "data: [DONE]\n\n"
	// "data: Hi\n\ndata: [DONE]\n\n"
}
