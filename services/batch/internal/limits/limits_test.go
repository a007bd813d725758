package limits_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/limits"
)

// service answers GetQuota; it is a connection and its other end in one.
type service struct {
	grpc.ClientConnInterface

	balances []*ratelimitv1.Balance
	err      error
}

func (s *service) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	reply.(*ratelimitv1.GetQuotaResponse).Balances = s.balances
	return s.err
}

func limit(d ratelimitv1.Dimension, most, left int64) *ratelimitv1.Balance {
	return &ratelimitv1.Balance{
		Scope: ratelimitv1.ScopeKind_SCOPE_KIND_TENANT, Dimension: d, Limit: most, Remaining: left, ResetAfter: durationpb.New(time.Hour),
	}
}

const (
	requests = ratelimitv1.Dimension_DIMENSION_REQUESTS
	tokens   = ratelimitv1.Dimension_DIMENSION_TOKENS
	budget   = ratelimitv1.Dimension_DIMENSION_BUDGET
)

func TestOpen(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		service *service
		shut    bool
	}{
		"no limits":           {service: &service{}},
		"money left":          {service: &service{balances: []*ratelimitv1.Balance{limit(budget, 10, 1)}}},
		"no money left":       {service: &service{balances: []*ratelimitv1.Balance{limit(tokens, 10, -5), limit(budget, 10, 0)}}, shut: true},
		"not opened yet":      {service: &service{balances: []*ratelimitv1.Balance{{Dimension: budget, Limit: 10, Unopened: true}}}},
		"overdrawn":           {service: &service{balances: []*ratelimitv1.Balance{limit(budget, 10, -3)}}, shut: true},
		"no requests left":    {service: &service{balances: []*ratelimitv1.Balance{limit(requests, 10, 0)}}},
		"nobody is there":     {service: &service{err: errors.New("away")}},
		"an answer too early": {service: &service{balances: []*ratelimitv1.Balance{limit(budget, 10, 0)}, err: errors.New("cut")}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := limits.New(c.service).Open(t.Context(), "key_1")
			if !c.shut {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := fault.From(err); f.Reason != errorsv1.Reason_REASON_BUDGET_EXHAUSTED || f.RetryAfter != time.Hour || f.Metadata["scope"] != "tenant" {
				t.Error(err)
			}
		})
	}
	if err := limits.New(nil).Open(t.Context(), "key_1"); err != nil {
		t.Error(err)
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	cases := map[string]struct {
		sizes  []int64
		window time.Duration
		limits []*ratelimitv1.Balance
		line   int64
		bad    bool
	}{
		"no limits":              {sizes: []int64{1 << 30}, window: time.Minute},
		"few lines":              {sizes: make([]int64, 2), window: time.Minute, limits: []*ratelimitv1.Balance{limit(requests, 1, 0)}},
		"too many in a minute":   {sizes: make([]int64, 4), window: time.Minute, limits: []*ratelimitv1.Balance{limit(requests, 1, 0)}, bad: true},
		"enough time":            {sizes: make([]int64, 1441), window: day, limits: []*ratelimitv1.Balance{limit(requests, 1, 0)}},
		"one line is too long":   {sizes: []int64{8, 808, 8}, window: day, limits: []*ratelimitv1.Balance{limit(tokens, 100, 100)}, line: 2, bad: true},
		"it may just be":         {sizes: []int64{800}, window: day, limits: []*ratelimitv1.Balance{limit(tokens, 100, 100)}},
		"too many tokens in all": {sizes: []int64{800, 800, 800}, window: time.Minute, limits: []*ratelimitv1.Balance{limit(tokens, 100, 100)}, bad: true},
		"a budget":               {sizes: []int64{800}, window: day, limits: []*ratelimitv1.Balance{limit(budget, 1, 0)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := limits.Work{Window: c.window}
			for i, size := range c.sizes {
				w.Add(int64(i)+1, size)
			}
			p := limits.New(&service{balances: c.limits}).Problem(t.Context(), "key_1", w)
			if (p != nil) != c.bad || (p != nil && (p.Line != c.line || p.Code != limits.Exceeded)) {
				t.Errorf("%+v", p)
			}
		})
	}
}
