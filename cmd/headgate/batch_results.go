package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
)

// resultFile is where results go: a file, or standard output.
type resultFile struct {
	w    io.Writer
	file *os.File // nil for standard output
	// fresh reports that the file wasn't there before, begun that there are results for it.
	fresh, begun bool
}

// openOutput opens --output, or standard output where there is none. What is in the file already stays until there are
// results to replace it.
func (c *batchCommand) openOutput() (*resultFile, error) {
	if c.output == "" {
		return &resultFile{w: c.env.stdout}, nil
	}
	_, before := os.Lstat(c.output)
	file, err := os.OpenFile(c.output, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	return &resultFile{w: file, file: file, fresh: errors.Is(before, fs.ErrNotExist)}, nil
}

// begin makes room for results.
func (f *resultFile) begin() error {
	if f.begun = true; f.file == nil {
		return nil
	}
	info, err := f.file.Stat()
	if err != nil || !info.Mode().IsRegular() { // a pipe has nothing to be replaced
		return err
	}
	return f.file.Truncate(0)
}

// close ends the file. One that was made for results that never came goes away.
func (f *resultFile) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	if f.fresh && !f.begun {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

// line is one result as it is printed.
type line struct {
	CustomID string          `json:"custom_id"`
	Outcome  string          `json:"outcome"`
	Status   int32           `json:"status,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
}

// results writes every line's result as a line of JSON, in the order of the batch.
func results(ctx context.Context, client batchv1.BatchServiceClient, id string, to *resultFile) error {
	stream, err := client.StreamResults(ctx, &batchv1.StreamResultsRequest{Id: id})
	if err != nil {
		return err
	}
	lines := json.NewEncoder(to.w)
	lines.SetEscapeHTML(false)
	for {
		m, err := stream.Recv()
		if !to.begun && (err == nil || errors.Is(err, io.EOF)) {
			if err := to.begin(); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := lines.Encode(lineOf(m)); err != nil {
			return err
		}
	}
}

func lineOf(m *batchv1.StreamResultsResponse) line {
	return line{
		CustomID: m.GetCustomId(), Status: m.GetHttpStatus(), Body: json.RawMessage(m.GetBody()),
		Outcome: strings.ToLower(strings.TrimPrefix(m.GetOutcome().String(), "LINE_OUTCOME_")),
	}
}
