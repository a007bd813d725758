package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/money"
)

// printKeys prints one line for each key.
func printKeys(w io.Writer, now time.Time, keys ...*keysv1.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tTENANT\tROLE\tMODELS\tLIMITS\tEXPIRES\tSTATE\tBEGINS WITH")
	for _, k := range keys {
		fmt.Fprintln(table, strings.Join([]string{
			k.GetId(), k.GetName(), k.GetTenant(), roleWord(k), modelWords(k, 2), limitWords(k.GetLimits()),
			when(k.GetExpiresAt(), "never"), state(k, now), k.GetHint(),
		}, "\t"))
	}
	return table.Flush()
}

// printKey prints everything about one key, a line for each thing.
func printKey(w io.Writer, now time.Time, k *keysv1.Key) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", k.GetId()},
		{"name", k.GetName()},
		{"tenant", k.GetTenant()},
		{"role", roleWord(k)},
		{"models", modelWords(k, len(k.GetModels()))},
		{"limits", limitWords(k.GetLimits())},
		{"state", state(k, now)},
		{"begins with", k.GetHint()},
		{"created", when(k.GetCreatedAt(), "") + " by " + k.GetCreatedBy()},
		{"rotated", rotatedWords(k, now)},
		{"expires", when(k.GetExpiresAt(), "never")},
		{"revoked", when(k.GetRevokedAt(), "no")},
	} {
		fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
	}
	return table.Flush()
}

func roleWord(k *keysv1.Key) string {
	return strings.ToLower(strings.TrimPrefix(k.GetRole().String(), "ROLE_"))
}

// modelWords names the first n models and counts the others.
func modelWords(k *keysv1.Key, n int) string {
	list := k.GetModels()
	switch {
	case len(list) == 0:
		return "all"
	case len(list) <= n:
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

func limitWords(l *ratelimitv1.Limits) string {
	var words []string
	for _, limit := range []struct {
		n    int64
		what string
	}{
		{l.GetRequestsPerMinute(), "requests/min"},
		{l.GetTokensPerMinute(), "tokens/min"},
		{l.GetConcurrentRequests(), "at once"},
	} {
		if limit.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", limit.n, limit.what))
		}
	}
	if budget := budgetWords(l); budget != "" {
		words = append(words, budget)
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// budgetWords is a budget as people write it; empty where there is none.
func budgetWords(l *ratelimitv1.Limits) string {
	pico, err := money.FromUSD(l.GetBudgetUsd())
	if err != nil || pico == 0 {
		return ""
	}
	switch l.GetBudgetPeriod() {
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_DAY:
		return "$" + money.USD(pico) + "/day"
	case ratelimitv1.BudgetPeriod_BUDGET_PERIOD_TOTAL:
		return "$" + money.USD(pico) + " in all"
	}
	return "$" + money.USD(pico) + "/month"
}

func state(k *keysv1.Key, now time.Time) string {
	switch {
	case k.GetRevokedAt() != nil:
		return "revoked"
	case k.GetExpiresAt() != nil && !now.Before(k.GetExpiresAt().AsTime()):
		return "expired"
	}
	return "valid"
}

// when is a time in the zone of whoever reads it; none where it is unset.
func when(t *timestamppb.Timestamp, none string) string {
	if t == nil {
		return none
	}
	return t.AsTime().Local().Format("2006-01-02 15:04 MST")
}
