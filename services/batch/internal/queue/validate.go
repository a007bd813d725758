package queue

import (
	"context"
	"errors"
	"fmt"
	"io"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/limits"
	"github.com/headgate-mesh/headgate/services/batch/internal/lines"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// maxProblems is how many bad lines are named.
	maxProblems = 1000
	// linesAtOnce are kept in one transaction.
	linesAtOnce = 1000
)

// validate reads a batch's lines, and starts it where all are good. It may be done again from the beginning.
func (q *Queue) validate(ctx context.Context, b store.Batch) error {
	if err := q.Store.ClearLines(ctx, b.Number); err != nil {
		return err
	}
	problems, model, err := q.read(ctx, &b)
	switch {
	case err != nil:
		return err
	case len(problems) > 0:
		return q.Store.Fail(ctx, b.Number, problems, q.Clock())
	}
	return q.Store.Start(ctx, b.Number, model, q.Clock())
}

// read puts the lines of a batch into the store, as long as all are good.
func (q *Queue) read(ctx context.Context, b *store.Batch) (problems []store.Problem, model string, err error) {
	in, err := q.Files.Read(ctx, b.Source, 0, -1)
	if errors.Is(err, files.ErrNotFound) {
		return []store.Problem{{Code: "file_unreadable", Message: "the file isn't there any more"}}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer in.Close()
	reader, err := lines.New(in, b.Format, q.MaxLine)
	if err != nil {
		return nil, "", err
	}
	s := &sieve{queue: q, batch: b, check: lines.Check{URL: endpoint(b), MayAsk: auth.Principal{Models: b.Models}.MayAsk}}
	s.work.Window = b.Expires.Sub(b.Created)
	if err = s.all(ctx, reader); err == nil && len(s.problems) == 0 {
		if p := q.Limits.Problem(ctx, b.KeyID, s.work); p != nil {
			s.problems = append(s.problems, *p)
		}
	}
	return s.problems, s.check.Model, err
}

// endpoint is what OpenAI's lines have to name.
func endpoint(b *store.Batch) string {
	switch {
	case b.Format != batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES:
		return ""
	case b.Operation == batchv1.BatchOperation_BATCH_OPERATION_EMBED:
		return "/v1/embeddings"
	}
	return "/v1/chat/completions"
}

// sieve keeps good lines and notes what is wrong with others.
type sieve struct {
	queue    *Queue
	batch    *store.Batch
	check    lines.Check
	count    int
	work     limits.Work
	good     []store.Line
	problems []store.Problem
}

func (s *sieve) all(ctx context.Context, r lines.Reader) error {
	for len(s.problems) < maxProblems {
		l, err := r.Next()
		var broken *lines.Broken
		switch {
		case errors.Is(err, io.EOF):
			return s.end(ctx)
		case errors.As(err, &broken):
			s.problems = append(s.problems, broken.Problem)
			return nil
		case err != nil:
			return fmt.Errorf("read the file: %w", err)
		}
		if more, err := s.line(ctx, l); err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *sieve) line(ctx context.Context, l lines.Line) (more bool, err error) {
	if s.count++; s.count > s.queue.MaxLines {
		s.problems = append(s.problems, store.Problem{
			Code:    "too_many_tasks",
			Message: fmt.Sprintf("the file has more than %d lines; make several batches of it", s.queue.MaxLines),
		})
		return false, nil
	}
	if p := s.check.Line(l); p != nil {
		s.problems = append(s.problems, *p)
	}
	if len(s.problems) > 0 {
		return true, nil // the rest is only looked at
	}
	s.work.Add(l.Number, int64(len(l.Body)))
	s.good = append(s.good, store.Line{Number: l.Number, CustomID: l.CustomID, At: l.At, Size: int64(len(l.Body))})
	if len(s.good) == linesAtOnce {
		err = s.keep(ctx)
	}
	return true, err
}

func (s *sieve) keep(ctx context.Context) error {
	err := s.queue.Store.AddLines(ctx, s.batch.Number, s.good)
	s.good = s.good[:0]
	return err
}

func (s *sieve) end(ctx context.Context) error {
	if s.count == 0 {
		s.problems = append(s.problems, store.Problem{Code: "empty_file", Message: "the file has no requests"})
	}
	if len(s.problems) > 0 {
		return nil
	}
	return s.keep(ctx)
}
