package server

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/usage/internal/store"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	const client, viewer, admin = accessv1.Role_ROLE_CLIENT, accessv1.Role_ROLE_VIEWER, accessv1.Role_ROLE_ADMIN
	caller := func(r accessv1.Role, tenant string) auth.Principal {
		return auth.Principal{Role: r, KeyID: "key_1", Tenant: tenant}
	}
	for _, test := range []struct {
		name        string
		caller      auth.Principal
		ask         *usagev1.Filter
		tenant, key string
		denied      bool
	}{
		{"a client sees its key", caller(client, "acme"), nil, "acme", "key_1", false},
		{"a client names its key", caller(client, "acme"), &usagev1.Filter{KeyId: "key_1", Tenant: "acme"}, "acme", "key_1", false},
		{"a client names another key", caller(client, "acme"), &usagev1.Filter{KeyId: "key_2"}, "", "", true},
		{"a client names another tenant", caller(client, "acme"), &usagev1.Filter{Tenant: "globex"}, "", "", true},
		{"a client of no tenant", caller(client, ""), nil, "default", "key_1", false},
		{"a role nobody knows is a client", caller(99, "acme"), &usagev1.Filter{KeyId: "key_2"}, "", "", true},
		{"no role is a client", caller(0, "acme"), nil, "acme", "key_1", false},
		{"a client without an id sees nothing", auth.Principal{Role: client, Tenant: "acme"}, nil, "", "", true},
		{"a viewer sees its tenant", caller(viewer, "acme"), nil, "acme", "", false},
		{"a viewer names a key", caller(viewer, "acme"), &usagev1.Filter{KeyId: "key_2"}, "acme", "key_2", false},
		{"a viewer names another tenant", caller(viewer, "acme"), &usagev1.Filter{Tenant: "globex"}, "", "", true},
		{"a viewer of all", caller(viewer, ""), nil, "", "", false},
		{"an administrator of a tenant", caller(admin, "acme"), nil, "acme", "", false},
		{"an administrator of a tenant names another", caller(admin, "acme"), &usagev1.Filter{Tenant: "globex"}, "", "", true},
		{"an operator", caller(admin, ""), nil, "", "", false},
		{"an operator names a tenant", caller(admin, ""), &usagev1.Filter{Tenant: "globex"}, "globex", "", false},
	} {
		got, err := visible(auth.NewContext(t.Context(), test.caller), test.ask)
		if denied := fault.From(err) != nil && fault.From(err).Reason == errorsv1.Reason_REASON_PERMISSION_DENIED; denied != test.denied {
			t.Errorf("%s: %v", test.name, err)
		}
		if got.Tenant != test.tenant || got.KeyID != test.key {
			t.Errorf("%s: tenant %q, key %q", test.name, got.Tenant, got.KeyID)
		}
	}
	if _, err := visible(t.Context(), nil); err == nil {
		t.Error("nobody sees something")
	}
}

func TestVisibleKeepsTheRest(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	ctx := auth.NewContext(t.Context(), auth.Principal{Role: accessv1.Role_ROLE_ADMIN})
	got, err := visible(ctx, &usagev1.Filter{
		Start: timestamppb.New(at), End: timestamppb.New(at.Add(1)), Model: "m", Provider: "p", RequestId: "r", Tag: "team=a=b",
	})
	value := "a=b"
	want := store.Filter{Start: at, End: at.Add(1), Model: "m", Provider: "p", RequestID: "r", Tag: &store.Tag{Name: "team", Value: &value}}
	if err != nil || got.Tag == nil || got.Tag.Value == nil || *got.Tag.Value != value || got.Tag.Name != "team" {
		t.Fatalf("%+v %v", got, err)
	}
	got.Tag, want.Tag = nil, nil
	if got != want {
		t.Errorf("%+v", got)
	}
	if got := parseTag("team"); got.Value != nil || got.Name != "team" {
		t.Errorf("%+v", got)
	}
}
