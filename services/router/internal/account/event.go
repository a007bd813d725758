package account

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
)

// nonce tells calls apart whose callers chose the same request id: 60 bits of the runtime's ChaCha8 generator.
func nonce() string { return strconv.FormatUint(rand.Uint64()>>4, 36) } //nolint:gosec // it is no secret

// event is what every row of the call has.
func (c *Call) event(attempt int32) *usagev1.Event {
	return &usagev1.Event{
		Id:        c.requestID + "/" + strconv.Itoa(int(attempt)) + "." + c.nonce,
		RequestId: c.requestID, Attempt: attempt,
		Tenant: c.principal.Account(), KeyId: c.principal.KeyID,
		Dialect: c.ask.Dialect, Operation: c.ask.Operation, Model: c.ask.Model, Stream: c.ask.Stream,
		Tags: c.ask.Wishes.Tags, Sensitivity: c.ask.Wishes.Sensitivity,
	}
}

func (c *Call) time(e *usagev1.Event, began time.Time) {
	e.StartedAt, e.Duration = timestamppb.New(began), durationpb.New(time.Since(began))
}

// write keeps the row. Where even that fails, the log is the last place that knows what was consumed.
func (c *Call) write(e *usagev1.Event) {
	if c.desk.Ledger == nil {
		return
	}
	if err := c.desk.Ledger.Record(e); err != nil {
		c.desk.Logger.Error("an attempt can't be written down", "error", err, "event", e.GetId(), "key", e.GetKeyId(),
			slog.Int64("input_tokens", e.GetTokens().GetInputTokens()), slog.Int64("output_tokens", e.GetTokens().GetOutputTokens()))
	}
}
