package sqlite

import (
	"bytes"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/headgate-mesh/headgate/kit/apikey"
	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// TestUpgrade: keys of earlier versions have no budget or were never rotated, stay what they were, and can be changed.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for version := 1; version < len(schema); version++ {
		upgrade(t, version)
	}
}

func upgrade(t *testing.T, version int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.db")
	f, err := sqlfile.Open(t.Context(), path, sqlfile.Options{Alone: true, Changes: schema[:version]})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write.ExecContext(t.Context(), `INSERT INTO keys (id, hash, name, tenant, role, models, requests_per_minute,
		tokens_per_minute, concurrent_requests, created_at, created_by, hint)
		VALUES ('key_1', ?, 'n', 'acme', 1, 'null', 60, 0, 0, 1, 'admin', 'hg')`, bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := store.Key{
		ID: "key_1", Name: "n", Tenant: "acme", Role: 1, Limits: store.Limits{RequestsPerMinute: 60}, CreatedBy: "admin", Hint: "hg",
		Created: time.UnixMicro(1).UTC(), Hash: apikey.Hash(bytes.Repeat([]byte{1}, 32)),
	}
	if k, err := s.Get(t.Context(), "key_1"); err != nil || !reflect.DeepEqual(k, want) {
		t.Errorf("from version %d: %+v, %v", version, k, err)
	}
	want.Hash, want.OldHash = apikey.Hash{2}, want.Hash
	want.Rotated, want.OldUntil = time.UnixMicro(2).UTC(), time.UnixMicro(3).UTC()
	got, err := s.Change(t.Context(), "key_1", func(k *store.Key) error { *k = want; return nil })
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("changed, from version %d: %+v, %v", version, got, err)
	}
}
