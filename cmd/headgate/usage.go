package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/peer"
)

// usageAsk is what `headgate usage` was asked for.
type usageAsk struct {
	filter   *usagev1.Filter
	by       []string
	tagName  string
	interval usagev1.Interval
	events   bool
	json     bool
}

// runUsage serves `headgate usage`: what was consumed and what it cost, as a table or as JSON.
func runUsage(ctx context.Context, e env, args []string) error {
	flags := flag.NewFlagSet("usage", flag.ContinueOnError)
	mesh := addMeshFlags(flags)
	mesh.service = func(p Peers) peer.Config { return p.Usage }
	read := addUsageFlags(flags)
	if err := readFlags(e, flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("usage takes flags only, not %q", flags.Arg(0))
	}
	ask, err := read(time.Now())
	if err != nil {
		return err
	}
	conn, closer, err := dialMesh(e, mesh)
	if err != nil {
		return err
	}
	defer closer()
	client := usagev1.NewUsageServiceClient(conn)
	if ask.events {
		return ask.list(ctx, e.stdout, client)
	}
	return ask.sums(ctx, e.stdout, client)
}

// addUsageFlags declares the flags and returns what reads them once they are parsed.
func addUsageFlags(flags *flag.FlagSet) func(now time.Time) (*usageAsk, error) {
	a := &usageAsk{filter: new(usagev1.Filter)}
	by := flags.String("by", "model", "add up by these, with commas between: tenant, key, model, provider, tag:NAME; none for all together")
	interval := flags.String("interval", "", "a row for each minute, hour, day or month (UTC)")
	since := flags.String("since", "24h", "from here on: a time ago (24h, 7d), a date or a time (UTC); all for everything")
	until := flags.String("until", "", "up to here, in the same words; default now")
	flags.StringVar(&a.filter.Tenant, "tenant", "", "of this tenant only")
	flags.StringVar(&a.filter.KeyId, "key", "", "of the key with this id only")
	flags.StringVar(&a.filter.Model, "model", "", "of this model only, as clients name it")
	flags.StringVar(&a.filter.Provider, "provider", "", "of this configured provider only")
	flags.StringVar(&a.filter.Tag, "tag", "", "with this tag only: name=value, or a name for any value")
	flags.StringVar(&a.filter.RequestId, "request", "", "of the request with this id only")
	flags.BoolVar(&a.events, "events", false, "list every attempt instead of adding up, oldest first")
	flags.BoolVar(&a.json, "json", false, "print JSON: one object, or one for each event")
	return func(now time.Time) (*usageAsk, error) {
		err := a.refuseIdle(flags)
		if err != nil {
			return nil, err
		}
		if a.interval, err = parseInterval(*interval); err != nil {
			return nil, err
		}
		if a.by, a.tagName, err = parseBy(*by); err != nil {
			return nil, err
		}
		if a.filter.Start, err = parseMoment("since", *since, now); err != nil {
			return nil, err
		}
		a.filter.End, err = parseMoment("until", *until, now)
		return a, err
	}
}

// refuseIdle refuses flags that would do nothing beside --events.
func (a *usageAsk) refuseIdle(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if a.events && oneOf(f.Name, "by", "interval") {
			err = fmt.Errorf("--events lists attempts one by one, and --%s adds them up: take one of the two", f.Name)
		}
	})
	return err
}

// groups are the words of --by; the tag has its name behind it.
var groups = map[string]usagev1.Group{
	"tenant": usagev1.Group_GROUP_TENANT, "key": usagev1.Group_GROUP_KEY, "model": usagev1.Group_GROUP_MODEL,
	"provider": usagev1.Group_GROUP_PROVIDER, "tag": usagev1.Group_GROUP_TAG,
}

func parseBy(s string) (by []string, tagName string, err error) {
	if s == "" || s == "none" {
		return nil, "", nil
	}
	for word := range strings.SplitSeq(s, ",") {
		name, tag, tagged := strings.Cut(strings.TrimSpace(word), ":")
		if groups[name] == 0 || tagged != (name == "tag") || (tagged && tag == "") {
			return nil, "", errors.New("--by takes tenant, key, model, provider and tag:NAME, with commas between")
		}
		if slices.Contains(by, name) {
			return nil, "", fmt.Errorf("--by names %s twice", name)
		}
		by = append(by, name)
		if tagged {
			tagName = tag
		}
	}
	return by, tagName, nil
}

func parseInterval(s string) (usagev1.Interval, error) {
	switch s {
	case "":
		return usagev1.Interval_INTERVAL_UNSPECIFIED, nil
	case "minute":
		return usagev1.Interval_INTERVAL_MINUTE, nil
	case "hour":
		return usagev1.Interval_INTERVAL_HOUR, nil
	case "day":
		return usagev1.Interval_INTERVAL_DAY, nil
	case "month":
		return usagev1.Interval_INTERVAL_MONTH, nil
	}
	return 0, errors.New("--interval takes minute, hour, day or month")
}

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// parseMoment reads a time ago, a date or a time; nil for an open end.
func parseMoment(name, s string, now time.Time) (*timestamppb.Timestamp, error) {
	if s == "" || s == "all" {
		return nil, nil
	}
	if m := days.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		return timestamppb.New(now.AddDate(0, 0, -n)), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return timestamppb.New(now.Add(-d)), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01", "2006-01-02T15:04", "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return timestamppb.New(t), nil
		}
	}
	return nil, fmt.Errorf("--%s takes a time ago such as 24h or 7d, a date such as 2026-11-01, or a time such as 2026-11-01T12:00Z", name)
}

// sums prints one row for each group, and a line for all.
func (a *usageAsk) sums(ctx context.Context, w io.Writer, client usagev1.UsageServiceClient) error {
	request := &usagev1.QueryUsageRequest{Filter: a.filter, TagName: a.tagName, Interval: a.interval, Limit: 10_000}
	for _, name := range a.by {
		request.GroupBy = append(request.GroupBy, groups[name])
	}
	response, err := client.QueryUsage(ctx, request)
	if err != nil {
		return err
	}
	totals, err := client.GetTotals(ctx, &usagev1.GetTotalsRequest{Filter: a.filter})
	if err != nil {
		return err
	}
	if a.json {
		return printSumsJSON(w, response, totals.GetTotal())
	}
	return a.printSums(w, response, totals.GetTotal())
}

func printSumsJSON(w io.Writer, r *usagev1.QueryUsageResponse, total *usagev1.Sum) error {
	out := struct {
		Sums      []json.RawMessage `json:"sums"`
		Total     json.RawMessage   `json:"total"`
		Truncated bool              `json:"truncated"`
	}{Sums: []json.RawMessage{}, Truncated: r.GetTruncated()}
	var err error
	for _, s := range r.GetSums() {
		text, failed := usageJSON(s)
		err = errors.Join(err, failed)
		out.Sums = append(out.Sums, text)
	}
	text, failed := usageJSON(total)
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	out.Total = text
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func usageJSON(m proto.Message) ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
}

// list prints every attempt as it comes.
func (a *usageAsk) list(ctx context.Context, w io.Writer, client usagev1.UsageServiceClient) error {
	stream, err := client.ListEvents(ctx, &usagev1.ListEventsRequest{Filter: a.filter})
	if err != nil {
		return err
	}
	printer := newEventPrinter(w, a.json)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return printer.end()
		}
		if err != nil {
			return err
		}
		if err := printer.print(m.GetEvent()); err != nil {
			return err
		}
	}
}
