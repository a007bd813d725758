// Package ledger asks the usage service what keys and tenants have spent.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	usagev1 "github.com/headgate-mesh/headgate/gen/usage/v1"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/seed"
	"github.com/headgate-mesh/headgate/services/ratelimit/internal/store"
)

// Ledger asks as a peer, on nobody's behalf. Safe for concurrent use.
type Ledger struct{ usage usagev1.UsageServiceClient }

// New returns a Ledger over a connection to the usage service.
func New(usage grpc.ClientConnInterface) *Ledger {
	return &Ledger{usage: usagev1.NewUsageServiceClient(usage)}
}

// Spent adds up what accounts have spent since a time, in one question.
func (l *Ledger) Spent(ctx context.Context, from time.Time, accounts []seed.Account) ([]int64, error) {
	r := &usagev1.GetSpentRequest{Start: start(from), Accounts: make([]*usagev1.Account, len(accounts))}
	for i, a := range accounts {
		r.Accounts[i] = account(a)
	}
	answer, err := l.usage.GetSpent(ctx, r)
	if err != nil {
		return nil, err
	}
	list := answer.GetCostPicoUsd()
	if len(list) != len(accounts) {
		return nil, fmt.Errorf("the ledger's answer has %d sums for %d accounts", len(list), len(accounts))
	}
	for i, n := range list {
		if n < 0 {
			return nil, errNegative
		}
		list[i] = min(n, store.MaxMoney)
	}
	return list, nil
}

var errNegative = errors.New("the ledger's answer has a sum below zero")

// start is the beginning of 1970, where the ledger begins, for the zero time.
func start(from time.Time) *timestamppb.Timestamp {
	if from.IsZero() {
		return new(timestamppb.Timestamp)
	}
	return timestamppb.New(from)
}

func account(a seed.Account) *usagev1.Account {
	if a.Kind == ratelimitv1.ScopeKind_SCOPE_KIND_KEY {
		return &usagev1.Account{Tenant: a.Tenant, KeyId: a.ID}
	}
	return &usagev1.Account{Tenant: a.Tenant}
}

var _ seed.Ledger = (*Ledger)(nil)
