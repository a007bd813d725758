// Package steer reads what a caller wants of one call from its metadata (design section 4): the sensitivity label, the
// route, the deadline and the tags. HTTP request headers arrive here under the same names.
package steer

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

const (
	maxTags       = 32
	maxTagLength  = 128
	maxTimeout    = 24 * time.Hour
	maxRouteBytes = 256
	maxName       = 64
)

// Wishes is what a caller wants of one call.
type Wishes struct {
	// Sensitivity is the label; unspecified means none.
	Sensitivity llmv1.Sensitivity
	// Route replaces the request's model for routing; empty means the request's.
	Route string
	// Timeout is the caller's total deadline; 0 means the configured one.
	Timeout time.Duration
	// FirstContent and Gap bound the silences of a stream; 0 means the configured ones.
	FirstContent, Gap time.Duration
	// Batch says that the call can wait: where the router is busy it is refused first.
	Batch bool
	// Tags are recorded with usage; nil where there are none.
	Tags map[string]string
	// Cache is what the caller wants of the cache; empty leaves it to the configuration. CacheTTL is how long an answer
	// may be kept; 0 leaves that to the configuration, too.
	Cache    Cache
	CacheTTL time.Duration
}

// Cache is a caller's wish about the cache.
type Cache string

const (
	// CacheOn looks an answer up, and keeps a new one.
	CacheOn Cache = "on"
	// CacheOff does neither.
	CacheOff Cache = "off"
	// CacheRefresh asks anew, and keeps the answer in place of the old one.
	CacheRefresh Cache = "refresh"
)

// wishes are the headers and how each is read.
var wishes = []struct {
	name string
	read func(w *Wishes, value string) error
}{
	{meta.Sensitivity, func(w *Wishes, v string) (err error) { w.Sensitivity, err = sensitivity(v); return err }},
	{meta.TimeoutMS, func(w *Wishes, v string) (err error) { w.Timeout, err = timeout(meta.TimeoutMS, v); return err }},
	{meta.FirstContentMS, func(w *Wishes, v string) (err error) {
		w.FirstContent, err = timeout(meta.FirstContentMS, v)
		return err
	}},
	{meta.GapMS, func(w *Wishes, v string) (err error) { w.Gap, err = timeout(meta.GapMS, v); return err }},
	{meta.Priority, func(w *Wishes, v string) (err error) { w.Batch, err = priority(v); return err }},
	{meta.Route, func(w *Wishes, v string) (err error) { w.Route, err = route(v); return err }},
	{meta.Tags, func(w *Wishes, v string) (err error) { w.Tags, err = tags(v); return err }},
	{meta.Cache, func(w *Wishes, v string) (err error) { w.Cache, err = cache(v); return err }},
	{meta.CacheTTL, func(w *Wishes, v string) (err error) { w.CacheTTL, err = cacheTTL(v); return err }},
}

// Read returns the wishes of an incoming call. A value that can't be understood, or a name that looks like one of these and
// is none, is INVALID_FIELD with the header's name: a label that was misspelt must not be ignored.
func Read(ctx context.Context) (w Wishes, err error) {
	md := meta.Incoming(ctx)
	for name := range md {
		if text := meta.Unknown(name); text != "" {
			return w, invalid(name[:min(len(name), maxName)], text)
		}
	}
	for i := range wishes {
		value, err := one(md, wishes[i].name)
		if err != nil {
			return w, err
		}
		if value == "" {
			continue
		}
		if err := wishes[i].read(&w, value); err != nil {
			return w, err
		}
	}
	return w, nil
}

// one returns a header's value. Two that differ are refused: whichever counted, the caller might have meant the other.
func one(md metadata.MD, name string) (string, error) {
	values := md[name]
	if len(values) == 0 {
		return "", nil
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return "", invalid(name, "stands twice with different values; send it once")
		}
	}
	return strings.TrimSpace(values[0]), nil
}

func route(s string) (string, error) {
	if len(s) > maxRouteBytes {
		return "", invalid(meta.Route, "must be a model's name of at most 256 bytes")
	}
	return s, nil
}

func sensitivity(s string) (llmv1.Sensitivity, error) {
	switch s {
	case "":
		return llmv1.Sensitivity_SENSITIVITY_UNSPECIFIED, nil
	case "none":
		return llmv1.Sensitivity_SENSITIVITY_NONE, nil
	case "low":
		return llmv1.Sensitivity_SENSITIVITY_LOW, nil
	case "medium":
		return llmv1.Sensitivity_SENSITIVITY_MEDIUM, nil
	case "high":
		return llmv1.Sensitivity_SENSITIVITY_HIGH, nil
	}
	return llmv1.Sensitivity_SENSITIVITY_HIGH, invalid(meta.Sensitivity, "must be none, low, medium or high")
}

func timeout(name, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms < 1 || ms > maxTimeout.Milliseconds() {
		return 0, invalid(name, "must be a whole number of milliseconds from 1 to 86400000")
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func priority(s string) (batch bool, err error) {
	switch s {
	case "", "interactive":
		return false, nil
	case "batch":
		return true, nil
	}
	return false, invalid(meta.Priority, "must be interactive or batch")
}

func tags(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	list := strings.Split(s, ",")
	if len(list) > maxTags {
		return nil, invalid(meta.Tags, "takes at most 32 tags")
	}
	read := make(map[string]string, len(list))
	for _, tag := range list {
		key, value, ok := strings.Cut(tag, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || len(key) > maxTagLength || len(value) > maxTagLength || !utf8.ValidString(tag) {
			return nil, invalid(meta.Tags, "must look like team=search,feature=autocomplete, each side at most 128 bytes")
		}
		if _, twice := read[key]; twice {
			return nil, invalid(meta.Tags, "names a tag twice")
		}
		read[key] = value
	}
	return read, nil
}

func cache(s string) (Cache, error) {
	switch c := Cache(s); c {
	case "", CacheOn, CacheOff, CacheRefresh:
		return c, nil
	}
	return "", invalid(meta.Cache, "must be on, off or refresh")
}

func cacheTTL(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > int64(maxTimeout/time.Second) {
		return 0, invalid(meta.CacheTTL, "must be a whole number of seconds from 1 to 86400")
	}
	return time.Duration(n) * time.Second, nil
}

func invalid(header, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", header, remedy).With("field", header)
}
