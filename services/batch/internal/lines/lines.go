// Package lines reads the requests of a batch from a file, one at a time: no more than one of them is in memory, however
// large the file is.
package lines

import (
	"fmt"
	"io"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// Line is one request as it stands in the file.
type Line struct {
	// Number counts from 1.
	Number int64
	// CustomID, Method and URL are what the line says; the latter two are OpenAI's only.
	CustomID, Method, URL string
	// Body is the request itself, without space around it; nil where there is none. It is valid until the next call.
	Body []byte
	// At is where the body begins in the file.
	At int64
	// Problem is why the line can't be read; all but Number is unset then.
	Problem *store.Problem
}

// Reader returns one line after the other, and io.EOF after the last. Another error ends the reading: a *Broken where the
// file itself is to blame.
type Reader interface {
	Next() (Line, error)
}

// Broken is a file that can't be read on from some place.
type Broken struct{ Problem store.Problem }

// Error gives the problem.
func (b *Broken) Error() string { return fmt.Sprintf("line %d: %s", b.Problem.Line, b.Problem.Message) }

// What is wrong with lines, for programs.
const (
	InvalidJSON = "invalid_json_line"
	TooLong     = "line_too_long"
)

// New returns a reader of a file of a format; no line is longer than maxLine.
func New(r io.Reader, format batchv1.FileFormat, maxLine int) (Reader, error) {
	switch format {
	case batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES:
		return newOpenAI(r, maxLine), nil
	case batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS:
		return newAnthropic(r, maxLine), nil
	case store.FormatInline:
		return newInline(r, maxLine), nil
	}
	return nil, fmt.Errorf("no reader for format %d", format)
}

func tooLong(line int64, limit int) *store.Problem {
	return &store.Problem{Line: line, Code: TooLong, Message: fmt.Sprintf("the line is longer than %d bytes", limit)}
}
