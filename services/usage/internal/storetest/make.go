package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

var epoch = time.Date(2026, 2, 27, 22, 30, 0, 0, time.UTC)

// event is a plain one, a minute after the one before it.
func event(n int, change ...func(*usagev1.Event)) *usagev1.Event {
	e := &usagev1.Event{
		Id: fmt.Sprintf("req_%06d/1.abc", n), RequestId: fmt.Sprintf("req_%06d", n), Attempt: 1,
		Tenant: "acme", KeyId: "key_1", Model: "assistant", Provider: "claude",
		StartedAt: timestamppb.New(epoch.Add(time.Duration(n) * time.Minute)), Outcome: usagev1.Outcome_OUTCOME_COMPLETE,
		Tokens: &llmv1.TokenUsage{InputTokens: 100, OutputTokens: 10}, CostPicoUsd: proto.Int64(1_000_000),
	}
	for _, c := range change {
		c(e)
	}
	return e
}

// random is an event like those of a busy day.
func random(r *rand.Rand, n int) *usagev1.Event {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	return event(n, func(e *usagev1.Event) {
		e.RequestId = fmt.Sprintf("req_%06d", n/(1+r.IntN(3)))
		e.Tenant, e.KeyId = pick("acme", "globex", "default"), pick("key_1", "key_2", "key_3", "key_4")
		e.Model, e.Provider = pick("assistant", "gpt-5", "private"), pick("claude", "openai", "gpus", "")
		e.StartedAt = timestamppb.New(epoch.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour)))))
		e.Outcome = usagev1.Outcome(1 + r.Int32N(6))
		e.Estimated = r.IntN(5) == 0
		e.CostPicoUsd = nil
		if r.IntN(4) > 0 {
			e.CostPicoUsd = proto.Int64(r.Int64N(1 << uint(r.IntN(60))))
		}
		switch r.IntN(6) {
		case 0:
			e.Tokens = nil
		case 1:
			e.Tokens = &llmv1.TokenUsage{}
		default:
			e.Tokens = &llmv1.TokenUsage{
				InputTokens: r.Int64N(1e6), CachedInputTokens: r.Int64N(1e5), CacheWriteTokens: r.Int64N(1e5),
				OutputTokens: r.Int64N(1e5), ReasoningTokens: r.Int64N(1e4),
			}
		}
		if r.IntN(2) == 0 {
			e.Tags = map[string]string{"team": pick("search", "ads", ""), "feature": pick("x", "y")}
		}
	})
}

func insert(t *testing.T, s store.Store, events ...*usagev1.Event) int {
	t.Helper()
	n, err := s.Insert(t.Context(), events)
	if err != nil {
		t.Fatalf("insert: %v", err)
	}
	return n
}

// list reads everything that matches in pages of a size.
func list(t *testing.T, s store.Store, f store.Filter, size int) (events []*usagev1.Event) {
	t.Helper()
	var at store.Cursor
	for {
		page, next, err := s.Page(t.Context(), f, at, size)
		if err != nil {
			t.Fatalf("page: %v", err)
		}
		events = append(events, page...)
		if len(page) < size {
			return events
		}
		at = next
	}
}

func sums(t *testing.T, s store.Store, q store.Query) []*usagev1.Sum {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 10_000
	}
	list, truncated, err := s.Sums(t.Context(), q)
	if err != nil || truncated {
		t.Fatalf("sums: truncated %t, %v", truncated, err)
	}
	return list
}

func same(t *testing.T, what string, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// fill sets every field of a message to something.
func fill(m protoreflect.Message, n int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOfString("name").MapKey(), protoreflect.ValueOfString(`"v"`))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), n+i)
		default:
			m.Set(f, sample(f, int64(n+i+1)))
		}
	}
}

func sample(f protoreflect.FieldDescriptor, n int64) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("text %d", n))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	default:
		return protoreflect.ValueOfInt64(n)
	}
}
