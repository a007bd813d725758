// Package limits looks, before a batch begins, whether the limits of its key can let it through at all. While it runs the
// router holds every line to them; here the maker is told at once instead of a day later.
package limits

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// patience is how long the service of limits is waited for. Without its answer a batch begins: its lines are held to
	// the limits anyway.
	patience = time.Second
	// bytesPerToken is more than any text has: nothing is refused for an estimate that may be wrong.
	bytesPerToken = 8
	// Exceeded is the code of what the limits don't let through.
	Exceeded = "limit_exceeded"
)

// Limits asks the service of limits. Safe for concurrent use. A nil one knows of no limits.
type Limits struct {
	service ratelimitv1.RateLimitServiceClient
}

// New returns Limits over a connection to the service of limits; nil knows of none.
func New(conn grpc.ClientConnInterface) *Limits {
	if conn == nil {
		return nil
	}
	return &Limits{service: ratelimitv1.NewRateLimitServiceClient(conn)}
}

// Open returns BUDGET_EXHAUSTED where a key or its tenant has no money left.
func (l *Limits) Open(ctx context.Context, keyID string) error {
	for _, b := range l.balances(ctx, keyID) {
		if b.GetDimension() != ratelimitv1.Dimension_DIMENSION_BUDGET || b.GetRemaining() > 0 || b.GetUnopened() {
			continue
		}
		return fault.New(errorsv1.Reason_REASON_BUDGET_EXHAUSTED,
			"the %s's budget is used up, so that no line of a batch could be asked; make it again when there is money", scope(b)).
			With("scope", scope(b)).After(b.GetResetAfter().AsDuration())
	}
	return nil
}

// Work is what a batch comes to.
type Work struct {
	Lines int64
	// Bytes are those of all bodies, Longest those of the longest, in line LongestLine.
	Bytes, Longest, LongestLine int64
	// Window is how long it may take.
	Window time.Duration
}

// Add counts a line.
func (w *Work) Add(number, size int64) {
	w.Lines++
	w.Bytes += size
	if size > w.Longest {
		w.Longest, w.LongestLine = size, number
	}
}

// Problem returns what of a batch can't get through within its time; nil where all may.
func (l *Limits) Problem(ctx context.Context, keyID string, w Work) *store.Problem {
	minutes := int64(w.Window/time.Minute) + 1 // a bucket that is full at the beginning
	for _, b := range l.balances(ctx, keyID) {
		switch b.GetDimension() {
		case ratelimitv1.Dimension_DIMENSION_REQUESTS:
			if w.Lines/minutes > b.GetLimit() {
				return problem(0, "%d lines are more than the %s's limit of %d requests a minute lets through in %s", w.Lines, scope(b), b.GetLimit(), w.Window)
			}
		case ratelimitv1.Dimension_DIMENSION_TOKENS:
			if w.Longest/bytesPerToken > b.GetLimit() {
				return problem(w.LongestLine, "the line alone is more than the %s's limit of %d tokens a minute", scope(b), b.GetLimit())
			}
			if w.Bytes/bytesPerToken/minutes > b.GetLimit() {
				return problem(0, "the lines are more than the %s's limit of %d tokens a minute lets through in %s", scope(b), b.GetLimit(), w.Window)
			}
		}
	}
	return nil
}

func problem(line int64, format string, args ...any) *store.Problem {
	return &store.Problem{Line: line, Code: Exceeded, Message: fmt.Sprintf(format, args...) + "; make it smaller, or ask for a higher limit"}
}

// balances are those of a key and of its tenant; none where nobody can tell.
func (l *Limits) balances(ctx context.Context, keyID string) []*ratelimitv1.Balance {
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(auth.WithOnBehalf(ctx, keyID), patience)
	defer cancel()
	answer, err := l.service.GetQuota(ctx, &ratelimitv1.GetQuotaRequest{})
	if err != nil {
		return nil
	}
	return answer.GetBalances()
}

func scope(b *ratelimitv1.Balance) string {
	return strings.ToLower(strings.TrimPrefix(b.GetScope().String(), "SCOPE_KIND_"))
}
