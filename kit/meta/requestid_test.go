package meta_test

import (
	"context"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/kit/meta"
)

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		id := meta.NewID()
		if len(id) != 28 || !strings.HasPrefix(id, "req_") || !meta.ValidID(id) || seen[id] {
			t.Fatalf("NewID gave %q", id)
		}
		seen[id] = true
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"a": true, "A-z_0.9:x": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "a\n": false, "é": false, "a/b": false, "a\x00": false,
	}
	for id, want := range cases {
		if meta.ValidID(id) != want {
			t.Errorf("ValidID(%q) = %v", id, !want)
		}
	}
}

func TestRequestIDTravelsInContext(t *testing.T) {
	t.Parallel()
	if got := meta.RequestID(context.Background()); got != "" {
		t.Errorf("an empty context gave %q", got)
	}
	if got := meta.RequestID(meta.WithRequestID(context.Background(), "x")); got != "x" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		meta.NewID()
	}
}
