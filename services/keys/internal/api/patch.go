package api

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/money"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// patch is what a request changes of a key.
type patch struct {
	// paths are those of the mask, each once: of fields that can be changed.
	paths []string
	key   *keysv1.Key
}

// changeableFields are the fields of a key that UpdateKey changes as a whole.
var changeableFields = []string{"name", "models", "limits", "expires_at"}

// patchOf reads the mask. Without one the fields that are set are changed.
func patchOf(r *keysv1.UpdateKeyRequest) (patch, error) {
	p := patch{paths: slices.Clone(r.GetUpdateMask().GetPaths()), key: r.GetKey()}
	if len(p.paths) == 0 {
		p.paths = populated(r.GetKey())
	}
	if slices.Contains(p.paths, "*") {
		p.paths = changeableFields
	}
	slices.Sort(p.paths)
	p.paths = slices.Compact(p.paths)
	if len(p.paths) == 0 {
		return p, missing("update_mask", "name what to change, of name, models, limits and expires_at, or set it in the key")
	}
	for _, path := range p.paths {
		if err := checkPath(path); err != nil {
			return p, err
		}
	}
	return p, nil
}

// populated are the fields of a key that are set, but for the id, which names it; those of the limits one by one.
func populated(k *keysv1.Key) []string {
	var paths []string
	for _, of := range []struct {
		prefix string
		m      proto.Message
	}{{"", k}, {"limits.", k.GetLimits()}} {
		fields := of.m.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			name := string(fields.Get(i).Name())
			if of.m.ProtoReflect().Has(fields.Get(i)) && of.prefix+name != "id" && name != "limits" {
				paths = append(paths, of.prefix+name)
			}
		}
	}
	return paths
}

// checkPath refuses what can't be changed, and says what to do instead.
func checkPath(path string) error {
	switch path {
	case "name", "models", "limits", "expires_at", "limits.requests_per_minute", "limits.tokens_per_minute",
		"limits.concurrent_requests", "limits.budget_usd", "limits.budget_period":
		return nil
	case "tenant", "role", "environment":
		return invalid(path, "can't be changed: make another key with CreateKey and revoke this one")
	case "hint", "rotated_at", "old_secret_expires_at":
		return invalid(path, "can't be set: RotateKey gives the key another secret")
	case "revoked_at":
		return invalid(path, "can't be set: RevokeKey ends the key")
	case "id", "created_at", "created_by":
		return invalid(path, "can't be changed: leave it out")
	}
	return invalid("update_mask", "names a field that a key doesn't have: name, models, limits, limits.requests_per_minute and the like, and expires_at can be changed")
}

// has reports whether one of the paths is changed.
func (p patch) has(paths ...string) bool {
	return slices.ContainsFunc(paths, func(path string) bool { return slices.Contains(p.paths, path) })
}

// extends reports whether the change sets another end: one that was checked, in the future, or never.
func (p patch) extends() bool { return p.has("expires_at") }

// apply changes a key. It refuses what is wrong only together with what the key has.
func (p patch) apply(k *store.Key) error {
	from := wantedOf(p.key)
	for _, path := range p.paths {
		switch path {
		case "name":
			k.Name = from.Name
		case "models":
			k.Models = from.Models
		case "expires_at":
			k.Expires = from.Expires
		case "limits":
			k.Limits = from.Limits
		default:
			setLimit(&k.Limits, from.Limits, strings.TrimPrefix(path, "limits."))
		}
	}
	if k.Limits.Budget != 0 {
		return nil
	}
	if p.key.GetLimits().GetBudgetPeriod() != 0 && p.has("limits", "limits.budget_period") {
		return periodAlone()
	}
	k.Limits.BudgetPeriod = 0
	return nil
}

func setLimit(l *store.Limits, from store.Limits, field string) {
	switch field {
	case "requests_per_minute":
		l.RequestsPerMinute = from.RequestsPerMinute
	case "tokens_per_minute":
		l.TokensPerMinute = from.TokensPerMinute
	case "concurrent_requests":
		l.ConcurrentRequests = from.ConcurrentRequests
	case "budget_usd":
		l.Budget = from.Budget
	case "budget_period":
		l.BudgetPeriod = from.BudgetPeriod
	}
}

// wantedOf are the fields of a valid message that can be changed.
func wantedOf(k *keysv1.Key) store.Key {
	out := store.Key{
		Name: k.GetName(), Models: k.GetModels(),
		Limits: store.Limits{
			RequestsPerMinute:  k.GetLimits().GetRequestsPerMinute(),
			TokensPerMinute:    k.GetLimits().GetTokensPerMinute(),
			ConcurrentRequests: k.GetLimits().GetConcurrentRequests(),
			BudgetPeriod:       k.GetLimits().GetBudgetPeriod(), // where it is unset, rights.Grant sets it
		},
	}
	out.Limits.Budget, _ = money.FromUSD(k.GetLimits().GetBudgetUsd()) // Validate refused what can't be one
	if k.GetExpiresAt() != nil {
		out.Expires = store.Time(k.GetExpiresAt().AsTime())
	}
	return out
}
