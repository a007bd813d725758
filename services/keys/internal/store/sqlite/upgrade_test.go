package sqlite

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// TestUpgrade: keys of the first version have no budget, and stay what they were.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.db")
	f, err := sqlfile.Open(t.Context(), path, sqlfile.Options{Alone: true, Changes: schema[:1]})
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
	if k, err := s.Get(t.Context(), "key_1"); err != nil || k.Limits != (store.Limits{RequestsPerMinute: 60}) {
		t.Errorf("%+v, %v", k, err)
	}
}
