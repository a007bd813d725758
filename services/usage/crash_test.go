package usage_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage"
)

// ingestForEver is the process that is killed: it sends itself batches and prints the last event that was confirmed.
func ingestForEver(dir string) {
	s, err := usage.New(usage.Config{}, usage.Deps{Logger: slog.New(slog.DiscardHandler), DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	s.Register(server)
	go func() { _ = server.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:usage", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stream, err := usagev1.NewUsageServiceClient(conn).Ingest(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n, _ := strconv.Atoi(os.Getenv("USAGE_TEST_FROM"))
	for {
		m := new(usagev1.IngestRequest)
		for range 50 {
			m.Events = append(m.Events, event(n))
			n++
		}
		if err := stream.Send(m); err != nil {
			os.Exit(1)
		}
		if _, err := stream.Recv(); err != nil {
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// TestKilled kills the service while it takes events, many times: what it confirmed is in the ledger, and what keys have
// spent is what the rows there cost.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	confirmed := 0
	for round := range rounds {
		confirmed = killed(t, dir, confirmed, 3+round)
	}
	s, err := usage.New(usage.Config{}, usage.Deps{Logger: slog.New(slog.DiscardHandler), DataDir: dir, Now: func() time.Time { return began.AddDate(1, 0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, s)
	events, err := listed(as(t, "ADMIN", "", "admin"), client, nil)
	if err != nil {
		t.Fatal(err)
	}
	spent, err := client.GetSpent(t.Context(), &usagev1.GetSpentRequest{
		Start: new(timestamppb.Timestamp), Accounts: []*usagev1.Account{{Tenant: "acme"}, {Tenant: "globex"}},
	})
	if err != nil || spent.GetCostPicoUsd()[0]+spent.GetCostPicoUsd()[1] != int64(len(events)) {
		t.Errorf("%v spent by %d events of 1 each: %v", spent.GetCostPicoUsd(), len(events), err)
	}
	there := make(map[string]bool)
	for _, e := range events {
		if there[e.GetId()] {
			t.Errorf("%s is there twice", e.GetId())
		}
		there[e.GetId()] = true
	}
	for i := range confirmed {
		if !there[event(i).GetId()] {
			t.Fatalf("event %d of %d was confirmed and is lost", i, confirmed)
		}
	}
	t.Logf("%d events confirmed in %d rounds, %d there", confirmed, rounds, len(events))
}

// killed runs the process until it has confirmed a number of batches, and returns how many events are confirmed by then.
func killed(t *testing.T, dir string, confirmed, batches int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "USAGE_TEST_DIR="+dir, "USAGE_TEST_FROM="+strconv.Itoa(confirmed))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == batches {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if confirmed, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	return confirmed
}
