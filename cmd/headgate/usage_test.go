package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
)

// fakeUsage answers with what it was given, and keeps what it was asked.
type fakeUsage struct {
	usagev1.UsageServiceClient
	sums   *usagev1.QueryUsageResponse
	total  *usagev1.Sum
	events []*usagev1.Event
	asked  *usagev1.QueryUsageRequest
}

func (f *fakeUsage) QueryUsage(_ context.Context, r *usagev1.QueryUsageRequest, _ ...grpc.CallOption) (*usagev1.QueryUsageResponse, error) {
	f.asked = r
	return f.sums, nil
}

func (f *fakeUsage) GetTotals(context.Context, *usagev1.GetTotalsRequest, ...grpc.CallOption) (*usagev1.GetTotalsResponse, error) {
	return &usagev1.GetTotalsResponse{Total: f.total}, nil
}

func (f *fakeUsage) ListEvents(context.Context, *usagev1.ListEventsRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[usagev1.ListEventsResponse], error) {
	return &fakeEvents{left: f.events}, nil
}

type fakeEvents struct {
	grpc.ClientStream
	left []*usagev1.Event
}

func (f *fakeEvents) Recv() (*usagev1.ListEventsResponse, error) {
	if len(f.left) == 0 {
		return nil, io.EOF
	}
	e := f.left[0]
	f.left = f.left[1:]
	return &usagev1.ListEventsResponse{Event: e}, nil
}

var usageNow = time.Date(2026, 11, 24, 17, 30, 0, 0, time.UTC)

// showUsage runs the command, past the connection.
func showUsage(t *testing.T, f *fakeUsage, args ...string) (string, error) {
	t.Helper()
	flags := flag.NewFlagSet("usage", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	read := addUsageFlags(flags)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	ask, err := read(usageNow)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if ask.events {
		err = ask.list(t.Context(), &out, f)
	} else {
		err = ask.sums(t.Context(), &out, f)
	}
	return out.String(), err
}

func TestUsageTable(t *testing.T) {
	t.Parallel()
	f := &fakeUsage{
		sums: &usagev1.QueryUsageResponse{Sums: []*usagev1.Sum{
			{Group: []string{"claude-opus-4-6", "acme"}, Requests: 1234, Attempts: 1250, Failed: 12, InputTokens: 12_345_678, CachedInputTokens: 2_000_000, OutputTokens: 345_678, CostUsd: "62.4441"},
			{Group: []string{"a\x1b[31m-name", ""}, Requests: 2, Attempts: 2, InputTokens: 20, OutputTokens: 7, Unpriced: 2, Estimated: 1},
			{Group: []string{"gpt-5-nano", "globex"}, Requests: 1, Attempts: 1, InputTokens: 1, CostUsd: "0.00000005"},
		}},
		total: &usagev1.Sum{
			Requests: 1237, Attempts: 1253, Failed: 12, Cached: 3, InputTokens: 12_345_699, CachedInputTokens: 2_000_000, OutputTokens: 345_685,
			CostUsd: "1062.44410005", Unpriced: 2, Estimated: 1,
		},
	}
	got, err := showUsage(t, f, "--by", "model,tenant", "--since", "7d")
	if err != nil {
		t.Fatal(err)
	}
	want := `Usage since 2026-11-17 17:30 UTC

MODEL            TENANT  REQUESTS  ATTEMPTS  FAILED       INPUT     CACHED    OUTPUT           USD
───────────────────────────────────────────────────────────────────────────────────────
claude-opus-4-6  acme       1,234     1,250      12  12,345,678  2,000,000   345,678     62.444100
a?[31m-name      –              2         2       0          20          0        ~7      unpriced*
gpt-5-nano       globex         1         1       0           1          0         0     <0.000001
────────────────────────────────────────────────────────────────────────────────────────
total                       1,237     1,253      12  12,345,699  2,000,000  ~345,685  1,062.444100*

* 2 attempts have no known price and aren't in the cost
~ the tokens of 1 attempts are estimates: the provider gave no count
  3 answers came from the cache at no cost
`
	if normal(got) != normal(want) {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

// normal leaves the length of rules out.
func normal(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "──") {
			lines[i] = "──"
		}
	}
	return strings.Join(lines, "\n")
}

func TestUsageTableIsNeverTooWide(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("wide-", 60)
	sum := func(groups ...string) *usagev1.Sum {
		return &usagev1.Sum{
			Start: timestamppb.New(usageNow), Group: groups, Requests: 123_456, InputTokens: 9_999_999_999, CachedInputTokens: 9_999_999_998,
			OutputTokens: 9_999_999, CostUsd: "12345.678901234", Unpriced: 1, Estimated: 1,
		}
	}
	for _, test := range []struct {
		args   []string
		groups []string
		want   []string
	}{
		{[]string{"--by", "model"}, []string{long}, []string{"MODEL", "CACHED", "wide-wide-wid"}},
		{[]string{"--by", "model,tag:team", "--interval", "hour"}, []string{long, "search"}, []string{"2026-11-24 17:30", "TEAM", "12,345.678901*"}},
		{[]string{"--by", "model,tenant,key", "--interval", "day"}, []string{long, "x", long}, []string{"2026-11-24", "REQUESTS"}},
		{[]string{"--by", "none"}, nil, []string{"total"}},
	} {
		f := &fakeUsage{sums: &usagev1.QueryUsageResponse{Sums: []*usagev1.Sum{sum(test.groups...)}}, total: sum()}
		f.events = []*usagev1.Event{{
			KeyId: long, Model: long, Provider: long, StartedAt: timestamppb.New(usageNow), Outcome: usagev1.Outcome_OUTCOME_COMPLETE,
			Tokens: &llmv1.TokenUsage{InputTokens: 9_999_999, OutputTokens: 999_999}, CostPicoUsd: proto.Int64(1e15),
		}}
		got, err := showUsage(t, f, test.args...)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%q: %d columns: %s", test.args, n, line)
			}
		}
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q: %q is missing in\n%s", test.args, want, got)
			}
		}
	}
}

// TestUsageEventsFit: on a terminal a line of an event is no longer than the screen; elsewhere names are whole, so that they
// can be used.
func TestUsageEventsFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("wide-", 60)
	event := &usagev1.Event{
		KeyId: long, Model: long, Provider: long, StartedAt: timestamppb.New(usageNow), Outcome: usagev1.Outcome_OUTCOME_COMPLETE,
		Tokens: &llmv1.TokenUsage{InputTokens: 9_999_999, OutputTokens: 999_999}, CostPicoUsd: proto.Int64(1e15),
	}
	for whole, want := range map[bool]string{false: "wide-wid…", true: long} {
		var out bytes.Buffer
		printer := newEventPrinter(&out, false)
		if !printer.whole {
			t.Error("a buffer is taken for a terminal")
		}
		printer.whole = whole
		if err := printer.print(event); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, want) || !strings.Contains(got, "1,000.000000") {
			t.Errorf("whole %v:\n%s", whole, got)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if n := utf8.RuneCountInString(line); !whole && n > 100 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

func TestUsageEvents(t *testing.T) {
	t.Parallel()
	f := &fakeUsage{events: []*usagev1.Event{
		{
			Id: "req_1/1.a", RequestId: "req_1", KeyId: "key_1", Model: "assistant", Provider: "claude", StartedAt: timestamppb.New(usageNow), Outcome: usagev1.Outcome_OUTCOME_COMPLETE,
			Tokens: &llmv1.TokenUsage{InputTokens: 1234, OutputTokens: 56}, CostPicoUsd: proto.Int64(125_000_000),
		},
		{KeyId: "key_1", Model: "assistant", Provider: "openai", StartedAt: timestamppb.New(usageNow), Outcome: usagev1.Outcome_OUTCOME_PROVIDER_ERROR, HttpStatus: 503},
		{KeyId: "key_1", Model: "private", Provider: "gpus", StartedAt: timestamppb.New(usageNow), Outcome: usagev1.Outcome_OUTCOME_CLIENT_LEFT, Estimated: true, Tokens: &llmv1.TokenUsage{InputTokens: 5}},
	}}
	got, err := showUsage(t, f, "--events")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"complete", "1,234", "0.000125", "error 503", "left", "~5", "unpriced"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	got, err = showUsage(t, f, "--events", "--json")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	var first struct {
		ID      string `json:"id"`
		Request string `json:"request_id"`
		Cost    string `json:"cost_pico_usd"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 3 || first.ID != "req_1/1.a" || first.Request != "req_1" || first.Cost != "125000000" {
		t.Errorf("%d lines, %+v, %v", len(lines), first, err)
	}
}

func TestUsageJSON(t *testing.T) {
	t.Parallel()
	f := &fakeUsage{sums: &usagev1.QueryUsageResponse{}, total: &usagev1.Sum{CostUsd: "0"}}
	got, err := showUsage(t, f, "--json")
	var read struct {
		Sums  []any `json:"sums"`
		Total struct {
			Cost string `json:"cost_usd"`
		} `json:"total"`
	}
	if err != nil || json.Unmarshal([]byte(got), &read) != nil || read.Sums == nil || read.Total.Cost != "0" {
		t.Errorf("%s %v", got, err)
	}
	if got, err = showUsage(t, f); err != nil || !strings.Contains(got, "Nothing was used.") {
		t.Errorf("%s %v", got, err)
	}
}

func TestUsageFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--by", "colour"},
		{"--by", "model,model"},
		{"--by", "tag"},
		{"--by", "tag:"},
		{"--by", "model:x"},
		{"--interval", "week"},
		{"--since", "yesterday"},
		{"--since", "-5h"},
		{"--until", "2026-13-01"},
		{"--events", "--by", "tenant"},
		{"--interval", "day", "--events"},
	} {
		if _, err := showUsage(t, &fakeUsage{}, args...); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	for text, want := range map[string]time.Time{
		"24h": usageNow.Add(-24 * time.Hour), "7d": usageNow.AddDate(0, 0, -7), "90m": usageNow.Add(-90 * time.Minute),
		"2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), "2026-11": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T12:30": time.Date(2026, 11, 1, 12, 30, 0, 0, time.UTC), "2026-11-01T12:30:00+02:00": time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC),
	} {
		if got, err := parseMoment("since", text, usageNow); err != nil || !got.AsTime().Equal(want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	if got, err := parseMoment("since", "all", usageNow); got != nil || err != nil {
		t.Errorf("all: %v %v", got, err)
	}
}
