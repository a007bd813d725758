package api

import (
	"cmp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/headgate-mesh/headgate/gen/access/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/bucket"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/money"
)

const (
	maxName        = 100 // characters
	maxTenant      = 64
	maxEnvironment = 16
	maxModels      = 100
	maxModel       = 256 // bytes, as in requests
	maxToken       = 256
)

// Validate checks a request message before its handler sees it. Errors are MISSING_FIELD and INVALID_FIELD with the
// field's path. What isn't a request of KeyService passes.
func (s *Server) Validate(m proto.Message) error {
	switch r := m.(type) {
	case *keysv1.CreateKeyRequest:
		return cmp.Or(
			name(r.GetName()), tenant(r.GetTenant()), role(r.GetRole()), models(r.GetModels()), checkLimits(r.GetLimits()),
			expiry(r.GetExpiresAt(), s.Clock()), environment(r.GetEnvironment()),
		)
	case *keysv1.ListKeysRequest:
		return cmp.Or(tenant(r.GetTenant()), pageSize(r.GetPageSize()), token(r.GetPageToken()))
	case *keysv1.GetKeyRequest:
		return identified(r.GetId())
	case *keysv1.RevokeKeyRequest:
		return identified(r.GetId())
	case *keysv1.UpdateKeyRequest:
		return cmp.Or(identified(r.GetKey().GetId()), s.changes(r))
	case *keysv1.RotateKeyRequest:
		return cmp.Or(identified(r.GetId()), keep(r.GetKeepOldFor()))
	case *keysv1.VerifyKeyRequest:
		return secretHash(r.GetSecretHash())
	}
	return nil
}

func identified(id string) error {
	if id == "" {
		return missing("id", "name a key by its id; ListKeys lists them")
	}
	return nil
}

// changes checks the values that a change sets, and no others.
func (s *Server) changes(r *keysv1.UpdateKeyRequest) error {
	p, err := patchOf(r)
	if err != nil {
		return err
	}
	for _, path := range p.paths {
		switch path {
		case "name":
			err = name(p.key.GetName())
		case "models":
			err = models(p.key.GetModels())
		case "limits":
			err = checkLimits(p.key.GetLimits())
		case "expires_at":
			err = expiry(p.key.GetExpiresAt(), s.Clock())
		case "limits.budget_usd":
			err = budget(p.key.GetLimits())
		case "limits.budget_period":
			err = budgetPeriod(p.key.GetLimits())
		default:
			err = limit(p.key.GetLimits(), path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func keep(d *durationpb.Duration) error {
	if d != nil && (d.CheckValid() != nil || d.AsDuration() < 0 || d.AsDuration() > maxKeep) {
		return invalid("keep_old_for", "must be from 0s, which ends the old secret at once, to %ds, which is 7 days", int64(maxKeep.Seconds()))
	}
	return nil
}

func secretHash(h []byte) error {
	switch len(h) {
	case 0:
		return missing("secret_hash", "send the secret's HMAC-SHA-256, as nodes know it")
	case len(apikey.Hash{}):
		return nil
	}
	return invalid("secret_hash", "must be %d bytes", len(apikey.Hash{}))
}

// name keeps out what would garble a table, a log or the eyes of whoever reads them.
func name(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return missing("name", "say what people call the key")
	case utf8.RuneCountInString(s) > maxName:
		return invalid("name", "must be at most %d characters", maxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return invalid("name", "must hold printable characters only, and no line breaks")
	}
	return nil
}

func tenant(s string) error {
	if len(s) > maxTenant || !only(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") {
		return invalid("tenant", "must be 1 to %d of a-z, 0-9, _ and -", maxTenant)
	}
	return nil
}

func role(r accessv1.Role) error {
	if _, ok := accessv1.Role_name[int32(r)]; !ok {
		return invalid("role", "must be ROLE_CLIENT, ROLE_VIEWER or ROLE_ADMIN")
	}
	return nil
}

func models(list []string) error {
	if len(list) > maxModels {
		return invalid("models", "must be at most %d entries; an entry may end in * to stand for many", maxModels)
	}
	for _, m := range list {
		if err := model(m); err != nil {
			return err
		}
	}
	return nil
}

func model(m string) error {
	switch {
	case m == "":
		return invalid("models", "must not hold an empty entry")
	case len(m) > maxModel:
		return invalid("models", "must hold entries of at most %d bytes", maxModel)
	case strings.Contains(m[:len(m)-1], "*"):
		return invalid("models", "must hold names in which * stands at the end only")
	case !utf8.ValidString(m) || strings.ContainsFunc(m, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return invalid("models", "must hold names without spaces and control characters")
	}
	return nil
}

// maxLimit is the largest limit that the rate limiter's arithmetic bears (package bucket).
const maxLimit = bucket.MaxLimit

func checkLimits(l *ratelimitv1.Limits) error {
	for _, path := range []string{"limits.requests_per_minute", "limits.tokens_per_minute", "limits.concurrent_requests"} {
		if err := limit(l, path); err != nil {
			return err
		}
	}
	if err := cmp.Or(budget(l), budgetPeriod(l)); err != nil {
		return err
	}
	if l.GetBudgetPeriod() != 0 && l.GetBudgetUsd() == 0 {
		return periodAlone()
	}
	return nil
}

// limit checks one of the limits on use.
func limit(l *ratelimitv1.Limits, path string) error {
	value := map[string]int64{
		"limits.requests_per_minute": l.GetRequestsPerMinute(),
		"limits.tokens_per_minute":   l.GetTokensPerMinute(),
		"limits.concurrent_requests": l.GetConcurrentRequests(),
	}[path]
	if value < 0 || value > maxLimit {
		return invalid(path, "must be from 0, which is no limit of the key's own, to %d", int64(maxLimit))
	}
	return nil
}

func budget(l *ratelimitv1.Limits) error {
	if _, err := money.FromUSD(l.GetBudgetUsd()); err != nil {
		return invalid("limits.budget_usd", "%s", err.Error())
	}
	return nil
}

func budgetPeriod(l *ratelimitv1.Limits) error {
	if _, ok := ratelimitv1.BudgetPeriod_name[int32(l.GetBudgetPeriod())]; !ok {
		return invalid("limits.budget_period", "must be BUDGET_PERIOD_DAY, BUDGET_PERIOD_MONTH or BUDGET_PERIOD_TOTAL")
	}
	return nil
}

func periodAlone() error {
	return invalid("limits.budget_period", "must be unset where limits.budget_usd is")
}

func expiry(at *timestamppb.Timestamp, now time.Time) error {
	switch {
	case at == nil:
		return nil
	case at.CheckValid() != nil:
		return invalid("expires_at", "must be a time of the years 1 to 9999")
	case !at.AsTime().Truncate(time.Microsecond).After(now):
		return invalid("expires_at", "must be in the future")
	}
	return nil
}

func environment(s string) error {
	if len(s) > maxEnvironment || !only(s, "abcdefghijklmnopqrstuvwxyz0123456789") {
		return invalid("environment", "must be 1 to %d of a-z and 0-9", maxEnvironment)
	}
	return nil
}

func pageSize(n int32) error {
	if n < 0 || n > maxPage {
		return invalid("page_size", "must be 1 to %d, or 0 for %d", maxPage, defaultPage)
	}
	return nil
}

func token(s string) error {
	if len(s) > maxToken {
		return badToken()
	}
	return nil
}

// only reports whether s holds nothing but the given characters.
func only(s, allowed string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(allowed, r) })
}

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, field+" "+format, args...).With("field", field)
}
