package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/services/router/internal/credential"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// OpenAI's bounds on one batch (its guide to batches), and how long its files are kept.
const (
	fileLines  = 50_000
	fileBytes  = 200_000_000
	fileInputs = 50_000
	fileKept   = 14 * 24 * time.Hour
	// fileFrame is what is written around one line, at most.
	fileFrame = 160

	jobMark = "headgate_job"
)

// fileBatches is OpenAI's batch API: a file of requests goes up, two files of answers come back. Safe for concurrent use.
type fileBatches struct{ batches }

// FileBatches gives the adapter OpenAI's batch API.
func (a *Adapter) FileBatches() { a.batch = fileBatches{batches{Adapter: a, still: batchStill}} }

// fileBatch is OpenAI's batch object, as far as it is of use.
type fileBatch struct {
	ID           string            `json:"id"`
	Status       string            `json:"status"`
	CreatedAt    int64             `json:"created_at"`
	OutputFileID string            `json:"output_file_id"`
	ErrorFileID  string            `json:"error_file_id"`
	Metadata     map[string]string `json:"metadata"`
	Counts       struct {
		Completed int64 `json:"completed"`
		Failed    int64 `json:"failed"`
	} `json:"request_counts"`
	Errors *struct {
		Data []struct {
			Message string `json:"message"`
			Line    *int64 `json:"line"`
		} `json:"data"`
	} `json:"errors"`
}

// Limits implements provider.Batch. What is written around the lines is taken off the bytes.
func (fileBatches) Limits(o routerv1.Operation) *routerv1.JobLimits {
	l := &routerv1.JobLimits{Lines: fileLines, Bytes: fileBytes - fileLines*fileFrame, OneModel: true}
	if o == routerv1.Operation_OPERATION_EMBED {
		l.Inputs = fileInputs
	}
	return l
}

// Submit implements provider.Batch: the file, then the batch, both under the same key, since files belong to an account.
func (b fileBatches) Submit(ctx context.Context, d *routerv1.JobDescription, next func() (*routerv1.JobLine, error)) (*routerv1.JobReference, error) {
	key := b.newKey()
	file, err := b.uploadFile(ctx, key, d, next)
	if err != nil {
		return nil, provider.Unmade(err) // a file is no batch
	}
	body, err := json.Marshal(map[string]any{
		"input_file_id": file, "endpoint": b.endpoint(d.GetOperation()), "completion_window": "24h",
		"metadata":             map[string]string{jobMark: d.GetJobId()},
		"output_expires_after": map[string]any{"anchor": "created_at", "seconds": int64(fileKept / time.Second)},
	})
	if err != nil {
		return nil, fmt.Errorf("describe a batch: %w", err)
	}
	var made fileBatch
	err = b.ask(ctx, upstream.Request{Method: http.MethodPost, Path: "/batches", Header: b.jobHeader(d), Body: body, Key: key}, &made)
	if err != nil {
		b.forget(ctx, key, file, err)
		return nil, err
	}
	return b.reference(made.ID, key), b.named(made.ID)
}

// forget takes a file back that no batch was made of, where that is certain: prompts shouldn't lie about. Where even that
// fails, the file ends by itself.
func (b fileBatches) forget(ctx context.Context, key credential.Lease, file string, err error) {
	if provider.Refused(err) {
		var answer json.RawMessage
		_ = b.ask(ctx, upstream.Request{Method: http.MethodDelete, Path: "/files/" + file, Key: key}, &answer)
	}
}

// endpoint is the address of an operation as a batch names it: with the version, whatever the provider's own address is.
func (b fileBatches) endpoint(o routerv1.Operation) string { return "/v1" + b.wire.Raw[o].Path }

// uploadFile returns the id of the file with the lines.
func (b fileBatches) uploadFile(ctx context.Context, key credential.Lease, d *routerv1.JobDescription, next func() (*routerv1.JobLine, error)) (string, error) {
	var file struct {
		ID string `json:"id"`
	}
	boundary := multipart.NewWriter(io.Discard).Boundary()
	r := upstream.Request{
		Method: http.MethodPost, Path: "/files", Header: b.ownHeader(), ContentType: "multipart/form-data; boundary=" + boundary, Key: key,
	}
	err := b.upload(ctx, r, &file, func(w io.Writer) error { return b.form(w, boundary, d, next) })
	if err != nil {
		return "", err
	}
	return file.ID, b.named(file.ID)
}

// form writes the form of an upload.
func (b fileBatches) form(w io.Writer, boundary string, d *routerv1.JobDescription, next func() (*routerv1.JobLine, error)) error {
	lines := newLineWriter(w, fileLines, fileBytes)
	form := multipart.NewWriter(lines.out)
	fields := [][2]string{
		{"purpose", "batch"},
		{"expires_after[anchor]", "created_at"},
		{"expires_after[seconds]", strconv.FormatInt(int64(fileKept/time.Second), 10)},
	}
	err := form.SetBoundary(boundary)
	for _, f := range fields {
		err = errors.Join(err, form.WriteField(f[0], f[1]))
	}
	if _, failed := form.CreateFormFile("file", d.GetJobId()+".jsonl"); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	request := `","method":"POST","url":"` + b.endpoint(d.GetOperation()) + `","body":`
	err = lines.all(next, "", "}\n", func(id string) string { return `{"custom_id":"` + id + request })
	if err != nil {
		return err
	}
	if err := form.Close(); err != nil {
		return err
	}
	return lines.done("")
}

// Find implements provider.Batch: the batch's metadata name the job.
func (b fileBatches) Find(ctx context.Context, r *routerv1.FindJobRequest) (*routerv1.FindJobResponse, error) {
	since := r.GetSubmittedAt().AsTime().Add(-batchSlack).Unix()
	return b.search(ctx, func(ctx context.Context, key credential.Lease) (id string, unclear bool, err error) {
		err = walk(ctx, b.batches, key, "/batches"+batchPage, "&after=", func(one fileBatch) (bool, error) {
			if one.Metadata[jobMark] == r.GetDescription().GetJobId() {
				id = one.ID
				return false, b.named(id)
			}
			return one.CreatedAt >= since, nil
		})
		return id, false, err
	})
}

// Get implements provider.Batch.
func (b fileBatches) Get(ctx context.Context, j *routerv1.JobReference) (*routerv1.GetJobResponse, error) {
	one, err := b.get(ctx, j, b.keyOf(j))
	if unknown(err) {
		return &routerv1.GetJobResponse{State: routerv1.JobState_JOB_STATE_UNKNOWN}, nil
	}
	if err != nil {
		return nil, err
	}
	r := &routerv1.GetJobResponse{State: one.state(), Done: one.Counts.Completed + one.Counts.Failed}
	if r.GetState() == routerv1.JobState_JOB_STATE_REFUSED {
		r.Message = one.refusal(b.client.Mask)
	}
	return r, nil
}

func (b fileBatches) get(ctx context.Context, j *routerv1.JobReference, key credential.Lease) (one fileBatch, err error) {
	err = b.ask(ctx, upstream.Request{Method: http.MethodGet, Path: "/batches/" + j.GetUpstreamId(), Key: key}, &one)
	return one, err
}

// state is how far it is: a status that Headgate doesn't know is one on the way.
func (f fileBatch) state() routerv1.JobState {
	switch f.Status {
	case "failed":
		return routerv1.JobState_JOB_STATE_REFUSED
	case "completed", "expired", "cancelled":
		return routerv1.JobState_JOB_STATE_ENDED
	}
	return routerv1.JobState_JOB_STATE_RUNNING
}

const (
	// maxReasons is how many of the errors of a refused batch are told, maxReason how long each may be, in bytes.
	maxReasons = 3
	maxReason  = 500
)

// refusal is why it was refused, in the provider's words: masked first, since half of a key isn't known for one.
func (f fileBatch) refusal(mask func([]byte) []byte) string {
	if f.Errors == nil || len(f.Errors.Data) == 0 {
		return "the provider gave no reason"
	}
	var reasons []string
	for _, e := range f.Errors.Data[:min(len(f.Errors.Data), maxReasons)] {
		reason := mask([]byte(e.Message))
		reason = reason[:min(len(reason), maxReason)]
		if e.Line != nil {
			reason = fmt.Appendf(nil, "line %d: %s", *e.Line, reason)
		}
		reasons = append(reasons, text(string(reason)))
	}
	return strings.Join(reasons, "; ")
}

// Cancel implements provider.Batch.
func (b fileBatches) Cancel(ctx context.Context, j *routerv1.JobReference) error {
	key := b.keyOf(j)
	return b.cancel(ctx, key, "/batches/"+j.GetUpstreamId()+"/cancel", func() bool {
		one, err := b.get(ctx, j, key)
		return unknown(err) || (err == nil && one.state() != routerv1.JobState_JOB_STATE_RUNNING)
	})
}
