package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

const (
	maxSums     = 10_000
	maxEvents   = 1000
	maxAccounts = 2000
	maxText     = 512
)

// Validate checks a request message before its handler sees it. Errors are INVALID_FIELD and MISSING_FIELD with the
// field's path. What isn't a request of UsageService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *usagev1.IngestRequest:
		return batch(r)
	case *usagev1.QueryUsageRequest:
		return cmp.Or(filter(r.GetFilter()), query(r))
	case *usagev1.ListEventsRequest:
		return filter(r.GetFilter())
	case *usagev1.GetTotalsRequest:
		return filter(r.GetFilter())
	case *usagev1.GetSpentRequest:
		return spent(r)
	}
	return nil
}

func batch(r *usagev1.IngestRequest) error {
	if len(r.GetEvents()) > maxEvents {
		return invalid("events", "must be at most %d", maxEvents)
	}
	for i, e := range r.GetEvents() {
		if e.GetId() == "" {
			return missing(fmt.Sprintf("events[%d].id", i), "is required: the ledger keeps one row for each id")
		}
	}
	return nil
}

func filter(f *usagev1.Filter) error {
	if err := cmp.Or(moment("filter.start", f.GetStart()), moment("filter.end", f.GetEnd())); err != nil {
		return err
	}
	if f.GetStart() != nil && f.GetEnd() != nil && !f.GetStart().AsTime().Before(f.GetEnd().AsTime()) {
		return invalid("filter.end", "must be after filter.start")
	}
	for _, field := range []struct{ name, value string }{
		{"tenant", f.GetTenant()},
		{"key_id", f.GetKeyId()},
		{"model", f.GetModel()},
		{"provider", f.GetProvider()},
		{"tag", f.GetTag()},
		{"request_id", f.GetRequestId()},
	} {
		if len(field.value) > maxText {
			return invalid("filter."+field.name, "must be at most %d bytes", maxText)
		}
	}
	if strings.HasPrefix(f.GetTag(), "=") {
		return invalid("filter.tag", "must be a tag's name, or name=value")
	}
	return nil
}

// moment takes what fits into the nanoseconds that the ledger counts in.
func moment(field string, t *timestamppb.Timestamp) error {
	if t == nil {
		return nil
	}
	if year := t.AsTime().Year(); !t.IsValid() || year < 1970 || year > 2261 {
		return invalid(field, "must be a time from 1970 to 2261")
	}
	return nil
}

func query(r *usagev1.QueryUsageRequest) error {
	groups := r.GetGroupBy()
	byTag := slices.Contains(groups, usagev1.Group_GROUP_TAG)
	for i, g := range groups {
		switch field := fmt.Sprintf("group_by[%d]", i); {
		case g == usagev1.Group_GROUP_UNSPECIFIED || usagev1.Group_name[int32(g)] == "":
			return invalid(field, "must be one of GROUP_TENANT, GROUP_KEY, GROUP_MODEL, GROUP_PROVIDER, GROUP_TAG")
		case slices.Contains(groups[:i], g):
			return invalid(field, "is there already; name each group once")
		}
	}
	switch {
	case byTag && r.GetTagName() == "":
		return missing("tag_name", "is required beside GROUP_TAG: the tag to group by")
	case !byTag && r.GetTagName() != "":
		return invalid("tag_name", "needs GROUP_TAG in group_by")
	case len(r.GetTagName()) > maxText || strings.Contains(r.GetTagName(), "="):
		return invalid("tag_name", "must be a tag's name, at most %d bytes and without =", maxText)
	case usagev1.Interval_name[int32(r.GetInterval())] == "":
		return invalid("interval", "must be one of INTERVAL_MINUTE, INTERVAL_HOUR, INTERVAL_DAY, INTERVAL_MONTH")
	case r.GetLimit() < 0 || r.GetLimit() > maxSums:
		return invalid("limit", "must be from 1 to %d", maxSums)
	}
	return nil
}

func spent(r *usagev1.GetSpentRequest) error {
	if r.GetStart() == nil {
		return missing("start", "is required: the time from which on rows count, that of 1970 for all of them")
	}
	if err := moment("start", r.GetStart()); err != nil {
		return err
	}
	if len(r.GetAccounts()) > maxAccounts {
		return invalid("accounts", "must be at most %d: ask about the others in another call", maxAccounts)
	}
	for i, a := range r.GetAccounts() {
		switch field := fmt.Sprintf("accounts[%d]", i); {
		case a.GetTenant() == "":
			return missing(field+".tenant", "is required: whose key it is, or the tenant that is asked about")
		case len(a.GetTenant()) > maxText:
			return invalid(field+".tenant", "must be at most %d bytes", maxText)
		case len(a.GetKeyId()) > maxText:
			return invalid(field+".key_id", "must be at most %d bytes", maxText)
		}
	}
	return nil
}

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
