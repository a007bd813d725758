package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

const (
	// batchTotal bounds making a job, batchFetch reading its results (whoever takes them may be slow), batchAnswer
	// everything else that is asked about one.
	batchTotal  = 10 * time.Minute
	batchFetch  = 30 * time.Minute
	batchAnswer = time.Minute
	// batchStill is how long nothing may move in either direction.
	batchStill = 2 * time.Minute
	// batchSlack is how much older than the beginning of its submission a batch may look: clocks differ.
	batchSlack = 2 * time.Minute
	// batchPage and batchPages bound what of a provider's list is read.
	batchPage  = "?limit=100"
	batchPages = 100
)

// batches is what the vendors' batch APIs have in common.
type batches struct {
	*Adapter

	// still is how long nothing may move.
	still time.Duration
}

// keyOf is the key that a job was made with, or the pool's choice where that one isn't configured any more. It rests for
// no model: what a batch API says of its limits isn't about live calls.
func (b batches) keyOf(j *routerv1.JobReference) credential.Lease {
	if l, ok := b.cfg.Keys.Marked(b.cfg.MarkSecret, j.GetCredential()); ok {
		return l
	}
	return b.newKey()
}

func (b batches) newKey() credential.Lease { return b.cfg.Keys.Pick("", time.Now()) }

// keys are all that a job may have been made with: each may be another account.
func (b batches) keys() []credential.Lease {
	if b.cfg.Keys.Len() == 0 {
		return []credential.Lease{{}}
	}
	return b.cfg.Keys.All()
}

// reference is what a job is found by again.
func (b batches) reference(id string, key credential.Lease) *routerv1.JobReference {
	return &routerv1.JobReference{Provider: b.cfg.Name, UpstreamId: id, Credential: key.Mark(b.cfg.MarkSecret)}
}

// ask makes one short exchange and reads the answer into out.
func (b batches) ask(ctx context.Context, r upstream.Request, out any) error {
	if r.Header == nil {
		r.Header = b.ownHeader()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, batchAnswer, b.late(upstream.TimerTotal, batchAnswer))
	defer cancel()
	resp, err := b.client.Send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return b.read(ctx, resp, out)
}

// read reads a successful answer.
func (b batches) read(ctx context.Context, resp *http.Response, out any) error {
	body, err := b.ok(ctx, resp)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return b.malformed("an answer about a batch that can't be understood", err)
	}
	return nil
}

// late is the failure of an exchange that took too long.
func (b batches) late(timer string, limit time.Duration) *fault.Error {
	return fault.New(errorsv1.Reason_REASON_TIMEOUT, "provider %s didn't answer about a batch within %s; try again", b.cfg.Name, limit).
		With("timer", timer).With("limit", limit.String()).With("provider", b.cfg.Name)
}

// named checks an id that the provider gave: it becomes part of a path, and may lead nowhere else.
func (b batches) named(id string) error {
	if !provider.BatchID(id) {
		return b.malformed("an id of a batch that can't be one", nil)
	}
	return nil
}

// unknown reports whether the provider doesn't know what it was asked about.
func unknown(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Reason == errorsv1.Reason_REASON_PROVIDER_ERROR && f.HTTPStatus() == http.StatusNotFound
}

func (b batches) noJob() error {
	return fault.New(errorsv1.Reason_REASON_NOT_FOUND, "provider %s doesn't know the batch, or not any more", b.cfg.Name).With("field", "job")
}

func (b batches) notEnded() error {
	return fault.New(errorsv1.Reason_REASON_UNSUPPORTED, "the batch hasn't ended; ask for its results once GetJob says so").With("field", "job")
}

// cancel asks to stop. A provider refuses that for a job that has ended, or that it doesn't know: then there is nothing to
// stop.
func (b batches) cancel(ctx context.Context, key credential.Lease, path string, ended func() bool) error {
	var answer json.RawMessage
	err := b.ask(ctx, upstream.Request{Method: http.MethodPost, Path: path, Key: key}, &answer)
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != errorsv1.Reason_REASON_PROVIDER_ERROR || provider.Transient(f.HTTPStatus()) {
		return err
	}
	if ended() {
		return nil
	}
	return err
}

// page is a part of a vendor's list.
type page[T any] struct {
	Data    []T    `json:"data"`
	HasMore bool   `json:"has_more"`
	LastID  string `json:"last_id"`
}

// walk shows the batches of a key from the newest on, until see has seen enough. The path asks for the first page, and
// after for those behind an id.
func walk[T any](ctx context.Context, b batches, key credential.Lease, path, after string, see func(T) (more bool, err error)) error {
	next := path
	for range batchPages {
		var p page[T]
		if err := b.ask(ctx, upstream.Request{Method: http.MethodGet, Path: next, Key: key}, &p); err != nil {
			return err
		}
		for _, one := range p.Data {
			if more, err := see(one); err != nil || !more {
				return err
			}
		}
		if !p.HasMore || len(p.Data) == 0 {
			return nil
		}
		if err := b.named(p.LastID); err != nil {
			return err
		}
		next = path + after + p.LastID
	}
	return b.malformed("a list of batches that doesn't end", nil)
}

// search looks for a job under every key, since nobody knows any more which one it was made with. Where it isn't found and
// a key couldn't be asked, that is the answer.
func (b batches) search(ctx context.Context, under func(context.Context, credential.Lease) (id string, unclear bool, err error)) (*routerv1.FindJobResponse, error) {
	var found routerv1.FindJobResponse
	var failed error
	for _, key := range b.keys() {
		id, unclear, err := under(ctx, key)
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case id != "":
			return &routerv1.FindJobResponse{Job: b.reference(id, key)}, nil
		}
		found.Unclear = found.Unclear || unclear
	}
	return &found, failed
}
