package server

import (
	"cmp"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	cachev1 "github.com/headgate-mesh/headgate/gen/cache/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// maxName bounds the names of tenants and models, in bytes.
const maxName = 256

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's name. What isn't a request of CacheService passes.
func Validate(m proto.Message) error {
	switch r := m.(type) {
	case *cachev1.LookupRequest:
		return cmp.Or(place(r), holder(r, false))
	case *cachev1.StoreRequest:
		return cmp.Or(place(r), holder(r, false), value(r))
	case *cachev1.HoldRequest:
		return cmp.Or(place(r), holder(r, true), waiting(r.GetWait()))
	case *cachev1.ReleaseRequest:
		return cmp.Or(place(r), holder(r, true))
	case *cachev1.InvalidateRequest:
		if r.GetModel() == "" && r.GetTenant() == "" && !r.GetAll() {
			return missing("model", "name a model, a tenant or both, or set all")
		}
		return cmp.Or(short("model", r.GetModel()), short("tenant", r.GetTenant()))
	}
	return nil
}

// question is what names an answer.
type question interface {
	GetDigest() []byte
	GetTenant() string
	GetModel() string
}

func place(q question) error {
	switch {
	case len(q.GetDigest()) != len(store.Digest{}):
		return invalid("digest", "must be %d bytes", len(store.Digest{}))
	case q.GetTenant() == "":
		return missing("tenant", "say whose answer it is")
	case q.GetModel() == "":
		return missing("model", "name the model as the client did")
	}
	return cmp.Or(short("tenant", q.GetTenant()), short("model", q.GetModel()))
}

func holder(r interface{ GetHolder() []byte }, required bool) error {
	switch n := len(r.GetHolder()); {
	case n == 0 && required:
		return missing("holder", "say whose lease it is")
	case n != 0 && n != len(store.Holder{}):
		return invalid("holder", "must be %d bytes", len(store.Holder{}))
	}
	return nil
}

// maxWait is the longest that one call waits: whoever waits longer asks again.
const maxWait = 10 * time.Second

func waiting(d *durationpb.Duration) error {
	if d != nil && (!d.IsValid() || d.AsDuration() < 0 || d.AsDuration() > maxWait) {
		return invalid("wait", "must be a duration from 0 to %s", maxWait)
	}
	return nil
}

func short(field, name string) error {
	if len(name) > maxName {
		return invalid(field, "must be at most %d bytes", maxName)
	}
	return nil
}

func value(r *cachev1.StoreRequest) error {
	switch {
	case len(r.GetValue()) == 0:
		return missing("value", "there has to be an answer to keep")
	case len(r.GetGeneration()) != len(store.Generation{}):
		return invalid("generation", "must be what the lookup returned")
	case r.GetTtl() != nil && !validTTL(r.GetTtl()):
		return invalid("ttl", "must be a duration of at least a second")
	}
	return nil
}

func validTTL(d *durationpb.Duration) bool {
	return d.IsValid() && (d.AsDuration() == 0 || d.AsDuration() >= time.Second)
}

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "%s %s", field, fmt.Sprintf(format, args...)).With("field", field)
}
