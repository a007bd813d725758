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
		leave(w, e.ReadProgress)
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
		n, end, err := fill(from, data)
		if err != nil {
			return nil, err
		}
		done = end
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

// fill reads until p is full, or from ends. io.ReadFull won't do: it says of a short end what readers say of a cut one.
func fill(from io.Reader, p []byte) (n int, end bool, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = from.Read(p[n:])
		n += more
	}
	if atEnd(err) {
		return n, true, nil
	}
	return n, false, err
}

// atEnd reports whether a reader has come to the end of what it reads. What wraps io.EOF was cut before.
func atEnd(err error) bool { return err == io.EOF } //nolint:errorlint // as io.Reader demands

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
	w        http.ResponseWriter
	control  *http.ResponseController
	progress time.Duration
	// ended says that all of it was read, broken that no more will come.
	ended, broken bool
}

func (e *Edges) body(w http.ResponseWriter, r *http.Request) (*slowly, error) {
	s := &slowly{body: r.Body, w: w, control: http.NewResponseController(w), progress: e.ReadProgress}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		err := fault.New(errorsv1.Reason_REASON_UNSUPPORTED_MEDIA_TYPE,
			"compressed request bodies aren't taken; send the body without content-encoding")
		s.done(err)
		return nil, err
	}
	return s, nil
}

// Read implements io.Reader.
func (s *slowly) Read(p []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(s.progress))
	n, err := s.body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case atEnd(err):
		s.ended = true
		return n, err
	}
	s.broken = true
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, fault.New(errorsv1.Reason_REASON_REQUEST_TOO_SLOW, "the body came too slowly; send it faster").Because(err)
	}
	return n, fault.New(errorsv1.Reason_REASON_CANCELLED, "the body was cut short").Because(err)
}

// done ends the reading, before the answer is written. A refused client that still sends wouldn't hear why if its
// connection ended, so some of what it sends is taken, for as long as one part may take.
func (s *slowly) done(err error) {
	rest := int64(1) // the end alone
	if err != nil {
		rest = maxRest
	}
	if !s.ended && !s.broken {
		_ = s.control.SetReadDeadline(time.Now().Add(s.progress))
		n, err := io.CopyN(io.Discard, s.body, rest)
		s.ended = n < rest && atEnd(err)
	}
	if !s.ended {
		leave(s.w, s.progress)
		return
	}
	_ = s.control.SetReadDeadline(time.Time{})
}

// maxRest is how much of a refused body is taken.
const maxRest = 8 << 20

// leave ends the connection with the answer, since the rest of the body is still on its way. net/http would wait for it
// before it answers, and reads some of it afterwards all the same: that gets a deadline.
func leave(w http.ResponseWriter, progress time.Duration) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(progress))
}

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
func broken() { panic(http.ErrAbortHandler) } //nolint:forbidigo // net/http's own word for it

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
