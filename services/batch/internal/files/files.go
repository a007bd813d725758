// Package files keeps the bytes of files in a bucket: a directory, or whatever else a URL of gocloud.dev/blob names and
// this build has a driver for.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://, the one driver that costs next to nothing
	"gocloud.dev/gcerrors"
)

// ErrNotFound is returned for a blob that isn't there.
var ErrNotFound = errors.New("no such blob")

// Bucket keeps blobs. Safe for concurrent use.
type Bucket struct{ bucket *blob.Bucket }

// Open opens the bucket of a URL. A directory is made where it isn't there, for its owner alone; it has one user at a time,
// and what a process left half written is deleted.
func Open(ctx context.Context, at string) (*Bucket, error) {
	u, err := url.Parse(at)
	if err != nil || !Opens(at) {
		return nil, errors.New("open the batch files: this build has no driver for such a URL")
	}
	if u.Scheme == "file" {
		if err := prepare(filepath.FromSlash(u.Path)); err != nil {
			return nil, fmt.Errorf("open the batch files: %w", err)
		}
		// Files that are being written lie beside the others, since a rename can't cross file systems; what is known of
		// them is in the database.
		q := u.Query()
		q.Set("no_tmp_dir", "true")
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open the batch files: %w", err)
	}
	return &Bucket{bucket: b}, nil
}

// Opens reports whether this build has a driver for the bucket of a URL.
func Opens(at string) bool {
	u, err := url.Parse(at)
	return err == nil && blob.DefaultURLMux().ValidBucketScheme(u.Scheme)
}

// prepare makes a directory, and deletes what fileblob was writing when a process died: name.<hexadecimal>.tmp.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Directory returns the URL of a directory.
func Directory(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(absolute)}).String(), nil
}

// Writer writes one blob. Either Commit or Abort ends it; Abort after Commit does nothing.
type Writer struct {
	*blob.Writer

	file   *os.File // nil where the bucket is no directory
	cancel context.CancelFunc
	done   bool
}

// Create begins to write a blob; one of the same name is there until Commit.
func (b *Bucket) Create(ctx context.Context, name string) (*Writer, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{cancel: cancel}
	var err error
	w.Writer, err = b.bucket.NewWriter(ctx, name, &blob.WriterOptions{
		ContentType: "application/octet-stream",
		BeforeWrite: func(as func(any) bool) error {
			if as(&w.file) {
				return w.file.Chmod(0o600)
			}
			return nil
		},
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("write a blob: %w", err)
	}
	return w, nil
}

// Commit makes the blob visible. In a directory it survives a power failure from then on.
func (w *Writer) Commit() error {
	defer w.cancel()
	w.done = true
	var err error
	if w.file != nil {
		err = w.file.Sync()
	}
	if err != nil {
		w.cancel()
	}
	return errors.Join(err, w.Close())
}

// Abort leaves everything as it was.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.cancel()
	_ = w.Close()
}

// Read opens a blob, or a stretch of it; a negative size means all there is. The caller closes it.
func (b *Bucket) Read(ctx context.Context, name string, at, size int64) (io.ReadCloser, error) {
	r, err := b.bucket.NewRangeReader(ctx, name, at, size, nil)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read a blob: %w", err)
	}
	return r, nil
}

// Part returns a stretch of a blob, all of it or an error.
func (b *Bucket) Part(ctx context.Context, name string, at, size int64) ([]byte, error) {
	r, err := b.Read(ctx, name, at, size)
	if err != nil {
		return nil, err
	}
	part := make([]byte, size)
	_, err = io.ReadFull(r, part)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read a blob: %w", err)
	}
	return part, nil
}

// Delete deletes a blob; one that isn't there is deleted already.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := b.bucket.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete a blob: %w", err)
	}
	return nil
}

// Close ends the use of the bucket.
func (b *Bucket) Close() error { return b.bucket.Close() }
