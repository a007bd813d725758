package adapter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/headgate-mesh/headgate/dialect"
	"github.com/headgate-mesh/headgate/dialect/rawjson"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	routerv1 "github.com/headgate-mesh/headgate/gen/router/v1"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/router/internal/provider"
	"github.com/headgate-mesh/headgate/services/router/internal/upstream"
)

// stillness ends an exchange in which nothing moves for too long. Its methods are safe for concurrent use.
type stillness struct {
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelCauseFunc
	over   atomic.Bool
}

// watchStill begins; the caller calls stop. The context ends with a TIMEOUT cause where nothing moves.
func (b batches) watchStill(ctx context.Context) (context.Context, *stillness) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stillness{limit: b.still, cancel: cancel}
	s.timer = time.AfterFunc(b.still, func() { cancel(b.late("gap", b.still)) })
	return ctx, s
}

// moved notes that something came or went.
func (s *stillness) moved() {
	if !s.over.Load() {
		s.timer.Reset(s.limit)
	}
}

// rest stops the clock while nobody waits for the provider.
func (s *stillness) rest() { s.timer.Stop() }

func (s *stillness) stop() {
	s.over.Store(true)
	s.timer.Stop()
	s.cancel(context.Canceled)
}

// errAnswered ends a body whose provider has answered without waiting for its end.
var errAnswered = errors.New("the provider answered before it had everything")

// upload sends a body while write makes it, and reads the answer into out. A failure of write is the one that is
// returned; where the provider doesn't take the whole body, write may go on for a moment after upload has returned.
func (b batches) upload(ctx context.Context, r upstream.Request, out any, write func(w io.Writer) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, batchTotal, b.late(upstream.TimerTotal, batchTotal))
	defer cancel()
	ctx, still := b.watchStill(ctx)
	defer still.stop()
	from, to := io.Pipe()
	defer from.CloseWithError(errAnswered)
	body := &touched{PipeReader: from}
	r.Stream = body
	written := make(chan error, 1)
	go func() {
		err := write(movingWriter{to, still})
		written <- err
		to.CloseWithError(err)
	}()
	resp, err := b.client.Send(ctx, r)
	if err != nil && !body.began.Load() {
		return provider.Unmade(err) // not even the connection was there
	}
	if err != nil {
		return own(written, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		if err := b.taken(ctx, written); err != nil {
			return err
		}
	}
	return b.read(ctx, resp, out)
}

// touched is a body that knows whether anything of it may have been sent.
type touched struct {
	*io.PipeReader

	began atomic.Bool
}

// Read implements io.Reader.
func (t *touched) Read(p []byte) (int, error) {
	t.began.Store(true)
	return t.PipeReader.Read(p)
}

// own is what made the writer fail, where it was that and not the connection.
func own(written <-chan error, err error) error {
	select {
	case failed := <-written:
		if failed != nil && !errors.Is(failed, io.ErrClosedPipe) && !errors.Is(failed, errAnswered) {
			return failed
		}
	default:
	}
	return err
}

// taken makes sure that a provider that says yes has got everything.
func (b batches) taken(ctx context.Context, written <-chan error) error {
	select {
	case err := <-written:
		if err == nil {
			return nil
		}
		return b.malformed("an answer before it had the whole batch", err)
	case <-ctx.Done():
		return b.client.Explain(ctx, ctx.Err())
	}
}

// movingWriter notes that bytes have gone.
type movingWriter struct {
	io.Writer

	still *stillness
}

// Write implements io.Writer.
func (w movingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.still.moved()
	return n, err
}

// batchBuffer is how much of a job is in memory at a time, beside the line at hand.
const batchBuffer = 64 << 10

// lineWriter writes the lines of a job within its bounds.
type lineWriter struct {
	out *bufio.Writer
	// most bound the lines and the bytes of the whole.
	maxLines, maxBytes int64
	lines, bytes       int64
}

func newLineWriter(w io.Writer, maxLines, maxBytes int64) *lineWriter {
	return &lineWriter{out: bufio.NewWriterSize(w, batchBuffer), maxLines: maxLines, maxBytes: maxBytes}
}

func (w *lineWriter) text(s string) error {
	w.bytes += int64(len(s))
	_, err := w.out.WriteString(s)
	return err
}

// all writes the lines that next returns, each between what before writes and after, until its end.
func (w *lineWriter) all(next func() (*routerv1.JobLine, error), between, after string, before func(id string) string) error {
	for {
		line, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if w.lines++; w.lines > 1 {
			if err := w.text(between); err != nil {
				return err
			}
		}
		if err := w.line(line, before(line.GetId()), after); err != nil {
			return err
		}
	}
}

func (w *lineWriter) line(line *routerv1.JobLine, before, after string) error {
	body := line.GetBody()
	if size := w.bytes + int64(len(before)+len(body)+len(after)); w.lines > w.maxLines || size > w.maxBytes {
		return fault.New(errorsv1.Reason_REASON_REQUEST_TOO_LARGE,
			"the job has more than the %d lines or %d bytes that the provider takes; make several of it", w.maxLines, w.maxBytes)
	}
	if rawjson.Kind(body) != 'o' || rawjson.Check(body, dialect.MaxDepth) != nil {
		return fault.New(errorsv1.Reason_REASON_INVALID_FIELD, "lines.body must be a JSON object").With("field", "lines.body")
	}
	if err := w.text(before); err != nil {
		return err
	}
	w.bytes += int64(len(body))
	if _, err := w.out.Write(oneLine(body)); err != nil {
		return err
	}
	return w.text(after)
}

// oneLine takes the line breaks out of JSON: outside of strings they are spaces, and within there are none. The body isn't
// changed.
func oneLine(body []byte) []byte {
	if !bytes.ContainsAny(body, "\r\n") {
		return body
	}
	flat := bytes.Clone(body)
	for i, c := range flat {
		if c == '\r' || c == '\n' {
			flat[i] = ' '
		}
	}
	return flat
}

// done sends what is left.
func (w *lineWriter) done(end string) error {
	if w.lines == 0 {
		return fault.New(errorsv1.Reason_REASON_MISSING_FIELD, "lines is required: a job has at least one").With("field", "lines")
	}
	if err := w.text(end); err != nil {
		return err
	}
	return w.out.Flush()
}

// jobHeader is Headgate's own header with what the lines bring.
func (b batches) jobHeader(d *routerv1.JobDescription) http.Header {
	h := b.ownHeader()
	for name, values := range clientHeader(b.wire, d.GetHeaders()) {
		h[name] = values
	}
	return h
}
