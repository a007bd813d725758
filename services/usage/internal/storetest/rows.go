package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

func everyField(t *testing.T, s store.Store) {
	full := new(usagev1.Event)
	fill(full.ProtoReflect(), 7)
	newer := event(2) // written by a router that knows a field this build doesn't
	newer.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), "new"))
	want := []*usagev1.Event{full, event(1), newer}
	insert(t, s, want...)
	got := list(t, s, store.Filter{}, 10)
	if len(got) != len(want) {
		t.Fatalf("%d events", len(got))
	}
	for i := range want {
		same(t, "event", got[i], want[i])
	}
}

func anyText(t *testing.T, s store.Store) {
	for i, text := range []string{"", "a\x00b", `'"; DROP TABLE events; --`, "名前 \U0001F600", "<&>", `\u0041`, "a=b, c", "%_", "$.x"} {
		want := event(i, func(e *usagev1.Event) {
			e.Tenant, e.Model, e.UpstreamModel = text, text, text
			e.Tags = map[string]string{"k" + text: "v" + text}
		})
		insert(t, s, want)
		value := "v" + text
		got := list(t, s, store.Filter{Tenant: text, Tag: &store.Tag{Name: "k" + text, Value: &value}}, 10)
		if len(got) != 1 {
			t.Errorf("%q: %d events", text, len(got))
			continue
		}
		same(t, text, got[0], want)
		groups := sums(t, s, store.Query{
			Filter: store.Filter{Tag: &store.Tag{Name: "k" + text}}, Groups: []usagev1.Group{usagev1.Group_GROUP_TAG}, TagName: "k" + text,
		})
		if len(groups) != 1 || groups[0].Group[0] != value {
			t.Errorf("%q: sums %v", text, groups)
		}
	}
}

func once(t *testing.T, s store.Store) {
	first := event(1)
	changed := event(1, func(e *usagev1.Event) { e.Tenant, e.CostPicoUsd = "other", proto.Int64(5) })
	if n := insert(t, s, first, event(2)); n != 2 {
		t.Errorf("%d inserted, want 2", n)
	}
	if n := insert(t, s, changed, event(3), event(3)); n != 1 {
		t.Errorf("%d inserted, want 1", n)
	}
	got := list(t, s, store.Filter{}, 10)
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	same(t, "the first", got[0], first)
	strange := event(4, func(e *usagev1.Event) { e.StartedAt = nil })
	if n := insert(t, s, strange) + insert(t, s, strange); n != 1 {
		t.Errorf("without a time: %d inserted, want 1", n)
	}
}

func onceConcurrently(t *testing.T, s store.Store) {
	const routers, rows = 8, 300
	var events []*usagev1.Event
	for i := range rows {
		events = append(events, event(i))
	}
	var total sync.Map
	var wg sync.WaitGroup
	for r := range routers {
		wg.Go(func() {
			n := 0
			for batch := range slices.Chunk(events, 37) {
				added, err := s.Insert(t.Context(), batch)
				if err != nil {
					t.Error(err)
				}
				n += added
			}
			total.Store(r, n)
		})
	}
	wg.Wait()
	sum := 0
	total.Range(func(_, n any) bool { sum += n.(int); return true })
	if got := len(list(t, s, store.Filter{}, 100)); sum != rows || got != rows {
		t.Errorf("%d inserted, %d there, want %d", sum, got, rows)
	}
}

func allOrNone(t *testing.T, s store.Store) {
	if _, err := s.Insert(closed(t), []*usagev1.Event{event(1), event(2)}); err == nil {
		t.Fatal("an insert under an ended context succeeded")
	}
	if got := list(t, s, store.Filter{}, 10); len(got) != 0 {
		t.Errorf("%d events", len(got))
	}
	if got := spent(t, s, time.Time{}, acme); got[0] != 0 {
		t.Errorf("%d spent", got[0])
	}
	if n := insert(t, s); n != 0 {
		t.Errorf("%d of none inserted", n)
	}
}

func filters(t *testing.T, s store.Store) {
	var events []*usagev1.Event
	for i := range 10 {
		events = append(events, event(i))
	}
	events[1].Tenant = "globex"
	events[2].KeyId = "key_2"
	events[3].Model = "gpt-5"
	events[4].Provider = "openai"
	events[5].Tags = map[string]string{"team": "search"}
	events[6].Tags = map[string]string{"team": ""}
	events[7].RequestId = "mine"
	insert(t, s, events...)
	value, none := "search", ""
	for _, test := range []struct {
		name   string
		filter store.Filter
		want   []int
	}{
		{"all", store.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"from", store.Filter{Start: epoch.Add(8 * time.Minute)}, []int{8, 9}},
		{"before", store.Filter{End: epoch.Add(2 * time.Minute)}, []int{0, 1}},
		{"between", store.Filter{Start: epoch.Add(time.Minute), End: epoch.Add(time.Minute + 1)}, []int{1}},
		{"tenant", store.Filter{Tenant: "globex"}, []int{1}},
		{"key", store.Filter{KeyID: "key_2"}, []int{2}},
		{"model", store.Filter{Model: "gpt-5"}, []int{3}},
		{"provider", store.Filter{Provider: "openai"}, []int{4}},
		{"tag", store.Filter{Tag: &store.Tag{Name: "team"}}, []int{5, 6}},
		{"tag's value", store.Filter{Tag: &store.Tag{Name: "team", Value: &value}}, []int{5}},
		{"tag's empty value", store.Filter{Tag: &store.Tag{Name: "team", Value: &none}}, []int{6}},
		{"request", store.Filter{RequestID: "mine"}, []int{7}},
		{"several", store.Filter{Tenant: "globex", KeyID: "key_2"}, nil},
	} {
		var got []int
		for _, e := range list(t, s, test.filter, 3) {
			var n int
			if _, err := fmt.Sscanf(e.GetId(), "req_%d/", &n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func pages(t *testing.T, s store.Store) {
	var want []string
	for i := range 50 {
		want = append(want, event(i).GetId())
	}
	for i := range 50 { // the last first, five of each instant
		i = 49 - i
		insert(t, s, event(i, func(e *usagev1.Event) { e.StartedAt = event(i / 5).StartedAt }))
	}
	for _, size := range []int{1, 7, 50, 51} {
		var got []string
		for _, e := range list(t, s, store.Filter{}, size) {
			got = append(got, e.GetId())
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %d events, in order %t", size, len(got), slices.IsSorted(got))
		}
	}
}

func pagesMeanwhile(t *testing.T, s store.Store) {
	for i := range 20 {
		insert(t, s, event(2*i))
	}
	var at store.Cursor
	seen := make(map[string]bool)
	for i := 0; ; i++ {
		events, next, err := s.Page(t.Context(), store.Filter{}, at, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if seen[e.GetId()] {
				t.Errorf("%s came twice", e.GetId())
			}
			seen[e.GetId()] = true
		}
		if len(events) < 3 {
			break
		}
		at = next
		insert(t, s, event(2*i+1))
	}
	for i := range 20 {
		if id := event(2 * i).GetId(); !seen[id] {
			t.Errorf("%s was left out", id)
		}
	}
}

func prune(t *testing.T, s store.Store) {
	for i := range 10 {
		insert(t, s, event(i))
	}
	before := epoch.Add(5 * time.Minute)
	for _, want := range []int{3, 2, 0} {
		if n, err := s.Prune(t.Context(), before, 3); n != want || err != nil {
			t.Errorf("pruned %d, want %d: %v", n, want, err)
		}
	}
	if left := list(t, s, store.Filter{}, 10); len(left) != 5 || left[0].GetId() != event(5).GetId() {
		t.Errorf("%d left", len(left))
	}
}
