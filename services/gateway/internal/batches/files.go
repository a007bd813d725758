package batches

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
)

// file is OpenAI's file object.
type file struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	ExpiresAt *int64 `json:"expires_at,omitempty"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
}

// page is a list of OpenAI's.
type page[T any] struct {
	Object  string  `json:"object"`
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

// deleted is what OpenAI says of a file that is gone.
type deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

func fileOf(f *batchv1.File) file {
	out := file{
		ID: f.GetId(), Object: "file", Bytes: f.GetBytes(), CreatedAt: f.GetCreatedAt().GetSeconds(),
		Filename: f.GetFilename(), Purpose: "batch", Status: "processed",
	}
	if f.GetFormat() == batchv1.FileFormat_FILE_FORMAT_RESULTS {
		out.Purpose = "batch_output"
	}
	if f.GetExpiresAt() != nil {
		at := f.GetExpiresAt().GetSeconds()
		out.ExpiresAt = &at
	}
	return out
}

// CreateFile serves POST /v1/files.
func (e *Edges) CreateFile() http.HandlerFunc {
	return answer(e.OpenAI, func(w http.ResponseWriter, r *http.Request) (file, error) {
		body, err := e.body(w, r)
		if err != nil {
			return file{}, err
		}
		r.Body = io.NopCloser(body)
		f, err := e.takeForm(r)
		body.done(err)
		return fileOf(f), err
	})
}

func (e *Edges) takeForm(r *http.Request) (*batchv1.File, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE,
			"send the file as multipart/form-data, with the fields purpose and file").Because(err)
	}
	return e.take(r, &form{parts: parts})
}

// form is a multipart form that is read once, in the order in which the client wrote it.
type form struct {
	parts   *multipart.Reader
	purpose string
	expires time.Duration
}

// take reads the form up to the file and sends that on as it comes; the other fields may stand behind it.
func (e *Edges) take(r *http.Request, f *form) (*batchv1.File, error) {
	upload, err := f.next()
	if err != nil {
		return nil, err
	}
	if upload == nil {
		return nil, missing("file", "send the file's content in a field of this name")
	}
	if f.purpose != "" && f.purpose != "batch" {
		return nil, purpose()
	}
	name := upload.FileName()
	if name == "" {
		name = "batch.jsonl"
	}
	description := func() *batchv1.FileDescription {
		d := &batchv1.FileDescription{Filename: name, Format: batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES}
		if f.expires > 0 {
			d.ExpiresAfter = durationpb.New(f.expires)
		}
		return d
	}
	return e.upload(r.Context(), description(), unformed{upload}, func() (*batchv1.FileDescription, error) {
		if more, err := f.next(); err != nil || more != nil {
			if more != nil {
				err = invalid("file", "stands twice; send one file a request")
			}
			return nil, err
		}
		switch f.purpose {
		case "batch":
			return description(), nil
		case "":
			return nil, missing("purpose", "must be batch")
		}
		return nil, purpose()
	})
}

// next reads fields until the file, nil where there is none left.
func (f *form) next() (*multipart.Part, error) {
	for {
		p, err := f.parts.NextPart()
		if atEnd(err) {
			return nil, nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		if p.FormName() == "file" {
			return p, nil
		}
		value, err := io.ReadAll(io.LimitReader(p, maxField+1))
		if err != nil {
			return nil, malformed(err)
		}
		if err := f.field(p.FormName(), string(value)); err != nil {
			return nil, err
		}
	}
}

// maxField bounds a field that isn't the file, in bytes.
const maxField = 1024

func (f *form) field(name, value string) error {
	switch {
	case len(value) > maxField:
		return invalid(name, "must be at most %d bytes", maxField)
	case name == "purpose":
		f.purpose = value
	case name == "expires_after[anchor]" && value != "created_at":
		return invalid(name, "must be created_at")
	case name == "expires_after[seconds]":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 3600 || n > 2_592_000 {
			return invalid(name, "must be a whole number from 3600 to 2592000")
		}
		f.expires = time.Duration(n) * time.Second
	}
	return nil
}

// unformed gives errors of the form the words of this package.
type unformed struct{ r io.Reader }

func (u unformed) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && !atEnd(err) {
		err = malformed(err)
	}
	return n, err
}

func malformed(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "the body isn't a complete multipart/form-data form").Because(err)
}

func purpose() error {
	return invalid("purpose", "must be batch: other files aren't kept here")
}

func missing(field, remedy string) error {
	return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "%s is required: %s", field, remedy).With("field", field)
}

// ListFiles serves GET /v1/files.
func (e *Edges) ListFiles() http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (page[file], error) {
		limit, err := number(r, "limit", 10_000)
		if err != nil {
			return page[file]{}, err
		}
		q := r.URL.Query()
		limit = cmp.Or(limit, 10_000)
		request := &batchv1.ListFilesRequest{Limit: limit, After: q.Get("after"), Ascending: q.Get("order") == "asc"}
		out := page[file]{Object: "list", Data: []file{}}
		// The service knows no purposes: pages are asked for until one is full of those that are wanted.
		for more := true; more; {
			list, err := e.Batches.ListFiles(r.Context(), request)
			if err != nil {
				return page[file]{}, err
			}
			more = list.GetHasMore() && len(list.GetFiles()) > 0
			for i, f := range list.GetFiles() {
				request.After = f.GetId()
				if one := fileOf(f); q.Get("purpose") == "" || q.Get("purpose") == one.Purpose {
					out.Data = append(out.Data, one)
				}
				if len(out.Data) == int(limit) {
					out.HasMore, more = more || i < len(list.GetFiles())-1, false
					break
				}
			}
		}
		if n := len(out.Data); n > 0 {
			out.FirstID, out.LastID = &out.Data[0].ID, &out.Data[n-1].ID
		}
		return out, nil
	})
}

// GetFile serves GET /v1/files/{id}.
func (e *Edges) GetFile(id string) http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (file, error) {
		f, err := e.Batches.GetFile(r.Context(), &batchv1.GetFileRequest{Id: id})
		return fileOf(f.GetFile()), err
	})
}

// DeleteFile serves DELETE /v1/files/{id}.
func (e *Edges) DeleteFile(id string) http.HandlerFunc {
	return answer(e.OpenAI, func(_ http.ResponseWriter, r *http.Request) (deleted, error) {
		_, err := e.Batches.DeleteFile(r.Context(), &batchv1.DeleteFileRequest{Id: id})
		return deleted{ID: id, Object: "file", Deleted: true}, err
	})
}

// FileContent serves GET /v1/files/{id}/content.
func (e *Edges) FileContent(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := e.Batches.GetFile(r.Context(), &batchv1.GetFileRequest{Id: id})
		if err != nil {
			e.OpenAI.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		stream, err := e.Batches.ReadFile(r.Context(), &batchv1.ReadFileRequest{Id: id})
		if err != nil {
			e.OpenAI.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		first, err := stream.Recv()
		if err != nil && !errors.Is(err, io.EOF) {
			e.OpenAI.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.FormatInt(f.GetFile().GetBytes(), 10))
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", id+".jsonl"))
		out := e.writer(w)
		for m := first; err == nil; m, err = stream.Recv() {
			if _, failed := out.Write(m.GetData()); failed != nil {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			broken()
		}
	}
}
