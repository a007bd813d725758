package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/tests/mesh"
)

// together calls f for 0..n-1 from a few goroutines.
func together(workers, n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func dial(t *testing.T, m *mesh.Mesh) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(m.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const openAITools = `,"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}}}]`

const anthropicTools = `,"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}}]`

// body is a request of a dialect.
func body(dialect, model string, round int, tools, whole bool) (path, text string) {
	prompt, extra := label(round)+" Explain RAG", ""
	if tools {
		prompt = label(round) + " use tool weather"
		if extra = openAITools; dialect == "anthropic" {
			extra = anthropicTools
		}
	}
	path = "/v1/chat/completions"
	if dialect == "anthropic" {
		path, extra = "/v1/messages", extra+`,"max_tokens":8000`
	}
	return path, fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":%q}]%s}`, model, !whole, prompt, extra)
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// serve serves a provider until the test ends and returns its address.
func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// start starts a mesh; when it is to end, no connection of ours is left that it would wait for.
func start(t *testing.T, o mesh.Options) *mesh.Mesh {
	t.Helper()
	m := mesh.Start(t, o)
	t.Cleanup(client.CloseIdleConnections)
	return m
}

func request(ctx context.Context, m *mesh.Mesh, path, body string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL(path), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+mesh.Key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("Content-Type", "application/json")
	return req
}

func withKey(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+mesh.Key)
}

func prompt(text string) *llmv1.Prompt {
	return &llmv1.Prompt{Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Kind: &llmv1.Part_Text{Text: &llmv1.TextPart{Text: text}}}},
	}}}
}
