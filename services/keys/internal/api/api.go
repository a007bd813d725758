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

// change runs f alone among changes, with the caller as their key is kept at that moment.
func (s *Server) change(ctx context.Context, p auth.Principal, f func(ctx context.Context, p auth.Principal) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	p, err := s.present(ctx, p)
	if err != nil {
		return err
	}
	return f(ctx, p)
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

// notFound is for a key that doesn't exist or is another tenant's: the two aren't told apart.
func notFound() *fault.Error {
	return fault.New(errorsv1.Reason_REASON_NOT_FOUND, "there is no key with this id; ListKeys lists yours").With("field", "id")
}
