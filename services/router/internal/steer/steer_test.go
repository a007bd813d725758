package steer_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/router/internal/steer"
)

func incoming(t *testing.T, pairs ...string) context.Context {
	t.Helper()
	return metadata.NewIncomingContext(t.Context(), metadata.Pairs(pairs...))
}

func TestReadWithoutMetadata(t *testing.T) {
	t.Parallel()
	if w, err := steer.Read(t.Context()); err != nil || !reflect.DeepEqual(w, steer.Wishes{}) {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	var many []string
	manyTags := make(map[string]string)
	for i := range 32 {
		many = append(many, fmt.Sprintf("t%d=b", i))
		manyTags[fmt.Sprintf("t%d", i)] = "b"
	}
	long := strings.Repeat("x", 128)
	cases := []struct {
		name, header, value string
		want                steer.Wishes
	}{
		{"none", meta.Sensitivity, "none", steer.Wishes{Sensitivity: llmv1.Sensitivity_SENSITIVITY_NONE}},
		{"low", meta.Sensitivity, "low", steer.Wishes{Sensitivity: llmv1.Sensitivity_SENSITIVITY_LOW}},
		{"medium", meta.Sensitivity, "medium", steer.Wishes{Sensitivity: llmv1.Sensitivity_SENSITIVITY_MEDIUM}},
		{"high", meta.Sensitivity, "high", steer.Wishes{Sensitivity: llmv1.Sensitivity_SENSITIVITY_HIGH}},
		{"spaces around", meta.Sensitivity, " high\t", steer.Wishes{Sensitivity: llmv1.Sensitivity_SENSITIVITY_HIGH}},
		{"shortest timeout", meta.TimeoutMS, "1", steer.Wishes{Timeout: time.Millisecond}},
		{"longest timeout", meta.TimeoutMS, "86400000", steer.Wishes{Timeout: 24 * time.Hour}},
		{"route", meta.Route, "fast", steer.Wishes{Route: "fast"}},
		{"longest route", meta.Route, strings.Repeat("r", 256), steer.Wishes{Route: strings.Repeat("r", 256)}},
		{"tags", meta.Tags, "team=search,feature=autocomplete", steer.Wishes{Tags: map[string]string{"team": "search", "feature": "autocomplete"}}},
		{"a tag without a value", meta.Tags, "team=", steer.Wishes{Tags: map[string]string{"team": ""}}},
		{"as many tags as there may be", meta.Tags, strings.Join(many, ","), steer.Wishes{Tags: manyTags}},
		{"the longest tag", meta.Tags, long + "=" + long, steer.Wishes{Tags: map[string]string{long: long}}},
		{"cache on", meta.Cache, "on", steer.Wishes{Cache: steer.CacheOn}},
		{"cache anew", meta.Cache, "refresh", steer.Wishes{Cache: steer.CacheRefresh}},
		{"cache for a minute", meta.CacheTTL, "60", steer.Wishes{CacheTTL: time.Minute}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := steer.Read(incoming(t, c.header, c.value))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// TestReadRefuses: what can't be understood is named, never ignored.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 129)
	cases := []struct {
		name, header string
		values       []string
	}{
		{"misspelt label", meta.Sensitivity, []string{"hihg"}},
		{"a misspelt header", "x-headgate-sensitivty", []string{"high"}},
		{"label in capitals", meta.Sensitivity, []string{"HIGH"}},
		{"a trust that is no label", meta.Sensitivity, []string{"local"}},
		{"two labels in one value", meta.Sensitivity, []string{"low,high"}},
		{"two labels that differ", meta.Sensitivity, []string{"none", "high"}},
		{"no number", meta.TimeoutMS, []string{"soon"}},
		{"zero", meta.TimeoutMS, []string{"0"}},
		{"negative", meta.TimeoutMS, []string{"-5"}},
		{"fraction", meta.TimeoutMS, []string{"1.5"}},
		{"with a unit", meta.TimeoutMS, []string{"5s"}},
		{"more than a day", meta.TimeoutMS, []string{"86400001"}},
		{"more than an integer", meta.TimeoutMS, []string{"99999999999999999999"}},
		{"two timeouts that differ", meta.TimeoutMS, []string{"1000", "10"}},
		{"route too long", meta.Route, []string{strings.Repeat("r", 257)}},
		{"two routes that differ", meta.Route, []string{"a", "b"}},
		{"tag without =", meta.Tags, []string{"team"}},
		{"tag without a key", meta.Tags, []string{"=search"}},
		{"blank key", meta.Tags, []string{" =search"}},
		{"empty tag", meta.Tags, []string{"a=b,,c=d"}},
		{"key too long", meta.Tags, []string{long + "=b"}},
		{"value too long", meta.Tags, []string{"a=" + long}},
		{"too many tags", meta.Tags, []string{strings.TrimSuffix(strings.Repeat("a=b,", 33), ",")}},
		{"a tag twice", meta.Tags, []string{"a=b,a=c"}},
		{"a wish the cache doesn't know", meta.Cache, []string{"maybe"}},
		{"a time that is none", meta.CacheTTL, []string{"1m"}},
		{"no time", meta.CacheTTL, []string{"0"}},
		{"more than a day of keeping", meta.CacheTTL, []string{"86401"}},
		{"a bad second value", meta.Tags, []string{"a=b", "nonsense"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var pairs []string
			for _, v := range c.values {
				pairs = append(pairs, c.header, v)
			}
			_, err := steer.Read(incoming(t, pairs...))
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_INVALID_FIELD {
				t.Fatalf("got %v, want INVALID_FIELD", err)
			}
			if f.Metadata["field"] != c.header || !strings.HasPrefix(f.Message, c.header) {
				t.Errorf("field %q, message %q: %s isn't named", f.Metadata["field"], f.Message, c.header)
			}
		})
	}
}
