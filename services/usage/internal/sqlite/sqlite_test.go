package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/sqlite"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
	"github.com/headgate-mesh/headgate/services/usage/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a dir?%", "usage.db"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "usage.db")
	for i := range 2 {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Insert(t.Context(), []*usagev1.Event{{Id: "a"}, {Id: fmt.Sprint(i)}}); err != nil || n != 2-i {
			t.Errorf("%d inserted: %v", n, err)
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", suffix, info, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "usage.db")
	if err := os.WriteFile(path, []byte("this is no database, and long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(t.Context(), path); err == nil {
		t.Error("opened", s.Close())
	}
}

func BenchmarkInsert(b *testing.B) {
	for _, keys := range []int{1, 50, 1000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) { benchmarkInsert(b, keys) })
	}
}

func benchmarkInsert(b *testing.B, keys int) {
	s, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "usage.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const rows = 500
	began := time.Now()
	n := 0
	for b.Loop() {
		events := make([]*usagev1.Event, rows)
		for i := range events {
			n++
			events[i] = real(began.Add(time.Duration(n)*time.Millisecond), rand.IntN(keys))
		}
		if added, err := s.Insert(context.Background(), events); err != nil || added != rows {
			b.Fatal(added, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*rows), "us/row")
}

func real(at time.Time, key int) *usagev1.Event {
	id := fmt.Sprintf("req_%016x%08x", rand.Uint64(), rand.Uint32())
	return &usagev1.Event{
		Id: id + "/1.k3v9x2", RequestId: id, Attempt: 1, Tenant: "default", KeyId: fmt.Sprintf("key_%016d", key), Dialect: 1, Operation: "chat",
		Model: "assistant", Provider: "claude", UpstreamModel: "claude-opus-4-6", ResponseModel: "claude-opus-4-6-20260205",
		Stream: true, StartedAt: timestamppb.New(at), Duration: durationpb.New(3 * time.Second), FirstContent: durationpb.New(time.Second),
		Outcome: 1, HttpStatus: 200, FinishReason: 1, Tokens: &llmv1.TokenUsage{InputTokens: 1234, OutputTokens: 345},
		CostPicoUsd: proto.Int64(14_795_000_000), PriceVersion: "2026-09-23", UpstreamRequestId: "req_011CSHoEeqs5C35K2UUqR7Fy",
	}
}
