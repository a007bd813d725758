package mcp

import (
	"context"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// steered returns the request's context with its steering headers as outgoing metadata: what a client's configuration sets
// for all of its calls.
func steered(r *http.Request) context.Context {
	ctx := r.Context()
	for _, name := range meta.Steering() {
		for _, v := range r.Header[textproto.CanonicalMIMEHeaderKey(name)] {
			ctx = metadata.AppendToOutgoingContext(ctx, name, printable(v))
		}
	}
	return ctx
}

// printable replaces what metadata can't carry.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// steering is what one call of a tool asks for beside what the headers ask.
type steering struct {
	Sensitivity sensitivity       `json:"sensitivity,omitempty" jsonschema:"How sensitive the text is: only providers trusted that far see it. Raises the label, never lowers it."`
	Tags        map[string]string `json:"tags,omitempty" jsonschema:"Names and values to record with the usage, such as team and search."`
}

// steer adds it to the metadata of the call.
func (s steering) steer(ctx context.Context) (context.Context, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	if s.Sensitivity != "" {
		if err := s.Sensitivity.raise(md); err != nil {
			return nil, err
		}
	}
	if err := addTags(md, s.Tags); err != nil {
		return nil, err
	}
	return metadata.NewOutgoingContext(ctx, md), nil
}

// sensitivity is a label by its name.
type sensitivity string

// labels are those there are, lowest first.
var labels = []string{"none", "low", "medium", "high"}

// raise sets the label unless the headers hold a higher one, or one that the router refuses.
func (s sensitivity) raise(md metadata.MD) error {
	wanted := slices.Index(labels, string(s))
	if wanted < 0 {
		return invalid("sensitivity", "must be none, low, medium or high")
	}
	for _, v := range md.Get(meta.Sensitivity) {
		if v = strings.TrimSpace(v); v != "" && (slices.Index(labels, v) < 0 || slices.Index(labels, v) > wanted) {
			return nil
		}
	}
	md.Set(meta.Sensitivity, string(s))
	return nil
}

// addTags puts the tags behind those of the headers, in order of their names.
func addTags(md metadata.MD, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	var list []string
	for name, value := range tags {
		tag := name + "=" + value
		if name == "" || strings.ContainsAny(tag, ",") || strings.Contains(name, "=") || printable(tag) != tag {
			return invalid("tags", "must hold names and values of printable ASCII without commas, names without =")
		}
		list = append(list, tag)
	}
	slices.Sort(list)
	if headers := strings.TrimSpace(strings.Join(md.Get(meta.Tags), ",")); headers != "" {
		list = append([]string{headers}, list...)
	}
	md.Set(meta.Tags, strings.Join(list, ","))
	return nil
}

func invalid(field, remedy string) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, remedy).With("field", field)
}

func missing(field, remedy string) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s %s", field, remedy).With("field", field)
}
