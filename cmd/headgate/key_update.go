package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	ratelimitv1 "github.com/headgate-mesh/headgate/gen/ratelimit/v1"
)

// runKeyUpdate changes what the flags name of a key, and nothing else.
func runKeyUpdate(ctx context.Context, e env, args []string) error {
	c := newKeyCommand(e, "update")
	request := updateFlags(c.flags)
	rest, err := c.parse(args, 1)
	if err != nil {
		return err
	}
	r, err := request(time.Now())
	if err != nil {
		return err
	}
	r.Key.Id = rest[0]
	return c.call(func(client keysv1.KeyServiceClient) error {
		changed, err := client.UpdateKey(ctx, r)
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(c.env.stdout, changed.GetKey())
		}
		return printKey(c.env.stdout, time.Now(), changed.GetKey())
	})
}

// fieldOf is what a flag changes.
var fieldOf = map[string]string{ //nolint:gosec // names of fields, no credentials
	"name": "name", "models": "models", "expires": "expires_at",
	"rpm": "limits.requests_per_minute", "requests-per-minute": "limits.requests_per_minute",
	"tpm": "limits.tokens_per_minute", "tokens-per-minute": "limits.tokens_per_minute",
	"concurrency": "limits.concurrent_requests", "concurrent-requests": "limits.concurrent_requests",
	"budget": "limits.budget_usd", "budget-period": "limits.budget_period",
}

// updateFlags adds the flags of a change; what it returns makes the request of those that were given.
func updateFlags(flags *flag.FlagSet) func(now time.Time) (*keysv1.UpdateKeyRequest, error) {
	r := &keysv1.UpdateKeyRequest{Key: &keysv1.Key{Limits: &ratelimitv1.Limits{}}, UpdateMask: &fieldmaskpb.FieldMask{}}
	flags.StringVar(&r.Key.Name, "name", "", "what people call the key")
	limitFlags(flags, r.GetKey().GetLimits(), "0 for no limit", "0 for no budget")
	period := flags.String("budget-period", "", "what the budget is for: day, month or total, for ever")
	models := flags.String("models", "", "the models it may ask for, such as claude-*,gpt-5, or all")
	expires := flags.String("expires", "", "when it ends: a `time` from now such as 720h or 30d, 2027-01-31T00:00:00Z, or never; brings back a key that has expired")
	return func(now time.Time) (_ *keysv1.UpdateKeyRequest, err error) {
		given := givenFields(flags)
		if len(given) == 0 {
			return nil, errors.New("say what to change: --name, --models, --rpm, --tpm, --concurrency, --budget, --budget-period or --expires")
		}
		r.UpdateMask.Paths = slices.Collect(maps.Keys(given))
		if r.Key.Limits.BudgetPeriod, err = periodOf(*period); err != nil {
			return nil, err
		}
		if r.Key.Models, err = modelsOr(*models, "all"); err != nil && given["models"] {
			return nil, err
		}
		r.Key.ExpiresAt, err = expiryOr(*expires, "never", now)
		if err != nil && given["expires_at"] {
			return nil, err
		}
		return r, nil
	}
}

// givenFields are the fields that flags on the command line name.
func givenFields(flags *flag.FlagSet) map[string]bool {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) {
		if field := fieldOf[f.Name]; field != "" {
			given[field] = true
		}
	})
	return given
}

// modelsOr reads a list, of which the word for all is the empty one. A list that happens to be empty is none: a variable
// that isn't set must not open all models.
func modelsOr(s, all string) ([]string, error) {
	list := splitList(s)
	switch {
	case s == all:
		return nil, nil
	case len(list) == 0:
		return nil, errors.New("--models has to name models such as claude-*,gpt-5, or all")
	}
	return list, nil
}

// expiryOr reads a time, of which the word for never is none.
func expiryOr(s, never string, now time.Time) (*timestamppb.Timestamp, error) {
	switch s {
	case never:
		return nil, nil
	case "":
		return nil, errors.New("--expires has to be a time from now such as 720h or 30d, a date, or never")
	}
	return parseExpiry(s, now)
}

// rotatedWords tell when a key got its secret and how long the one before is valid.
func rotatedWords(k *keysv1.Key, now time.Time) string {
	at := when(k.GetRotatedAt(), "never")
	if until := k.GetOldSecretExpiresAt(); until != nil && now.Before(until.AsTime()) {
		return fmt.Sprintf("%s, the old secret is valid until %s", at, when(until, ""))
	}
	return at
}
