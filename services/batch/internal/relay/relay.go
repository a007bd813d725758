// Package relay asks one line at a time, through the router like any live request: the same models, rules, limits and
// labels, on behalf of the key that made the batch and behind everyone who waits.
package relay

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Relay asks a router. Safe for concurrent use.
type Relay struct {
	router    routerv1.RelayServiceClient
	maxResult int
}

var _ queue.Asker = (*Relay)(nil)

// New returns a Relay over a connection to the router; an answer larger than maxResult is an error.
func New(router grpc.ClientConnInterface, maxResult int64) *Relay {
	return &Relay{router: routerv1.NewRelayServiceClient(router), maxResult: int(maxResult)}
}

// Ask asks a line.
func (r *Relay) Ask(ctx context.Context, b *store.Batch, line int64, body []byte) queue.Answer {
	ctx, cancel := context.WithCancel(steered(ctx, b, line))
	defer cancel()
	a := &answer{batch: b, requestID: result.RequestID(b.ID, line), limit: r.maxResult}
	stream, err := r.router.Relay(ctx, &routerv1.RelayRequest{
		Dialect: b.Dialect, Operation: operation(b.Operation), Body: body, Headers: headers(b.Headers),
	})
	for err == nil && !a.large {
		var m *routerv1.RelayResponse
		if m, err = stream.Recv(); err == nil {
			a.take(m)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return a.judge(err)
}

func operation(o batchv1.BatchOperation) routerv1.Operation {
	if o == batchv1.BatchOperation_BATCH_OPERATION_EMBED {
		return routerv1.Operation_OPERATION_EMBED
	}
	return routerv1.Operation_OPERATION_CHAT
}

func headers(m map[string]string) (list []*routerv1.Header) {
	for name, value := range m {
		list = append(list, &routerv1.Header{Name: name, Value: value})
	}
	return list
}

// steered is the context of a call for a line.
func steered(ctx context.Context, b *store.Batch, line int64) context.Context {
	ctx = auth.WithOnBehalf(meta.WithRequestID(ctx, result.RequestID(b.ID, line)), b.KeyID)
	list := []string{meta.Priority, "batch", meta.Tags, tags(b)}
	if s := label(b.Sensitivity); s != "" {
		list = append(list, meta.Sensitivity, s)
	}
	return metadata.AppendToOutgoingContext(ctx, list...)
}

// tags are the batch's own, and the batch, so that its usage can be found.
func tags(b *store.Batch) string {
	list := []string{"batch=" + b.ID}
	for _, name := range slices.Sorted(maps.Keys(b.Tags)) {
		list = append(list, name+"="+b.Tags[name])
	}
	return strings.Join(list, ",")
}

func label(s llmv1.Sensitivity) string {
	if s == llmv1.Sensitivity_SENSITIVITY_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(strings.TrimPrefix(s.String(), "SENSITIVITY_"))
}
