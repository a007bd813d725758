// Package quota is what the router holds of the limits of keys and tenants, so that most calls need not ask for them.
package quota

import (
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// Account is whose limits hold for a call.
type Account struct {
	// Tenant and KeyID name them.
	Tenant, KeyID string
	// Key and TenantLimits are the limits in force; nil means none.
	Key, TenantLimits *ratelimitv1.Limits
}

// Reservation is what a call holds. Nil is a reservation of nothing.
type Reservation struct{}

// Settle ends it with the tokens that were used; unused says that the call never reached a provider.
func (r *Reservation) Settle(_ int64, _ bool) {}

// Balances tells how the limits stand.
func (r *Reservation) Balances() []*ratelimitv1.Balance { return nil }
