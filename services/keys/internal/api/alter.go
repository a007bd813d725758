package api

import (
	"context"
	"errors"
	"fmt"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// alter lets f change a key that the caller may change, keeps that and tells of it. Errors of f are returned as they are.
func (s *Server) alter(ctx context.Context, p auth.Principal, id string, f func(auth.Principal, *store.Key) error) (k store.Key, err error) {
	if _, err := s.visible(ctx, p, id); err != nil {
		return k, err
	}
	err = s.change(ctx, p, func(ctx context.Context, p auth.Principal) error {
		k, err = s.Store.Change(ctx, id, func(k *store.Key) error {
			if err := changeable(p, *k); err != nil {
				return err
			}
			return f(p, k)
		})
		if err != nil {
			return kept(err)
		}
		return s.Feed.Add(Credential(k, s.Clock()))
	})
	return k, err
}

// changeable refuses a key that was revoked, and one that may do more than the caller.
func changeable(p auth.Principal, k store.Key) error {
	if !k.Revoked.IsZero() {
		return ended(k, "")
	}
	return rights.Changes(p, k)
}

// ended is for a key that was revoked, for good, or has expired, with what helps then.
func ended(k store.Key, remedy string) error {
	text := "the key has expired: " + remedy
	if !k.Revoked.IsZero() {
		text = "the key is revoked, which is for good: make another one with CreateKey"
	}
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "%s", text).With("field", "id")
}

// kept tells the errors of a change from those of the store.
func kept(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fmt.Errorf("keeping a change of a key: %w", err)
}
