package answers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a cache service in memory. It trusts its callers: what it gives out is what was stored under the digest.
type fake struct {
	cachev1.CacheServiceClient

	mu         sync.Mutex
	values     map[string][]byte
	stored     []*cachev1.StoreRequest
	generation string
	lookups    int
	// fail is the error of every call; wait makes lookups wait for their deadline; mixUp answers any lookup with any value.
	fail        error
	wait, mixUp bool
}

func newFake() *fake { return &fake{values: make(map[string][]byte), generation: "generation of 16"} }

var errDown = errors.New("down")

func (f *fake) Lookup(ctx context.Context, r *cachev1.LookupRequest, _ ...grpc.CallOption) (*cachev1.LookupResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.fail != nil:
		return nil, f.fail
	case f.wait:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	value, found := f.values[string(r.GetDigest())]
	if f.mixUp {
		for _, value = range f.values {
			found = true
			break
		}
	}
	return &cachev1.LookupResponse{
		Found: found, Value: value, Generation: []byte(f.generation), StoredAt: timestamppb.New(time.Unix(1000, 0)),
	}, nil
}

func (f *fake) Store(ctx context.Context, r *cachev1.StoreRequest, _ ...grpc.CallOption) (*cachev1.StoreResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	f.stored = append(f.stored, r)
	if string(r.GetGeneration()) != f.generation {
		return &cachev1.StoreResponse{}, nil
	}
	f.values[string(r.GetDigest())] = r.GetValue()
	return &cachev1.StoreResponse{Stored: true}, nil
}

// set changes it while it may be in use.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func newAnswers(t testing.TB, client cachev1.CacheServiceClient, change func(o *Options)) *Answers {
	t.Helper()
	o := Options{Secret: []byte("a secret of thirty-two bytes ...."), Generation: "1"}
	if change != nil {
		change(&o)
	}
	a := New(client, o)
	t.Cleanup(a.Close)
	return a
}

// question is one that uses the cache.
func question(change func(a *Ask)) Ask {
	a := Ask{
		Tenant: "t", Dialect: llmv1.Dialect_DIALECT_OPENAI, Operation: routerv1.Operation_OPERATION_CHAT, Model: "assistant",
		Targets: []Target{{"openai", "gpt-5"}, {"claude", "claude-opus-4-6"}},
		Body:    []byte(`{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Hello"}]}`),
		Stream:  true, Wish: steer.CacheOn,
	}
	if change != nil {
		change(&a)
	}
	return a
}

const (
	frameOne  = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
	frameDone = "data: [DONE]\n\n"
)

// answer is the messages of a complete stream, changed.
func answer(change func(m []*routerv1.RelayResponse)) []*routerv1.RelayResponse {
	m := []*routerv1.RelayResponse{
		{
			Head: &routerv1.RelayHead{
				Status: 200, Stream: true, Provider: "openai", Model: "gpt-5", Attempts: 2, UpstreamRequestId: "up-1",
				Warnings: []string{"seed"},
				Headers:  []*routerv1.Header{{Name: "content-type", Value: "text/event-stream"}, {Name: "x-ratelimit-remaining-tokens", Value: "5"}},
			},
			Data: []byte(frameOne),
		},
		{Data: []byte(frameDone), Trailer: &routerv1.RelayTrailer{
			Complete: true, FinishReason: llmv1.FinishReason_FINISH_REASON_STOP, Usage: &llmv1.TokenUsage{InputTokens: 9, OutputTokens: 1},
		}},
	}
	if change != nil {
		change(m)
	}
	return m
}

// replayed are the messages of a hit.
func replayed(t testing.TB, h *Hit) []*routerv1.RelayResponse {
	t.Helper()
	var sent []*routerv1.RelayResponse
	if err := h.Replay(func(m *routerv1.RelayResponse) error { sent = append(sent, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return sent
}

func joined(messages []*routerv1.RelayResponse) string {
	var all []byte
	for _, m := range messages {
		all = append(all, m.GetData()...)
	}
	return string(all)
}

// fillIt asks, misses, and hands the messages to the fill.
func fillIt(t testing.TB, a *Answers, ask Ask, messages []*routerv1.RelayResponse) {
	t.Helper()
	hit, fill, _ := a.Lookup(t.Context(), ask)
	if hit != nil {
		t.Fatal("a hit")
	}
	for _, m := range messages {
		fill.Take(m)
	}
	fill.Close()
	a.Close()
}
