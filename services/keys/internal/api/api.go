// Package api is KeyService: it checks who asks, decides with package rights, keeps with package store, and tells the
// nodes through package feed.
package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/feed"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// Server implements KeyService. Fill in every field. It is safe for concurrent use.
type Server struct {
	keysv1.UnimplementedKeyServiceServer

	Store  store.Store
	Feed   *feed.Feed
	Hasher *apikey.Hasher
	Logger *slog.Logger
	Clock  func() time.Time

	// changing is held from before a change is kept until the feed has it, so that the feed tells changes in the order
	// in which they were kept.
	changing sync.Mutex
}

// changeTime bounds keeping one change. A change isn't given up when its caller leaves: what then became of it would be
// unknown, and the feed might miss it.
const changeTime = 10 * time.Second

// change runs f alone among changes.
func (s *Server) change(ctx context.Context, f func(ctx context.Context) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	return f(ctx)
}

// caller is whoever presented a key with this call.
func caller(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return p, fault.New(errorsv1.Reason_REASON_MISSING_API_KEY, "managing keys needs an API key of your own: send it as Authorization: Bearer")
	}
	return p, nil
}

// reader is a caller who may look at keys.
func reader(ctx context.Context) (auth.Principal, error) {
	p, err := caller(ctx)
	if err != nil {
		return p, err
	}
	return p, rights.Reads(p)
}

// writer is a caller who may change keys.
func writer(ctx context.Context) (auth.Principal, error) {
	p, err := caller(ctx)
	if err != nil {
		return p, err
	}
	return p, rights.Writes(p)
}

// stillValid refuses a key that was revoked while its call was on the way: nodes hear of it within a second, and nobody
// may make a new key in that second. It is asked among changes.
func (s *Server) stillValid(p auth.Principal) error {
	if rights.Operator(p) {
		return nil // the administrator's key from the environment; no store holds it
	}
	if s.Feed.Valid(p.KeyID, s.Clock()) {
		return nil
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_API_KEY, "the API key isn't valid any more")
}

// notFound is for a key that doesn't exist or is another tenant's: the two aren't told apart.
func notFound() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_NOT_FOUND, "there is no key with this id; ListKeys lists yours").With("field", "id")
}
