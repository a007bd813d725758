package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func file(n int) store.File {
	return store.File{
		ID: fmt.Sprint("file-", n), Blob: fmt.Sprint("blob-", n), Tenant: []string{"acme", "globex"}[n%2], KeyID: "key", Filename: "é\x00'\".jsonl",
		Format: batchv1.FileFormat_FILE_FORMAT_RESULTS, Bytes: 1 << 40, SHA256: "ab", Created: now(), Expires: now().Add(time.Hour),
	}
}

func filesComeBack(t *testing.T, s store.Store) {
	ok(t, s.CreateFile(t.Context(), file(1)))
	if f, err := s.File(t.Context(), "file-1"); err != nil || f != file(1) {
		t.Errorf("%+v %v", f, err)
	}
	if err := s.CreateFile(t.Context(), file(1)); err == nil {
		t.Error("one id twice")
	}
	ok(t, s.DeleteFile(t.Context(), "file-1", now()))
	for _, err := range []error{s.DeleteFile(t.Context(), "file-1", now()), second(s.File(t.Context(), "file-1"))} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func pagesOfFiles(t *testing.T, s store.Store) {
	for n := range 10 {
		ok(t, s.CreateFile(t.Context(), file(n)))
	}
	for _, test := range []struct {
		q    store.FileQuery
		want string
	}{
		{store.FileQuery{Limit: 3}, "[file-9 file-8 file-7]"},
		{store.FileQuery{Limit: 3, After: "file-7"}, "[file-6 file-5 file-4]"},
		{store.FileQuery{Limit: 3, Ascending: true, After: "file-7"}, "[file-8 file-9]"},
		{store.FileQuery{Limit: 3, Tenant: "acme"}, "[file-8 file-6 file-4]"},
		{store.FileQuery{Limit: 3, Tenant: "acme", Ascending: true, After: "file-2"}, "[file-4 file-6 file-8]"},
		{store.FileQuery{Limit: 3, Tenant: "initech"}, "[]"},
		{store.FileQuery{Limit: 3, Now: now().Add(time.Hour)}, "[]"},
	} {
		if test.q.Now.IsZero() {
			test.q.Now = now()
		}
		list, err := s.ListFiles(t.Context(), test.q)
		var ids []string
		for _, f := range list {
			ids = append(ids, f.ID)
		}
		if err != nil || fmt.Sprint(ids) != test.want {
			t.Errorf("%+v: %v %v", test.q, ids, err)
		}
	}
	for _, q := range []store.FileQuery{{After: "file-x", Limit: 1}, {After: "file-1", Tenant: "acme", Limit: 1}} {
		if _, err := s.ListFiles(t.Context(), q); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func filesExpire(t *testing.T, s store.Store) {
	for n := range 3 {
		ok(t, s.CreateFile(t.Context(), file(n)))
	}
	late := file(4)
	late.Expires = now().Add(2 * time.Hour)
	ok(t, s.CreateFile(t.Context(), late))
	at := now().Add(time.Hour)
	for _, want := range []int{2, 1, 0} {
		if n, err := s.ExpireFiles(t.Context(), at, 2); err != nil || n != want {
			t.Errorf("%d %v", n, err)
		}
	}
	blobs, err := s.Garbage(t.Context(), at, 10)
	slices.Sort(blobs)
	if err != nil || fmt.Sprint(blobs) != "[blob-0 blob-1 blob-2]" {
		t.Errorf("%v %v", blobs, err)
	}
}

func garbage(t *testing.T, s store.Store) {
	ok(t, s.Reserve(t.Context(), "blob-1", now().Add(time.Hour)))
	ok(t, s.Reserve(t.Context(), "blob-2", now().Add(time.Hour)))
	ok(t, s.CreateFile(t.Context(), file(1)))
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{now(), "[]"},
		{now().Add(time.Hour), "[blob-2]"},
	} {
		if blobs, err := s.Garbage(t.Context(), test.at, 10); err != nil || fmt.Sprint(blobs) != test.want {
			t.Errorf("%v %v", blobs, err)
		}
	}
	ok(t, s.DeleteFile(t.Context(), "file-1", now()))
	if blobs, err := s.Garbage(t.Context(), now(), 10); err != nil || fmt.Sprint(blobs) != "[blob-1]" {
		t.Errorf("%v %v", blobs, err)
	}
	ok(t, s.Forget(t.Context(), []string{"blob-1", "blob-2", "blob-3"}))
	if blobs, err := s.Garbage(t.Context(), now().Add(time.Hour), 10); err != nil || len(blobs) > 0 {
		t.Errorf("%v %v", blobs, err)
	}
}

// openSources: a deleted file is read to its end by the batch that reads it, and the requests of a call are kept as long.
func openSources(t *testing.T, s store.Store) {
	ok(t, s.Reserve(t.Context(), "inline", now()))
	ok(t, s.CreateFile(t.Context(), file(1)))
	b := made(t, s, 1, func(b *store.Batch) { b.Source = "blob-1" })
	inline := made(t, s, 2, func(b *store.Batch) { b.Source, b.Format = "inline", store.FormatInline })
	ok(t, s.DeleteFile(t.Context(), "file-1", now()))
	expect := func(want string) {
		t.Helper()
		blobs, err := s.Garbage(t.Context(), now(), 10)
		slices.Sort(blobs)
		if err != nil || fmt.Sprint(blobs) != want {
			t.Errorf("%v %v", blobs, err)
		}
	}
	expect("[]")
	ok(t, s.Fail(t.Context(), b.Number, nil, now()))
	expect("[blob-1]")
	ok(t, s.Fail(t.Context(), inline.Number, nil, now()))
	expect("[blob-1 inline]")
}
