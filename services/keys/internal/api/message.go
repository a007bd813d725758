package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Message is a key as callers see it.
func Message(k store.Key) *keysv1.Key {
	return &keysv1.Key{
		Id: k.ID, Name: k.Name, Tenant: k.Tenant, Role: k.Role, Models: k.Models, Limits: limits(k.Limits),
		CreatedAt: timestamp(k.Created), ExpiresAt: timestamp(k.Expires), RevokedAt: timestamp(k.Revoked),
		CreatedBy: k.CreatedBy, Hint: k.Hint, RotatedAt: timestamp(k.Rotated), OldSecretExpiresAt: timestamp(k.OldUntil),
	}
}

// Credential is a key as nodes see it, without a secret that has ended by now.
func Credential(k store.Key, now time.Time) *keysv1.Credential {
	c := &keysv1.Credential{Key: Message(k), SecretHash: k.Hash[:]}
	if old := k.Old(now); old != (apikey.Hash{}) {
		c.OldSecretHash = old[:]
	}
	return c
}

// limits is unset where there are none.
func limits(l store.Limits) *ratelimitv1.Limits {
	if l == (store.Limits{}) {
		return nil
	}
	return &ratelimitv1.Limits{
		RequestsPerMinute: l.RequestsPerMinute, TokensPerMinute: l.TokensPerMinute, ConcurrentRequests: l.ConcurrentRequests,
		BudgetUsd: money.ToUSD(l.Budget), BudgetPeriod: l.BudgetPeriod,
	}
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
