package usage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/usage"
)

var began = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newService(t *testing.T, cfg usage.Config, now time.Time) *usage.Service {
	t.Helper()
	s, err := usage.New(cfg, usage.Deps{Logger: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve returns a client of a service. The caller of a call is who the metadata says, as the interceptors would find.
func serve(t *testing.T, s *usage.Service) usagev1.UsageServiceClient {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, m any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if err := s.Validate(m.(proto.Message)); err != nil {
				return nil, fault.Status(err).Err()
			}
			r, err := h(caller(ctx), m)
			return r, fault.Status(err).Err()
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return fault.Status(h(srv, &called{ss, caller(ss.Context())})).Err()
		}))
	s.Register(server)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })
	conn, err := grpc.NewClient("passthrough:usage", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return usagev1.NewUsageServiceClient(conn)
}

type called struct {
	grpc.ServerStream
	ctx context.Context
}

func (c *called) Context() context.Context { return c.ctx }

func caller(ctx context.Context) context.Context {
	who := strings.Split(strings.Join(metadata.ValueFromIncomingContext(ctx, "who"), ""), " ")
	if len(who) != 3 {
		return ctx
	}
	return auth.NewContext(ctx, auth.Principal{Role: accessv1.Role(accessv1.Role_value["ROLE_"+who[0]]), Tenant: who[1], KeyID: who[2]})
}

func as(t *testing.T, role, tenant, key string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "who", role+" "+tenant+" "+key)
}

func event(n int) *usagev1.Event {
	return &usagev1.Event{
		Id: fmt.Sprintf("req_%d/1.x", n), RequestId: fmt.Sprintf("req_%d", n), Tenant: []string{"acme", "globex"}[n%2], KeyId: fmt.Sprintf("key_%d", n%4),
		StartedAt: timestamppb.New(began.Add(time.Duration(n) * time.Second)), Outcome: usagev1.Outcome_OUTCOME_COMPLETE,
		Tokens: &llmv1.TokenUsage{InputTokens: 10, OutputTokens: 1}, CostPicoUsd: proto.Int64(1),
	}
}

func ingest(t *testing.T, c usagev1.UsageServiceClient, from, to int) (inserted int32) {
	t.Helper()
	stream, err := c.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sequence := int64(0)
	for from < to {
		m := &usagev1.IngestRequest{Sequence: sequence}
		for ; from < to && len(m.GetEvents()) < 500; from++ {
			m.Events = append(m.Events, event(from))
		}
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil || answer.GetSequence() != sequence {
			t.Fatal(answer, err)
		}
		inserted += answer.GetInserted()
		sequence++
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return inserted
}

func listed(ctx context.Context, c usagev1.UsageServiceClient, f *usagev1.Filter) (events []*usagev1.Event, err error) {
	stream, err := c.ListEvents(ctx, &usagev1.ListEventsRequest{Filter: f})
	if err != nil {
		return nil, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, m.GetEvent())
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	const n = 1203
	c := serve(t, newService(t, usage.Config{}, began.Add(time.Hour)))
	if got := ingest(t, c, 0, n); got != n {
		t.Errorf("%d inserted", got)
	}
	if got := ingest(t, c, 0, n+1); got != 1 {
		t.Errorf("%d inserted again", got)
	}
	operator := as(t, "ADMIN", "", "admin")
	events, err := listed(operator, c, nil)
	if err != nil || len(events) != n+1 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	for i, e := range events {
		if !proto.Equal(e, event(i)) {
			t.Fatalf("event %d: %v", i, e)
		}
	}
	total, err := c.GetTotals(operator, &usagev1.GetTotalsRequest{})
	if err != nil || total.GetTotal().GetRequests() != n+1 || total.GetTotal().GetCostUsd() != "0.000000001204" {
		t.Errorf("%v %v", total, err)
	}
	sums, err := c.QueryUsage(operator, &usagev1.QueryUsageRequest{GroupBy: []usagev1.Group{usagev1.Group_GROUP_KEY}, Limit: 3})
	if err != nil || len(sums.GetSums()) != 3 || !sums.GetTruncated() {
		t.Errorf("%v %v", sums, err)
	}
	none, err := c.GetTotals(operator, &usagev1.GetTotalsRequest{Filter: &usagev1.Filter{Tenant: "nobody"}})
	if err != nil || !proto.Equal(none.GetTotal(), &usagev1.Sum{CostUsd: "0"}) {
		t.Errorf("%v %v", none, err)
	}
}

// TestWhoSeesWhat asks all three questions as everyone.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	c := serve(t, newService(t, usage.Config{}, began.Add(time.Hour)))
	ingest(t, c, 0, 100)
	for _, test := range []struct {
		role, tenant, key string
		filter            *usagev1.Filter
		want              int64 // -1: refused
	}{
		{"CLIENT", "acme", "key_0", nil, 25},
		{"CLIENT", "globex", "key_0", nil, 0}, // another tenant's key by the same id
		{"CLIENT", "acme", "key_0", &usagev1.Filter{KeyId: "key_2"}, -1},
		{"VIEWER", "acme", "key_9", nil, 50},
		{"VIEWER", "acme", "key_9", &usagev1.Filter{Tenant: "globex"}, -1},
		{"ADMIN", "globex", "key_9", &usagev1.Filter{KeyId: "key_0"}, 0},
		{"ADMIN", "", "admin", nil, 100},
		{"UNSPECIFIED", "acme", "key_0", nil, 25},
	} {
		ctx := as(t, test.role, test.tenant, test.key)
		name := fmt.Sprint(test.role, test.tenant, test.key, test.filter)
		events, listErr := listed(ctx, c, test.filter)
		totals, totalsErr := c.GetTotals(ctx, &usagev1.GetTotalsRequest{Filter: test.filter})
		sums, sumsErr := c.QueryUsage(ctx, &usagev1.QueryUsageRequest{Filter: test.filter})
		for _, err := range []error{listErr, totalsErr, sumsErr} {
			denied := err != nil && fault.From(err).Reason == errorsv1.Reason_REASON_PERMISSION_DENIED
			if denied != (test.want < 0) || (err != nil && !denied) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if test.want < 0 {
			continue
		}
		summed := int64(0)
		for _, s := range sums.GetSums() {
			summed += s.GetRequests()
		}
		if int64(len(events)) != test.want || totals.GetTotal().GetRequests() != test.want || summed != test.want {
			t.Errorf("%s: %d events, %d in total, %d in sums, want %d", name, len(events), totals.GetTotal().GetRequests(), summed, test.want)
		}
	}
	if _, err := c.GetTotals(t.Context(), &usagev1.GetTotalsRequest{}); fault.From(err).Reason != errorsv1.Reason_REASON_PERMISSION_DENIED {
		t.Errorf("nobody: %v", err)
	}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	c := serve(t, newService(t, usage.Config{}, began.Add(time.Hour)))
	ingest(t, c, 0, 100)
	midnight := began.Truncate(24 * time.Hour)
	accounts := []*usagev1.Account{
		{Tenant: "globex", KeyId: "key_1"}, {Tenant: "acme"}, {Tenant: "globex", KeyId: "key_0"}, {Tenant: "acme", KeyId: "key_0"},
	}
	for _, test := range []struct {
		since time.Time
		want  []int64
	}{
		{time.Unix(0, 0), []int64{25, 50, 0, 25}},
		{midnight, []int64{25, 50, 0, 25}},
		{began.Add(40 * time.Second), []int64{15, 30, 0, 15}},
		{midnight.AddDate(0, 0, 1), []int64{0, 0, 0, 0}},
	} {
		got, err := c.GetSpent(t.Context(), &usagev1.GetSpentRequest{Start: timestamppb.New(test.since), Accounts: accounts})
		if err != nil || !slices.Equal(got.GetCostPicoUsd(), test.want) {
			t.Errorf("since %v: %v, want %v: %v", test.since, got.GetCostPicoUsd(), test.want, err)
		}
	}
	_, err := c.GetSpent(t.Context(), &usagev1.GetSpentRequest{Start: timestamppb.New(midnight), Accounts: []*usagev1.Account{{KeyId: "key_0"}}})
	if f := fault.From(err); f.Reason != errorsv1.Reason_REASON_MISSING_FIELD || f.Metadata["field"] != "accounts[0].tenant" {
		t.Errorf("no tenant: %v", err)
	}
}

func TestListEnds(t *testing.T) {
	t.Parallel()
	c := serve(t, newService(t, usage.Config{}, began.Add(10*time.Second)))
	ingest(t, c, 0, 20)
	if events, err := listed(as(t, "ADMIN", "", "admin"), c, nil); err != nil || len(events) != 10 {
		t.Errorf("%d events, want those that began before now: %v", len(events), err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	bad := usage.Config{Retention: time.Hour}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "retention") {
		t.Errorf("an hour: %v", err)
	}
	file := filepath.Join(t.TempDir(), "kept", "ledger.db")
	s := newService(t, usage.Config{Database: file}, began)
	c := serve(t, s)
	ingest(t, c, 0, 2500)
	pruning := newService(t, usage.Config{Database: file, Retention: 24 * time.Hour}, began.Add(24*time.Hour+2400*time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- pruning.Run(ctx) }()
	deadline := time.After(20 * time.Second)
	for left := 2500; left != 100; {
		events, err := listed(as(t, "ADMIN", "", "admin"), c, &usagev1.Filter{End: timestamppb.New(began.Add(time.Hour))})
		if left = len(events); err != nil {
			t.Fatal(err)
		}
		select {
		case <-deadline:
			t.Fatalf("%d left, want 100", left)
		default:
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
