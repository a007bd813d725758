package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/ids"
	"github.com/headgate-mesh/headgate/services/batch/internal/result"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

const (
	// resultsAtOnce and bytesAtOnce are how much of the results is in memory.
	resultsAtOnce = 500
	bytesAtOnce   = 4 << 20
)

// finalize writes the results of a batch into files and ends it. It may be done again from the beginning: the files have
// the same names then.
func (q *Queue) finalize(ctx context.Context, b store.Batch) error {
	b, err := q.Store.Finalize(ctx, b.Number, ids.File(), ids.File(), q.Clock())
	if err != nil {
		return err
	}
	output, failed := &sheet{queue: q, batch: &b, id: b.OutputFile, name: "output"}, &sheet{queue: q, batch: &b, id: b.ErrorFile, name: "error"}
	defer output.abort()
	defer failed.abort()
	for after := int64(0); ; {
		page, err := q.Store.Results(ctx, b.Number, after, resultsAtOnce, bytesAtOnce)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Line
		if err := split(ctx, &b, page, output, failed); err != nil {
			return err
		}
	}
	var list []store.File
	for _, s := range []*sheet{output, failed} {
		if s.w == nil {
			continue
		}
		if err := s.w.Commit(); err != nil {
			return err
		}
		list = append(list, s.file())
	}
	return q.Store.End(ctx, b.Number, list, q.Clock())
}

// split writes results to the file that each belongs into.
func split(ctx context.Context, b *store.Batch, page []store.Result, output, failed *sheet) error {
	for _, r := range page {
		s := output
		if result.Failed(b, r) {
			s = failed
		}
		if err := s.write(ctx, result.Line(b, r)); err != nil {
			return err
		}
	}
	return nil
}

// sheet is a file of results, which is there once something is written.
type sheet struct {
	queue    *Queue
	batch    *store.Batch
	id, name string
	w        *files.Writer
	sum      hash.Hash
	size     int64
}

// reserved is how long a blob may be written without belonging to anyone.
const reserved = 24 * time.Hour

func (s *sheet) write(ctx context.Context, line []byte) (err error) {
	if s.w == nil {
		if err := s.queue.Store.Reserve(ctx, s.id, s.queue.Clock().Add(reserved)); err != nil {
			return err
		}
		if s.w, err = s.queue.Files.Create(ctx, s.id); err != nil {
			return err
		}
		s.sum = sha256.New()
	}
	s.size += int64(len(line))
	s.sum.Write(line)
	_, err = s.w.Write(line)
	return err
}

func (s *sheet) abort() {
	if s.w != nil {
		s.w.Abort()
	}
}

func (s *sheet) file() store.File {
	now := s.queue.Clock()
	return store.File{
		ID: s.id, Blob: s.id, Tenant: s.batch.Tenant, KeyID: s.batch.KeyID, Filename: s.batch.ID + "_" + s.name + ".jsonl",
		Format: batchv1.FileFormat_FILE_FORMAT_RESULTS, Bytes: s.size, SHA256: hex.EncodeToString(s.sum.Sum(nil)),
		Created: now, Expires: now.Add(s.queue.Retention),
	}
}
