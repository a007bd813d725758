package sqlite

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// columns are those of an event, in the order of appendRow and scanRow.
const columns = "started, id, request_id, tenant, key_id, model, provider, outcome, " +
	"input, cached, written, output, reasoning, estimated, cost_pico_usd, tags, rest"

const columnCount = 17

// maxCount bounds a count of tokens, so that no provider's nonsense can make a sum overflow.
const maxCount = 1_000_000_000_000

// appendRow appends an event's values.
func appendRow(args []any, e *usagev1.Event) ([]any, error) {
	rest, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 0, 192), restOf(e))
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	tags, err := encodeTags(e.GetTags())
	if err != nil {
		return nil, err
	}
	args = append(args, store.Started(e), e.GetId(), e.GetRequestId(), e.GetTenant(), e.GetKeyId(), e.GetModel(), e.GetProvider(),
		int64(e.GetOutcome()))
	if t := e.GetTokens(); t == nil {
		args = append(args, nil, nil, nil, nil, nil)
	} else {
		args = append(args, bounded(t.InputTokens), bounded(t.CachedInputTokens), bounded(t.CacheWriteTokens),
			bounded(t.OutputTokens), bounded(t.ReasoningTokens))
	}
	args = append(args, e.GetEstimated())
	if e.CostPicoUsd == nil {
		args = append(args, nil)
	} else {
		args = append(args, e.GetCostPicoUsd())
	}
	return append(args, tags, rest), nil
}

func bounded(n int64) int64 { return min(max(n, -maxCount), maxCount) }

// restOf is the fields of an event that have no column, unknown ones of a newer router included.
func restOf(e *usagev1.Event) *usagev1.Event {
	r := &usagev1.Event{
		Attempt: e.GetAttempt(), Dialect: e.GetDialect(), Operation: e.GetOperation(),
		UpstreamModel: e.GetUpstreamModel(), ResponseModel: e.GetResponseModel(), Stream: e.GetStream(),
		Duration: e.GetDuration(), FirstContent: e.GetFirstContent(), Reason: e.GetReason(), HttpStatus: e.GetHttpStatus(),
		FinishReason: e.GetFinishReason(), PriceVersion: e.GetPriceVersion(), UpstreamRequestId: e.GetUpstreamRequestId(),
		Sensitivity: e.GetSensitivity(),
	}
	if x := e.GetTokens().GetExtensions(); len(x) > 0 {
		r.Tokens = &llmv1.TokenUsage{Extensions: x}
	}
	if unknown := e.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		r.ProtoReflect().SetUnknown(unknown)
	}
	return r
}

// encodeTags returns JSON text, nil where there are no tags.
func encodeTags(tags map[string]string) (any, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tags); err != nil {
		return nil, fmt.Errorf("encode tags: %w", err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

// scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }

// scanRow is the reverse of appendRow.
func scanRow(row scanner) (*usagev1.Event, store.Cursor, error) {
	var (
		c                                           store.Cursor
		id, requestID, tenant, keyID, model, vendor string
		outcome                                     int32
		input, cached, written, output, reasoning   *int64
		estimated                                   bool
		cost                                        *int64
		tags                                        *string
		rest                                        []byte
	)
	err := row.Scan(&c.Started, &id, &requestID, &tenant, &keyID, &model, &vendor, &outcome,
		&input, &cached, &written, &output, &reasoning, &estimated, &cost, &tags, &rest)
	if err != nil {
		return nil, c, err
	}
	e := new(usagev1.Event)
	if err := proto.Unmarshal(rest, e); err != nil {
		return nil, c, fmt.Errorf("decode an event: %w", err)
	}
	c.ID = id
	e.Id, e.RequestId, e.Tenant, e.KeyId, e.Model, e.Provider = id, requestID, tenant, keyID, model, vendor
	e.Outcome, e.Estimated, e.CostPicoUsd = usagev1.Outcome(outcome), estimated, cost
	if c.Started != 0 {
		e.StartedAt = &timestamppb.Timestamp{Seconds: c.Started / nanos, Nanos: int32(c.Started % nanos)}
	}
	if input != nil {
		e.Tokens = &llmv1.TokenUsage{
			InputTokens: *input, CachedInputTokens: value(cached), CacheWriteTokens: value(written),
			OutputTokens: value(output), ReasoningTokens: value(reasoning), Extensions: e.GetTokens().GetExtensions(),
		}
	}
	if tags != nil {
		err = json.Unmarshal([]byte(*tags), &e.Tags)
	}
	return e, c, err
}

const nanos = 1_000_000_000

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
