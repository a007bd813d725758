package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	keysv1 "github.com/headgate-mesh/headgate/gen/keys/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/keys/internal/rights"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// GetKey returns a key that the caller may see.
func (s *Server) GetKey(ctx context.Context, r *keysv1.GetKeyRequest) (*keysv1.GetKeyResponse, error) {
	p, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	k, err := s.visible(ctx, p, r.GetId())
	if err != nil {
		return nil, err
	}
	return &keysv1.GetKeyResponse{Key: Message(k)}, nil
}

// visible reads a key that the caller may know of.
func (s *Server) visible(ctx context.Context, p auth.Principal, id string) (store.Key, error) {
	k, err := s.Store.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return k, notFound()
	case err != nil:
		return k, fmt.Errorf("reading a key: %w", err)
	case !rights.Sees(p, k.Tenant):
		return k, notFound()
	}
	return k, nil
}

// ListKeys returns a page of the keys that the caller may see.
func (s *Server) ListKeys(ctx context.Context, r *keysv1.ListKeysRequest) (*keysv1.ListKeysResponse, error) {
	p, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	q, err := s.query(p, r)
	if err != nil {
		return nil, err
	}
	q.Limit++ // one more than asked for tells whether there is a next page
	found, err := s.Store.List(ctx, q)
	if errors.Is(err, store.ErrNotFound) {
		return nil, badToken()
	}
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return page(found, q.Limit-1), nil
}

func (s *Server) query(p auth.Principal, r *keysv1.ListKeysRequest) (store.Query, error) {
	q := store.Query{Tenant: cmp.Or(r.GetTenant(), p.Tenant), Limit: int(cmp.Or(r.GetPageSize(), defaultPage))}
	if !rights.Sees(p, q.Tenant) {
		return q, fault.New(errorsv1.Reason_REASON_NOT_FOUND, "tenant isn't one whose keys you may see; leave it out for your own").
			With("field", "tenant")
	}
	if !r.GetIncludeEnded() {
		q.ValidAt = s.Clock()
	}
	if r.GetPageToken() != "" {
		after, err := base64.RawURLEncoding.DecodeString(r.GetPageToken())
		if err != nil || len(after) == 0 {
			return q, badToken()
		}
		q.After = string(after)
	}
	return q, nil
}

// page makes a response of what was found, of which it holds at most n. The token is the last key's id: keys are never
// deleted, so it stays a place in the list.
func page(found []store.Key, n int) *keysv1.ListKeysResponse {
	r := &keysv1.ListKeysResponse{}
	if len(found) > n {
		found = found[:n]
		r.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(found[n-1].ID))
	}
	for _, k := range found {
		r.Keys = append(r.Keys, Message(k))
	}
	return r
}

func badToken() error {
	return invalid("page_token", "must be the next_page_token of an earlier page, unchanged")
}
