package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/services/batch"
)

// router is a fake of both services that lines need. It answers every request with the custom text of its body, and
// counts who was asked how often.
type router struct {
	routerv1.UnimplementedRelayServiceServer
	usagev1.UnimplementedUsageServiceServer

	// answer, where it is set, replaces the answer; returning nil keeps it.
	answer func(ctx context.Context, r *routerv1.RelayRequest, id string) error

	// forgets keeps nothing of what was asked.
	forgets bool
	// jobs, where they are set, are its batch APIs.
	jobs *jobs

	mu       sync.Mutex
	asked    map[string]int
	answered map[string]int
	seen     map[string]metadata.MD
	requests map[string]*routerv1.RelayRequest
	flying   int
	most     int
}

func newRouter() *router {
	return &router{
		asked: map[string]int{}, answered: map[string]int{}, seen: map[string]metadata.MD{}, requests: map[string]*routerv1.RelayRequest{},
	}
}

// reply is an error that stands for an answer of a provider.
type reply struct {
	status int32
	body   string
	header []*routerv1.Header
}

func (r *reply) Error() string { return r.body }

func (r *router) Relay(in *routerv1.RelayRequest, out grpc.ServerStreamingServer[routerv1.RelayResponse]) error {
	md, _ := metadata.FromIncomingContext(out.Context())
	id := strings.Join(md.Get(meta.XRequestID), "")
	r.begin(id, md, in)
	defer r.end()
	answer := &reply{status: 200, body: `{"id":"` + id + `"}`}
	if r.answer != nil {
		if err := r.answer(out.Context(), in, id); err != nil && !errors.As(err, &answer) {
			return fault.Status(err).Err()
		}
	}
	if answer.status == 200 && !r.forgets {
		r.mu.Lock()
		r.answered[id]++
		r.mu.Unlock()
	}
	half := len(answer.body) / 2
	if err := out.Send(&routerv1.RelayResponse{Head: &routerv1.RelayHead{Status: answer.status, Headers: answer.header}, Data: []byte(answer.body[:half])}); err != nil {
		return err
	}
	return out.Send(&routerv1.RelayResponse{Data: []byte(answer.body[half:]), Trailer: &routerv1.RelayTrailer{
		Complete: true, Usage: &llmv1.TokenUsage{InputTokens: 3, OutputTokens: 2},
	}})
}

func (r *router) begin(id string, md metadata.MD, in *routerv1.RelayRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying++
	r.most = max(r.most, r.flying)
	if r.forgets {
		return
	}
	r.asked[id]++
	r.seen[id], r.requests[id] = md, in
}

func (r *router) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying--
}

// ListEvents tells what was answered, as the ledger would.
func (r *router) ListEvents(in *usagev1.ListEventsRequest, out grpc.ServerStreamingServer[usagev1.ListEventsResponse]) error {
	id := in.GetFilter().GetRequestId()
	r.mu.Lock()
	n := r.answered[id]
	r.mu.Unlock()
	if n == 0 {
		return nil
	}
	return out.Send(&usagev1.ListEventsResponse{Event: &usagev1.Event{RequestId: id, Outcome: usagev1.Outcome_OUTCOME_COMPLETE}})
}

func (r *router) register(s *grpc.Server) {
	routerv1.RegisterRelayServiceServer(s, r)
	usagev1.RegisterUsageServiceServer(s, r)
	if r.jobs != nil {
		routerv1.RegisterJobServiceServer(s, r.jobs)
	}
}

// serve serves within the process and returns a connection; both end with the test.
func serve(t testing.TB, register func(*grpc.Server), o ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer(o...)
	register(server)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })
	conn, err := grpc.NewClient("passthrough:test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		wg.Wait()
	})
	return conn
}

// start runs a service over a router, and returns a client of it.
func start(t testing.TB, dir string, cfg batch.Config, r *router) batchv1.BatchServiceClient {
	t.Helper()
	conn := peer.InProcess(serve(t, r.register), peer.Options{})
	s, err := batch.New(cfg, batch.Deps{Logger: slog.New(slog.DiscardHandler), DataDir: dir, Router: conn, Usage: conn})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return batchv1.NewBatchServiceClient(serve(t, func(g *grpc.Server) { s.Register(g) }, interceptors(s)...))
}

func interceptors(s *batch.Service) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, m any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if err := s.Validate(m.(proto.Message)); err != nil {
				return nil, fault.Status(err).Err()
			}
			r, err := h(caller(ctx), m)
			return r, fault.Status(err).Err()
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return fault.Status(h(srv, &called{ss, caller(ss.Context()), s})).Err()
		}),
	}
}

type called struct {
	grpc.ServerStream
	ctx     context.Context
	service *batch.Service
}

func (c *called) Context() context.Context { return c.ctx }

func (c *called) RecvMsg(m any) error {
	if err := c.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return c.service.Validate(m.(proto.Message))
}

// caller is who the metadata says, as the interceptors would find.
func caller(ctx context.Context) context.Context {
	who := strings.Split(strings.Join(metadata.ValueFromIncomingContext(ctx, "who"), ""), " ")
	if len(who) < 3 {
		return ctx
	}
	p := auth.Principal{Role: accessv1.Role(accessv1.Role_value["ROLE_"+who[0]]), Tenant: who[1], KeyID: who[2], Models: who[3:]}
	return auth.NewContext(ctx, p)
}

func as(ctx context.Context, role, tenant, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "who", role+" "+tenant+" "+key)
}

// client is the context of a client of a tenant.
func client(t testing.TB, tenant string) context.Context {
	return as(t.Context(), "CLIENT", tenant, "key_"+tenant)
}

// upload uploads a file, in pieces that cut through lines, with more descriptions behind.
func upload(ctx context.Context, c batchv1.BatchServiceClient, d *batchv1.FileDescription, content io.Reader, behind ...*batchv1.FileDescription) (*batchv1.File, error) {
	stream, err := c.CreateFile(ctx)
	if err != nil {
		return nil, err
	}
	describe := func(d *batchv1.FileDescription) error {
		return stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Description{Description: d}})
	}
	err = describe(d)
	for part := make([]byte, 100_001); err == nil; {
		var n int
		n, err = io.ReadFull(content, part)
		if n > 0 {
			if sent := stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Data{Data: part[:n]}}); sent != nil {
				err = sent
			}
		}
	}
	for _, d := range behind {
		_ = describe(d) // the answer tells what is wrong
	}
	r, err := stream.CloseAndRecv()
	return r.GetFile(), err
}

func openAIFile() *batchv1.FileDescription {
	return &batchv1.FileDescription{Filename: "in.jsonl", Format: batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES}
}

// openAILines are good lines, named l1, l2...
func openAILines(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `{"custom_id":"l%d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"%d"}]}}`+"\n", i, i)
	}
	return b.String()
}

// create uploads lines and makes a batch of them.
func create(ctx context.Context, t testing.TB, c batchv1.BatchServiceClient, content string, more ...func(*batchv1.CreateBatchRequest)) *batchv1.Batch {
	t.Helper()
	f, err := upload(ctx, c, openAIFile(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r := &batchv1.CreateBatchRequest{InputFileId: f.GetId()}
	for _, m := range more {
		m(r)
	}
	b, err := c.CreateBatch(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return b.GetBatch()
}

// until polls a batch until it is as wanted.
func until(ctx context.Context, t testing.TB, c batchv1.BatchServiceClient, id string, is func(*batchv1.Batch) bool) *batchv1.Batch {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := c.GetBatch(ctx, &batchv1.GetBatchRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		if is(r.GetBatch()) {
			return r.GetBatch()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the batch stays %v", r.GetBatch())
		}
		<-tick.C
	}
}

func ended(b *batchv1.Batch) bool { return b.GetEndedAt() != nil }

func results(ctx context.Context, t testing.TB, c batchv1.BatchServiceClient, id string) (list []*batchv1.StreamResultsResponse) {
	t.Helper()
	stream, err := c.StreamResults(ctx, &batchv1.StreamResultsRequest{Id: id})
	for err == nil {
		var r *batchv1.StreamResultsResponse
		if r, err = stream.Recv(); err == nil {
			list = append(list, r)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return list
}

func content(ctx context.Context, t testing.TB, c batchv1.BatchServiceClient, id string) string {
	t.Helper()
	var b strings.Builder
	stream, err := c.ReadFile(ctx, &batchv1.ReadFileRequest{Id: id})
	for err == nil {
		var r *batchv1.ReadFileResponse
		if r, err = stream.Recv(); err == nil {
			b.Write(r.GetData())
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b.String()
}
