package server

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: seconds} }
	filtered := func(f *usagev1.Filter) proto.Message { return &usagev1.GetTotalsRequest{Filter: f} }
	by := func(g ...usagev1.Group) *usagev1.QueryUsageRequest { return &usagev1.QueryUsageRequest{GroupBy: g} }
	spent := func(start *timestamppb.Timestamp, a ...*usagev1.Account) *usagev1.GetSpentRequest {
		return &usagev1.GetSpentRequest{Start: start, Accounts: a}
	}
	acme, long := &usagev1.Account{Tenant: "acme"}, strings.Repeat("x", 513)
	const tenant, tag = usagev1.Group_GROUP_TENANT, usagev1.Group_GROUP_TAG
	for _, test := range []struct {
		name  string
		m     proto.Message
		field string // empty: it passes
	}{
		{"nothing asked", &usagev1.QueryUsageRequest{}, ""},
		{"no filter", filtered(nil), ""},
		{"a time", filtered(&usagev1.Filter{Start: at(0), End: at(1)}), ""},
		{"an empty time", filtered(&usagev1.Filter{Start: at(1), End: at(1)}), "filter.end"},
		{"a time backwards", &usagev1.ListEventsRequest{Filter: &usagev1.Filter{Start: at(2), End: at(1)}}, "filter.end"},
		{"before 1970", filtered(&usagev1.Filter{Start: at(-1)}), "filter.start"},
		{"beyond time", filtered(&usagev1.Filter{End: at(math.MaxInt64)}), "filter.end"},
		{"beyond nanoseconds", filtered(&usagev1.Filter{End: at(9_300_000_000)}), "filter.end"},
		{"no nanoseconds", filtered(&usagev1.Filter{Start: &timestamppb.Timestamp{Nanos: -1}}), "filter.start"},
		{"a tag", filtered(&usagev1.Filter{Tag: "team"}), ""},
		{"a tag's value", filtered(&usagev1.Filter{Tag: "team=a=b"}), ""},
		{"a tag without a name", filtered(&usagev1.Filter{Tag: "=b"}), "filter.tag"},
		{"a long text", filtered(&usagev1.Filter{Model: strings.Repeat("x", 513)}), "filter.model"},
		{"groups", by(tenant, usagev1.Group_GROUP_KEY, usagev1.Group_GROUP_MODEL, usagev1.Group_GROUP_PROVIDER), ""},
		{"a group twice", by(tenant, tenant), "group_by[1]"},
		{"no group", by(usagev1.Group_GROUP_UNSPECIFIED), "group_by[0]"},
		{"an unknown group", by(tenant, 99), "group_by[1]"},
		{"a tag's name missing", by(tag), "tag_name"},
		{"a tag's name", &usagev1.QueryUsageRequest{GroupBy: []usagev1.Group{tag}, TagName: "team"}, ""},
		{"a tag's name with a value", &usagev1.QueryUsageRequest{GroupBy: []usagev1.Group{tag}, TagName: "team=x"}, "tag_name"},
		{"a tag's name for nothing", &usagev1.QueryUsageRequest{TagName: "team"}, "tag_name"},
		{"an unknown interval", &usagev1.QueryUsageRequest{Interval: 99}, "interval"},
		{"a limit", &usagev1.QueryUsageRequest{Limit: 10_000}, ""},
		{"a limit below", &usagev1.QueryUsageRequest{Limit: -1}, "limit"},
		{"a limit above", &usagev1.QueryUsageRequest{Limit: 10_001}, "limit"},
		{"events", &usagev1.IngestRequest{Events: []*usagev1.Event{{Id: "a"}}}, ""},
		{"an event without an id", &usagev1.IngestRequest{Events: []*usagev1.Event{{Id: "a"}, {}}}, "events[1].id"},
		{"too many events", &usagev1.IngestRequest{Events: make([]*usagev1.Event, 1001)}, "events"},
		{"spent", spent(at(0), acme, &usagev1.Account{Tenant: "acme", KeyId: "key"}), ""},
		{"spent by nobody", spent(at(1)), ""},
		{"spent by as many as there may be", spent(at(1), slices.Repeat([]*usagev1.Account{acme}, 2000)...), ""},
		{"spent by too many", spent(at(1), slices.Repeat([]*usagev1.Account{acme}, 2001)...), "accounts"},
		{"spent since no time", spent(nil, acme), "start"},
		{"spent since before 1970", spent(at(-1), acme), "start"},
		{"spent by no tenant", spent(at(1), acme, acme, acme, &usagev1.Account{KeyId: "key"}), "accounts[3].tenant"},
		{"spent by no account", spent(at(1), nil), "accounts[0].tenant"},
		{"spent by a long tenant", spent(at(1), &usagev1.Account{Tenant: long}), "accounts[0].tenant"},
		{"spent by a long key", spent(at(1), acme, &usagev1.Account{Tenant: "acme", KeyId: long}), "accounts[1].key_id"},
		{"another message", &usagev1.Event{}, ""},
	} {
		err := Validate(test.m)
		field := ""
		if err != nil {
			field = fault.From(err).Metadata["field"]
		}
		if field != test.field || (err != nil) != (test.field != "") {
			t.Errorf("%s: %v, want field %q", test.name, err, test.field)
		}
	}
}
