package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/kit/peer"
)

const quotaUsage = `usage: headgate quota [KEY_ID] [flags]`

// runQuota serves `headgate quota`: how the limits of a key and its tenant stand, one's own where none is named.
func runQuota(ctx context.Context, e env, args []string) error {
	var c meshCommand
	c.init(e, "quota", quotaUsage, func(p Peers) peer.Config { return p.RateLimit })
	rest, err := c.parseUpTo(args, 1)
	if err != nil {
		return err
	}
	id := strings.Join(rest, "")
	return c.ask(func(conn grpc.ClientConnInterface) error {
		q, err := ratelimitv1.NewRateLimitServiceClient(conn).GetQuota(ctx, &ratelimitv1.GetQuotaRequest{KeyId: id})
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(e.stdout, q)
		}
		return printQuota(e.stdout, q)
	})
}

// printQuota prints one line for each limit.
func printQuota(w io.Writer, q *ratelimitv1.GetQuotaResponse) error {
	fmt.Fprintf(w, "key %s of tenant %s\n", q.GetKeyId(), q.GetTenant())
	if q.GetDegraded() {
		fmt.Fprintln(w, "The shared store can't be reached: these are one instance's own figures.")
	}
	if len(q.GetBalances()) == 0 {
		fmt.Fprintln(w, "no limits")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OF\tWHAT\tLIMIT\tLEFT\tALL OF IT AGAIN")
	for _, b := range q.GetBalances() {
		fmt.Fprintln(table, strings.Join([]string{
			lowerWord(b.GetScope().String(), "SCOPE_KIND_"), lowerWord(b.GetDimension().String(), "DIMENSION_"),
			amountOf(b, b.GetLimit()), leftOf(b), fullAgain(b),
		}, "\t"))
	}
	return table.Flush()
}

func lowerWord(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

// amountOf is a number as people write it: money in dollars.
func amountOf(b *ratelimitv1.Balance, n int64) string {
	if b.GetDimension() != ratelimitv1.Dimension_DIMENSION_BUDGET {
		return strconv.FormatInt(n, 10)
	}
	if n < 0 {
		return "-$" + money.USD(-n)
	}
	return "$" + money.USD(n)
}

func leftOf(b *ratelimitv1.Balance) string {
	if b.GetUnopened() {
		return "not known yet"
	}
	return amountOf(b, b.GetRemaining())
}

func fullAgain(b *ratelimitv1.Balance) string {
	switch after := b.GetResetAfter().AsDuration(); {
	case b.GetResetAfter() == nil && b.GetDimension() == ratelimitv1.Dimension_DIMENSION_BUDGET:
		return "never"
	case b.GetDimension() == ratelimitv1.Dimension_DIMENSION_CONCURRENCY && b.GetRemaining() < b.GetLimit():
		return "as calls end"
	case after <= 0:
		return "now"
	default:
		return "in " + max(after.Round(time.Second), time.Second).String()
	}
}
