package relay

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Ledger asks the usage service. Safe for concurrent use.
type Ledger struct{ usage usagev1.UsageServiceClient }

var _ queue.Ledger = (*Ledger)(nil)

// NewLedger returns a Ledger over a connection to the usage service.
func NewLedger(usage grpc.ClientConnInterface) *Ledger {
	return &Ledger{usage: usagev1.NewUsageServiceClient(usage)}
}

// before allows for clocks that differ.
const before = time.Minute

// Answered reports whether the ledger has a complete answer to a line that was begun at a time. A key that isn't valid
// any more sees nothing: its lines aren't asked again either, since the router refuses them.
func (l *Ledger) Answered(ctx context.Context, b *store.Batch, line int64, begun time.Time) (bool, error) {
	ctx, cancel := context.WithCancel(auth.WithOnBehalf(ctx, b.KeyID))
	defer cancel()
	stream, err := l.usage.ListEvents(ctx, &usagev1.ListEventsRequest{Filter: &usagev1.Filter{
		RequestId: result.RequestID(b.ID, line), Start: timestamppb.New(begun.Add(-before)),
	}})
	for err == nil {
		var m *usagev1.ListEventsResponse
		if m, err = stream.Recv(); err == nil && m.GetEvent().GetOutcome() == usagev1.Outcome_OUTCOME_COMPLETE {
			return true, nil
		}
	}
	if errors.Is(err, io.EOF) || fault.From(err).Reason == errorsv1.Reason_REASON_INVALID_API_KEY {
		return false, nil
	}
	return false, err
}
