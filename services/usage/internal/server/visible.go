package server

import (
	"context"
	"strings"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

// visible is the filter a caller asked for, narrowed to what it may see: a client its own key's rows, a viewer or an
// administrator those of its tenant, and all where it belongs to none. Whoever asks for someone else's is refused,
// whether those exist or not: an empty answer would look like an answer.
func visible(ctx context.Context, f *usagev1.Filter) (store.Filter, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return store.Filter{}, denied("this call needs an API key")
	}
	own := store.Filter{
		Start: timeOf(f.GetStart()), End: timeOf(f.GetEnd()),
		Tenant: f.GetTenant(), KeyID: f.GetKeyId(), Model: f.GetModel(), Provider: f.GetProvider(), RequestID: f.GetRequestId(),
		Tag: parseTag(f.GetTag()),
	}
	if client := !sees(p.Role); client {
		if !narrow(&own.KeyID, p.KeyID) {
			return store.Filter{}, denied("a client's key sees its own usage only: leave filter.key_id out")
		}
		if !narrow(&own.Tenant, p.Account()) {
			return store.Filter{}, denied("a client's key sees its own usage only: leave filter.tenant out")
		}
		return own, nil
	}
	if p.Tenant != "" && !narrow(&own.Tenant, p.Tenant) {
		return store.Filter{}, denied("the key sees the usage of its own tenant only: leave filter.tenant out")
	}
	return own, nil
}

// sees reports whether a role sees more than its own key.
func sees(r accessv1.Role) bool {
	return r == accessv1.Role_ROLE_VIEWER || r == accessv1.Role_ROLE_ADMIN
}

// narrow sets a field, unless it already asks for something else.
func narrow(field *string, only string) bool {
	if *field != "" && *field != only {
		return false
	}
	*field = only
	return only != ""
}

// parseTag reads name=value, or a name alone.
func parseTag(s string) *store.Tag {
	if s == "" {
		return nil
	}
	name, value, valued := strings.Cut(s, "=")
	t := &store.Tag{Name: name}
	if valued {
		t.Value = &value
	}
	return t
}

func denied(message string) error {
	return fault.New(errorsv1.Reason_REASON_PERMISSION_DENIED, "%s", message)
}
