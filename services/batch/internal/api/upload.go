package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	errorsv1 "github.com/headgate-mesh/headgate/gen/errors/v1"
	"github.com/headgate-mesh/headgate/kit/auth"
	"github.com/headgate-mesh/headgate/kit/fault"
	"github.com/headgate-mesh/headgate/services/batch/internal/files"
	"github.com/headgate-mesh/headgate/services/batch/internal/ids"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// CreateFile takes a file, as it comes.
func (s *Server) CreateFile(stream grpc.ClientStreamingServer[batchv1.CreateFileRequest, batchv1.CreateFileResponse]) error {
	ctx := stream.Context()
	p, err := caller(ctx)
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	d := first.GetDescription()
	if d == nil {
		return missing("description", "the first message describes the file, the others carry its bytes")
	}
	f, err := s.describe(p, d)
	if err != nil {
		return err
	}
	if err := s.take(ctx, p, stream, &f); err != nil {
		return err
	}
	if err := s.Store.CreateFile(ctx, f); err != nil {
		return s.broken(ctx, err)
	}
	s.Logger.InfoContext(ctx, "file created", "file", f.ID, "tenant", f.Tenant, "bytes", f.Bytes, "by", p.KeyID)
	return stream.SendAndClose(&batchv1.CreateFileResponse{File: fileMessage(f)})
}

// describe is the file that a valid description asks for.
func (s *Server) describe(p auth.Principal, d *batchv1.FileDescription) (store.File, error) {
	kept := s.Retention
	if d.GetExpiresAfter() != nil {
		kept = d.GetExpiresAfter().AsDuration()
	}
	if kept > s.Retention {
		return store.File{}, invalid("description.expires_after", "must be at most %s here", s.Retention)
	}
	id, now := ids.File(), s.Clock()
	return store.File{
		ID: id, Blob: id, Tenant: p.Account(), KeyID: p.KeyID, Filename: d.GetFilename(), Format: d.GetFormat(),
		Created: now, Expires: now.Add(kept),
	}, nil
}

// redescribe takes over what was learnt of the file while it came.
func (s *Server) redescribe(p auth.Principal, d *batchv1.FileDescription, f *store.File) error {
	if d.GetFormat() != f.Format {
		return invalid("description.format", "must be that of the first message")
	}
	now, err := s.describe(p, d)
	if err != nil {
		return err
	}
	f.Filename, f.Expires = now.Filename, now.Expires
	return nil
}

// reserved is how long an upload may take at most; what is left of one that never ended is deleted after that.
const reserved = 24 * time.Hour

// take writes what comes into a blob.
func (s *Server) take(ctx context.Context, p auth.Principal, stream grpc.ClientStreamingServer[batchv1.CreateFileRequest, batchv1.CreateFileResponse], f *store.File) error {
	if err := s.Store.Reserve(ctx, f.Blob, s.Clock().Add(reserved)); err != nil {
		return s.broken(ctx, err)
	}
	w, err := s.Files.Create(ctx, f.Blob)
	if err != nil {
		return s.broken(ctx, err)
	}
	defer w.Abort()
	sum := sha256.New()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if d := m.GetDescription(); d != nil {
			if err := s.redescribe(p, d, f); err != nil {
				return err
			}
			continue
		}
		if f.Bytes += int64(len(m.GetData())); f.Bytes > s.MaxFile {
			return fault.New(errorsv1.Reason_REASON_REQUEST_TOO_LARGE, "the file is larger than %d bytes; make several of it", s.MaxFile).
				With("limit_bytes", fmt.Sprint(s.MaxFile))
		}
		sum.Write(m.GetData())
		if _, err := w.Write(m.GetData()); err != nil {
			return s.broken(ctx, err)
		}
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := w.Commit(); err != nil {
		return s.broken(ctx, err)
	}
	return nil
}

// GetFile tells about a file.
func (s *Server) GetFile(ctx context.Context, r *batchv1.GetFileRequest) (*batchv1.GetFileResponse, error) {
	_, f, err := s.file(ctx, "id", r.GetId())
	if err != nil {
		return nil, err
	}
	return &batchv1.GetFileResponse{File: fileMessage(f)}, nil
}

const defaultFiles = 10_000

// ListFiles lists files.
func (s *Server) ListFiles(ctx context.Context, r *batchv1.ListFilesRequest) (*batchv1.ListFilesResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(int(r.GetLimit()), defaultFiles)
	list, err := s.Store.ListFiles(ctx, store.FileQuery{
		Tenant: sees(p), After: r.GetAfter(), Ascending: r.GetAscending(), Limit: limit + 1, Now: s.Clock(),
	})
	if err != nil {
		return nil, s.explain(ctx, err, "after", "there is no file with this id to list from")
	}
	out := &batchv1.ListFilesResponse{HasMore: len(list) > limit}
	for _, f := range list[:min(limit, len(list))] {
		out.Files = append(out.Files, fileMessage(f))
	}
	return out, nil
}

// DeleteFile forgets a file.
func (s *Server) DeleteFile(ctx context.Context, r *batchv1.DeleteFileRequest) (*batchv1.DeleteFileResponse, error) {
	p, f, err := s.file(ctx, "id", r.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.Store.DeleteFile(ctx, f.ID, s.Clock()); err != nil {
		return nil, s.explain(ctx, err, "id", "there is no file with this id; ListFiles lists yours")
	}
	s.Logger.InfoContext(ctx, "file deleted", "file", f.ID, "tenant", f.Tenant, "by", p.KeyID)
	return &batchv1.DeleteFileResponse{}, nil
}

// chunk is how much of a file travels in one message.
const chunk = 256 << 10

// ReadFile returns a file's bytes.
func (s *Server) ReadFile(r *batchv1.ReadFileRequest, stream grpc.ServerStreamingServer[batchv1.ReadFileResponse]) error {
	ctx := stream.Context()
	_, f, err := s.file(ctx, "id", r.GetId())
	if err != nil {
		return err
	}
	in, err := s.Files.Read(ctx, f.Blob, 0, -1)
	if errors.Is(err, files.ErrNotFound) {
		err = store.ErrNotFound // deleted since
	}
	if err != nil {
		return s.explain(ctx, err, "id", "there is no file with this id; ListFiles lists yours")
	}
	defer in.Close()
	for {
		// A new one each time: in one process the receiver may still hold the last.
		part := make([]byte, chunk)
		n, err := io.ReadFull(in, part)
		if n > 0 {
			if err := stream.Send(&batchv1.ReadFileResponse{Data: part[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return s.broken(ctx, err)
		}
	}
}
