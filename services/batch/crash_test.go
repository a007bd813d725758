package batch_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/peer"
	"github.com/headgate-mesh/headgate/services/batch"
)

// open makes a service whose router is another process's.
func open(dir, router string) (*batch.Service, *grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:"+router, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	calls := peer.InProcess(conn, peer.Options{})
	s, err := batch.New(quick(), batch.Deps{Logger: slog.New(slog.DiscardHandler), DataDir: dir, Router: calls, Usage: calls})
	return s, conn, err
}

// reopened runs a service over what the processes before it have left, until the test ends.
func reopened(t *testing.T, dir, router string) batchv1.BatchServiceClient {
	t.Helper()
	s, conn, err := open(dir, router)
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
	t.Cleanup(func() { cancel(); wg.Wait(); _ = conn.Close() })
	return batchv1.NewBatchServiceClient(serve(t, func(g *grpc.Server) { s.Register(g) }, interceptors(s)...))
}

// workUntilKilled is the process that is killed.
func workUntilKilled(dir, router string) {
	s, _, err := open(dir, router)
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills the service while it asks lines, many times. In the end every line has a result, none was answered
// twice, and those whose answers went with a process say so.
func TestKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills six processes")
	}
	const n, rounds = 2000, 6
	r := newRouter()
	r.answer = func(ctx context.Context, _ *routerv1.RelayRequest, _ string) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(4 * time.Millisecond):
			return nil
		}
	}
	router, dir := listen(t, r), t.TempDir()
	id := prepare(t, dir, router, n)
	for round := range rounds {
		kill(t, dir, router, func() bool { return r.total() > (round+1)*n/(rounds+2) })
	}
	c, acme := reopened(t, dir, router), client(t, "acme")
	b := until(acme, t, c, id, ended)
	r.mu.Lock()
	defer r.mu.Unlock()
	lost, repeated := 0, 0
	list := results(acme, t, c, id)
	for i, line := range list {
		answered := r.answered[line.GetRequestId()]
		interrupted := strings.Contains(line.GetBody(), `"code":"interrupted"`)
		if line.GetLine() != int64(i+1) || answered != 1 || (line.GetOutcome() == batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED) == interrupted {
			t.Errorf("answered %d times: %v", answered, line)
		}
		if interrupted {
			lost++
		}
		if r.asked[line.GetRequestId()] > 1 {
			repeated++
		}
	}
	if len(list) != n || b.GetCounts().GetCompleted() != int64(n-lost) || b.GetCounts().GetFailed() != int64(lost) || lost > 8*rounds {
		t.Errorf("%d results, %d lost: %v", len(list), lost, b)
	}
	t.Logf("%d lines, %d kills: %d answers went with a process, %d lines were asked again", n, rounds, lost, repeated)
}

func (r *router) total() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.asked {
		n += times
	}
	return n
}

// listen serves a router to other processes.
func listen(t *testing.T, r *router) string {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	r.register(server)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })
	t.Cleanup(func() { server.Stop(); wg.Wait() })
	return lis.Addr().String()
}

// prepare makes a batch that nobody carries out yet.
func prepare(t *testing.T, dir, router string, n int) (id string) {
	t.Helper()
	s, conn, err := open(dir, router)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Close(), s.Close() }()
	c := batchv1.NewBatchServiceClient(serve(t, func(g *grpc.Server) { s.Register(g) }, interceptors(s)...))
	return create(client(t, "acme"), t, c, openAILines(n)).GetId()
}

// kill runs the process until it has done enough, and kills it.
func kill(t *testing.T, dir, router string, enough func() bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BATCH_TEST_DIR="+dir, "BATCH_TEST_ROUTER="+router)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !enough() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Error("the process does too little")
			_, _ = cmd.Process.Kill(), cmd.Wait()
			return
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}
