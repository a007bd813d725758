package meta_test

import (
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/headgate-mesh/headgate/kit/meta"
)

func TestIncoming(t *testing.T) {
	t.Parallel()
	md := metadata.Pairs(meta.Route, "fast")
	ctx := metadata.NewIncomingContext(t.Context(), md)
	own := meta.WithIncoming(t.Context(), "req_a", md)
	cases := map[string]struct {
		got  metadata.MD
		want int
	}{
		"none":               {meta.Incoming(t.Context()), 0},
		"gRPC's own":         {meta.Incoming(ctx), 1},
		"an incoming call's": {meta.Incoming(own), 1},
		"under another id":   {meta.Incoming(meta.WithRequestID(ctx, "req_b")), 1},
	}
	for name, c := range cases {
		if len(c.got) != c.want || (c.want == 1 && c.got[meta.Route][0] != "fast") {
			t.Errorf("%s: got %v", name, c.got)
		}
	}
	if id := meta.RequestID(own); id != "req_a" {
		t.Errorf("the id is %q", id)
	}
	if got := meta.Incoming(own); &got[meta.Route][0] != &md[meta.Route][0] {
		t.Error("reading it copies it")
	}
}
