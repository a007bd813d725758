package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// createFlags adds the flags of a new key; what it returns makes the request of them.
func createFlags(flags *flag.FlagSet) func(now time.Time) (*keysv1.CreateKeyRequest, error) {
	r := &keysv1.CreateKeyRequest{Limits: &ratelimitv1.Limits{}}
	flags.StringVar(&r.Name, "name", "", "what people call the key (required)")
	flags.StringVar(&r.Tenant, "tenant", "", "whose it is (default your own key's tenant, or default)")
	flags.StringVar(&r.Environment, "env", "", "the `word` after hg_ (default live)")
	limitFlags(flags, r.GetLimits(), "default no limit", "default no budget")
	period := flags.String("budget-period", "", "what the budget is for: day, month or total, for ever (default month)")
	role := flags.String("role", "client", "client, viewer or admin")
	models := flags.String("models", "", "the models it may ask for, such as claude-*,gpt-5 (default all)")
	expires := flags.String("expires", "", "when it ends: a `time` from now such as 720h or 30d, or 2027-01-31T00:00:00Z (default never)")
	return func(now time.Time) (_ *keysv1.CreateKeyRequest, err error) {
		if r.Name == "" {
			return nil, errors.New("name the key with --name")
		}
		if err := noZeroLimits(flags); err != nil {
			return nil, err
		}
		if r.Role, err = parseRole(*role); err != nil {
			return nil, err
		}
		if r.Limits.BudgetPeriod, err = parsePeriod(*period, r.GetLimits().GetBudgetUsd()); err != nil {
			return nil, err
		}
		r.Models = splitList(*models)
		r.ExpiresAt, err = parseExpiry(*expires, now)
		return r, err
	}
}

// noZeroLimits refuses what would be no limit at all, though somebody asked for one.
func noZeroLimits(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if n, ok := f.Value.(flag.Getter); ok && strings.HasPrefix(fieldOf[f.Name], "limits.") && (n.Get() == int64(0) || n.Get() == float64(0)) {
			err = fmt.Errorf("--%s 0 would be no limit at all: leave it out where you mean that, or name the least there is to be", f.Name)
		}
	})
	return err
}

// limitFlags adds the flags of limits; each has the name of its field, too.
func limitFlags(flags *flag.FlagSet, l *ratelimitv1.Limits, none, noBudget string) {
	for _, f := range []struct {
		into              *int64
		name, field, what string
	}{
		{&l.RequestsPerMinute, "rpm", "requests-per-minute", "requests per minute"},
		{&l.TokensPerMinute, "tpm", "tokens-per-minute", "tokens per minute"},
		{&l.ConcurrentRequests, "concurrency", "concurrent-requests", "requests at once"},
	} {
		flags.Int64Var(f.into, f.name, 0, f.what+" ("+none+")")
		flags.Int64Var(f.into, f.field, 0, "the same as --"+f.name)
	}
	flags.Float64Var(&l.BudgetUsd, "budget", 0, "US `dollars` that may be spent in a period, such as 10 or 0.50 ("+noBudget+")")
}

func parseRole(s string) (accessv1.Role, error) {
	if !oneOf(s, "client", "viewer", "admin") {
		return 0, errors.New("--role has to be client, viewer or admin")
	}
	return accessv1.Role(accessv1.Role_value["ROLE_"+strings.ToUpper(s)]), nil
}

func parsePeriod(s string, budget float64) (ratelimitv1.BudgetPeriod, error) {
	if s != "" && budget == 0 {
		return 0, errors.New("--budget-period goes with --budget")
	}
	return periodOf(s)
}

// periodOf is a period by its name; none for the empty one.
func periodOf(s string) (ratelimitv1.BudgetPeriod, error) {
	if !oneOf(s, "", "day", "month", "total") {
		return 0, errors.New("--budget-period has to be day, month or total")
	}
	return ratelimitv1.BudgetPeriod(ratelimitv1.BudgetPeriod_value["BUDGET_PERIOD_"+strings.ToUpper(s)]), nil
}

func splitList(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// parseExpiry reads a time, or how far from now it is.
func parseExpiry(s string, now time.Time) (*timestamppb.Timestamp, error) {
	if s == "" {
		return nil, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return timestamppb.New(at), nil
	}
	if days := wholeDays(s); days > 0 {
		return timestamppb.New(now.AddDate(0, 0, days)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return nil, errors.New("--expires has to be a time from now such as 720h or 30d, or a date such as 2027-01-31T00:00:00Z")
	}
	return timestamppb.New(now.Add(d)), nil
}

// wholeDays reads a number of days such as 30d; 0 where it isn't one.
func wholeDays(s string) int {
	var days int
	if n, err := fmt.Sscanf(s+"!", "%dd!", &days); err != nil || n != 1 {
		return 0
	}
	return days
}
