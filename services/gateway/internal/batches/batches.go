// Package batches serves the vendors' own batch and file endpoints over headgate.batch.v1.BatchService: OpenAI's /v1/files
// and /v1/batches, Anthropic's /v1/messages/batches. Bodies and results stream through, whatever their size.
package batches

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/kit/meta"
	"github.com/headgate-mesh/headgate/services/gateway/internal/edge"
)

// Edges serves the endpoints. Safe for concurrent use.
type Edges struct {
	Batches           batchv1.BatchServiceClient
	OpenAI, Anthropic *edge.Dialect
	// ReadProgress is how long the next part of a body may take, WriteStall how long a client may take nothing of a result.
	ReadProgress, WriteStall time.Duration
	// PublicURL is where clients find this gateway, without a slash at the end; empty for the address that they asked.
	PublicURL string
}

const (
	// part is how much of a file travels in one message.
	part = 256 << 10
	// maxSmall bounds the bodies that aren't files.
	maxSmall = 1 << 20
)

// answer serves a call that returns one JSON document.
func answer[T any](d *edge.Dialect, call func(w http.ResponseWriter, r *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		document, err := call(w, r)
		if err != nil {
			d.Refuse(w, meta.RequestID(r.Context()), fault.From(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	}
}

// small reads a body that isn't a file into v.
func (e *Edges) small(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := edge.ReadBody(w, r, edge.Limits{MaxBody: maxSmall, ReadProgress: e.ReadProgress})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fault.New(errorsv1.Reason_REASON_INVALID_JSON, "the body isn't the JSON object it has to be").Because(err)
	}
	return nil
}

// upload sends what a reader yields as a file.
func (e *Edges) upload(ctx context.Context, d *batchv1.FileDescription, from io.Reader, last func() (*batchv1.FileDescription, error)) (*batchv1.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a file that isn't whole is none
	stream, err := e.Batches.CreateFile(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Description{Description: d}}); err != nil {
		return nil, ended(stream, err)
	}
	for done := false; !done; {
		data := make([]byte, part)
		n, err := io.ReadFull(from, data)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			done = true
		case err != nil:
			return nil, err
		}
		if n == 0 {
			continue
		}
		if err := stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Data{Data: data[:n]}}); err != nil {
			return nil, ended(stream, err)
		}
	}
	if last != nil {
		more, err := last()
		if err != nil {
			return nil, err
		}
		if err := stream.Send(&batchv1.CreateFileRequest{Part: &batchv1.CreateFileRequest_Description{Description: more}}); err != nil {
			return nil, ended(stream, err)
		}
	}
	created, err := stream.CloseAndRecv()
	return created.GetFile(), err
}

// ended is why the service takes no more of a file.
func ended(stream interface {
	CloseAndRecv() (*batchv1.CreateFileResponse, error)
}, err error,
) error {
	if _, cause := stream.CloseAndRecv(); cause != nil {
		return cause
	}
	return err
}

// slowly is a request's body with a deadline for each next part of it.
type slowly struct {
	body     io.Reader
	control  *http.ResponseController
	progress time.Duration
}

func (e *Edges) body(w http.ResponseWriter, r *http.Request) (*slowly, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, fault.New(errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE,
			"compressed request bodies aren't taken; send the body without content-encoding")
	}
	return &slowly{body: r.Body, control: http.NewResponseController(w), progress: e.ReadProgress}, nil
}

// Read implements io.Reader.
func (s *slowly) Read(p []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(s.progress))
	n, err := s.body.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, fault.New(errorsv1.Reason_REASON_REQUEST_TOO_SLOW, "the body came too slowly; send it faster").Because(err)
	}
	return n, fault.New(errorsv1.Reason_REASON_CANCELLED, "the body was cut short").Because(err)
}

// done clears the deadline, for what follows on the connection.
func (s *slowly) done() { _ = s.control.SetReadDeadline(time.Time{}) }

// patient writes with a deadline for each part.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

func (e *Edges) writer(w http.ResponseWriter) *patient {
	return &patient{w: w, control: http.NewResponseController(w), stall: e.WriteStall}
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.stall))
	return p.w.Write(b)
}

// broken ends an answer that can't be completed: by its connection, so that nobody takes it for whole.
func broken() { panic(http.ErrAbortHandler) }

// number reads a whole number from the query.
func number(r *http.Request, name string, most int32) (int32, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || n > int64(most) {
		return 0, invalid(name, "must be a whole number from 1 to %d", most)
	}
	return int32(n), nil
}

func invalid(field, format string, args ...any) error {
	return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, field+" "+format, args...).With("field", field)
}
