package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/spool"
	"github.com/headgate-mesh/headgate/services/router/internal/ledger"
)

// books is a usage service that keeps events in memory, and fails where it is told to.
type books struct {
	usagev1.UnimplementedUsageServiceServer
	deciding sync.Mutex
	mu       sync.Mutex
	rows     map[string]*usagev1.Event
	again    int
	events   chan struct{}
	// hang, where it isn't nil, is what the first batch waits for.
	hang    chan struct{}
	hanging atomic.Bool
	// decide says, for each batch, what goes wrong; one asks at a time.
	decide func() trouble
}

type trouble int

const (
	none       trouble = iota
	refused            // before anything is kept
	ackLost            // kept, but the answer never arrives
	wrongFirst         // an answer to something else comes first
)

func newBooks(f func() trouble) *books {
	return &books{rows: make(map[string]*usagev1.Event), events: make(chan struct{}, 1), decide: f}
}

// trouble is what goes wrong next.
func (b *books) trouble() trouble {
	b.deciding.Lock()
	defer b.deciding.Unlock()
	return b.decide()
}

func (b *books) Ingest(stream grpc.BidiStreamingServer[usagev1.IngestRequest, usagev1.IngestResponse]) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b.hanging.CompareAndSwap(false, true) && b.hang != nil {
			<-b.hang
		}
		what := b.trouble()
		if what == refused {
			return status.Error(codes.Unavailable, "not now")
		}
		b.keep(m.GetEvents())
		if what == ackLost {
			return status.Error(codes.Unavailable, "cut")
		}
		if what == wrongFirst {
			if err := stream.Send(&usagev1.IngestResponse{Sequence: m.GetSequence() - 1}); err != nil {
				return err
			}
		}
		if err := stream.Send(&usagev1.IngestResponse{Sequence: m.GetSequence()}); err != nil {
			return err
		}
	}
}

func (b *books) keep(events []*usagev1.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		if b.rows[e.GetId()] != nil {
			b.again++
		}
		b.rows[e.GetId()] = e
	}
	select {
	case b.events <- struct{}{}:
	default:
	}
}

func (b *books) row(n int) *usagev1.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[event(n).GetId()]
}

func (b *books) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows)
}

// reaches waits until there are n rows.
func (b *books) reaches(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for b.count() < n {
		select {
		case <-b.events:
		case <-deadline:
			t.Fatalf("%d rows, want %d", b.count(), n)
		}
	}
}

// serve returns a client of a server that ends with the test.
func serve(t *testing.T, b usagev1.UsageServiceServer) usagev1.UsageServiceClient {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	usagev1.RegisterUsageServiceServer(server, b)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })
	conn, err := grpc.NewClient("passthrough:books", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		wg.Wait()
	})
	return usagev1.NewUsageServiceClient(conn)
}

func openSpool(t *testing.T, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// quick are options for tests.
func quick() ledger.Options {
	return ledger.Options{Batch: 7, Linger: time.Millisecond, BackoffMin: time.Millisecond, BackoffMax: 2 * time.Millisecond, Flush: 100 * time.Millisecond}
}

// run starts a ledger; what it returns stops it.
func run(t *testing.T, l *ledger.Ledger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

func event(n int) *usagev1.Event {
	return &usagev1.Event{Id: fmt.Sprintf("req_%d/1.x", n), RequestId: fmt.Sprintf("req_%d", n), Tenant: "acme"}
}

func record(t *testing.T, l *ledger.Ledger, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := l.Record(event(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEachOnce cuts the stream before and behind the service's write, and restarts the router, in 200 rounds: in the end
// every event is there, whatever came how often.
func TestEachOnce(t *testing.T) {
	t.Parallel()
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	random, fate := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
	fine := false
	b := newBooks(func() trouble {
		if fine {
			return none
		}
		return trouble(fate.IntN(4))
	})
	client := serve(t, b)
	dir := t.TempDir()
	n := 0
	for range rounds {
		s := openSpool(t, dir, spool.Options{MaxBytes: 1 << 20})
		l := ledger.New(s, client, quick())
		stop := run(t, l)
		more := random.IntN(30)
		record(t, l, n, n+more)
		n += more
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b.deciding.Lock()
	fine = true
	b.deciding.Unlock()
	s := openSpool(t, dir, spool.Options{MaxBytes: 1 << 20})
	l := ledger.New(s, client, quick())
	stop := run(t, l)
	b.reaches(t, n)
	stop()
	if events, bytes := l.Lag(); events != 0 || bytes != 0 {
		t.Errorf("lag %d events, %d bytes", events, bytes)
	}
	for i := range n {
		if got := b.row(i); !proto.Equal(got, event(i)) {
			t.Fatalf("event %d: %v", i, got)
		}
	}
	if b.count() != n || b.again == 0 {
		t.Errorf("%d rows of %d, %d came again", b.count(), n, b.again)
	}
	t.Logf("%d events, %d of them sent again", n, b.again)
}

// TestCaughtUp: what the process before left behind has to be there, what comes meanwhile hasn't.
func TestCaughtUp(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return none })
	client, dir := serve(t, b), t.TempDir()
	s := openSpool(t, dir, spool.Options{})
	l := ledger.New(s, client, quick())
	if !l.CaughtUp() {
		t.Error("an empty log leaves nothing behind")
	}
	record(t, l, 0, 700)
	if !l.CaughtUp() {
		t.Error("what is written down now is no backlog")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	l = ledger.New(openSpool(t, dir, spool.Options{}), client, quick())
	record(t, l, 700, 710)
	if l.CaughtUp() {
		t.Error("nothing was shipped yet")
	}
	stop := run(t, l)
	defer stop()
	b.reaches(t, 710)
	for deadline := time.Now().Add(10 * time.Second); !l.CaughtUp(); time.Sleep(time.Millisecond) { //nolint:forbidigo // the answer is on its way
		if time.Now().After(deadline) {
			t.Fatal("everything is there, and it doesn't know")
		}
	}
}

func TestAServiceThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hang) }))
	b := newBooks(func() trouble { return none })
	b.hang = hang
	o := quick()
	o.AckTimeout = 20 * time.Millisecond
	l := ledger.New(openSpool(t, t.TempDir(), spool.Options{}), serve(t, b), o)
	stop := run(t, l)
	defer stop()
	record(t, l, 0, 5)
	b.reaches(t, 5)
}

func TestShutdownFlushes(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return none })
	s := openSpool(t, t.TempDir(), spool.Options{})
	o := quick()
	o.Linger, o.Flush = time.Hour, time.Minute
	l := ledger.New(s, serve(t, b), o)
	stop := run(t, l)
	record(t, l, 0, 100)
	stop()
	if events, _ := l.Lag(); events != 0 || b.count() != 100 {
		t.Errorf("%d rows, lag %d", b.count(), events)
	}
}

// TestTheFirstWaitsForNobody: only what comes behind a batch lingers, and not in a log that is filling up.
func TestTheFirstWaitsForNobody(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return none })
	o := quick()
	o.Batch, o.Linger = 1000, time.Hour
	l := ledger.New(openSpool(t, t.TempDir(), spool.Options{MaxBytes: 64 << 10}), serve(t, b), o)
	defer run(t, l)()
	record(t, l, 0, 1)
	b.reaches(t, 1)
	record(t, l, 1, 300) // a segment and more
	b.reaches(t, 200)
}

func TestShutdownWithoutAServiceIsBounded(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return refused })
	dir := t.TempDir()
	s := openSpool(t, dir, spool.Options{})
	l := ledger.New(s, serve(t, b), quick())
	stop := run(t, l)
	record(t, l, 0, 20)
	began := time.Now()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if events, _ := l.Lag(); events != 20 {
		t.Errorf("lag %d", events)
	}
}

func TestFullLog(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return none })
	l := ledger.New(openSpool(t, t.TempDir(), spool.Options{MaxBytes: 64 << 10}), serve(t, b), quick())
	n := 0
	for ; l.Room() == nil; n++ {
		record(t, l, n, n+1)
	}
	wantFull(t, l.Room())
	var err error
	for ; err == nil; n++ {
		err = l.Record(event(n))
	}
	wantFull(t, err)
	stop := run(t, l)
	defer stop()
	b.reaches(t, n-1)
	deadline := time.Now().Add(10 * time.Second)
	for l.Room() != nil {
		if time.Now().After(deadline) {
			t.Fatal("no room after everything was shipped")
		}
	}
}

func wantFull(t *testing.T, err error) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Reason != errorsv1.Reason_REASON_USAGE_LOG_FULL || f.RetryAfter == 0 {
		t.Errorf("error %v", err)
	}
}

func TestRecordMends(t *testing.T) {
	t.Parallel()
	b := newBooks(func() trouble { return none })
	l := ledger.New(openSpool(t, t.TempDir(), spool.Options{}), serve(t, b), quick())
	e := event(1)
	e.Model, e.Tags = "a\xffb", map[string]string{"k\xff": "v\xfe", "fine": "yes"}
	if err := l.Record(e); err != nil {
		t.Fatal(err)
	}
	if e.GetModel() != "a\xffb" {
		t.Error("the caller's event was changed")
	}
	if err := l.Record(&usagev1.Event{}); err == nil {
		t.Error("an event without an id was recorded")
	}
	stop := run(t, l)
	b.reaches(t, 1)
	stop()
	got := b.row(1)
	if got.GetModel() != "a?b" || got.GetTags()["k?"] != "v?" || got.GetTags()["fine"] != "yes" || len(got.GetTags()) != 2 {
		t.Errorf("%v", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	s, err := spool.Open(b.TempDir(), spool.Options{MaxBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	l := ledger.New(s, nil, ledger.Options{})
	e := event(1)
	e.Model, e.Provider, e.UpstreamModel, e.Tags = "assistant", "claude", "claude-opus-4-6", map[string]string{"team": "search"}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Record(e); err != nil {
			b.Fatal(err)
		}
	}
}
