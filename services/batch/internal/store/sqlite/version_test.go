package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/kit/sqlfile"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// TestOldFile opens a file from before there were jobs, with a batch that is half done.
func TestOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batch.db")
	schema, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, err := sqlfile.Open(t.Context(), path, sqlfile.Options{Changes: []string{string(schema)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.Write.ExecContext(t.Context(), `
		INSERT INTO batches (id, tenant, dialect, state, source, inline, total, in_progress, particulars) VALUES ('b', 'acme', 1, 2, 's', 0, 3, 1, '{}');
		UPDATE batches SET state = ?;
		INSERT INTO lines (id, custom_id, at, size, state) VALUES (1 << 20 | 1, 'x', 0, 1, 2), (1 << 20 | 2, 'y', 1, 1, 1), (1 << 20 | 3, 'z', 2, 1, 0)`,
		int32(batchv1.BatchState_BATCH_STATE_IN_PROGRESS))
	if err := errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	t.Cleanup(func() { _ = s.Close() })
	begun, err := s.Begun(t.Context(), 1)
	if err != nil || len(begun) != 1 || begun[0].CustomID != "y" || begun[0].Live {
		t.Errorf("%+v %v", begun, err)
	}
	waiting, err := s.Claim(t.Context(), 1, 9, time.Now())
	if err != nil || len(waiting) != 1 || waiting[0].CustomID != "z" || waiting[0].Live {
		t.Errorf("%+v %v", waiting, err)
	}
	if _, err := s.CreateJob(t.Context(), store.Job{ID: "job_1", Batch: 1, Formed: time.Now()}); err != nil {
		t.Error(err)
	}
}
