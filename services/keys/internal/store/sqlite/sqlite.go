// Package sqlite keeps keys in one SQLite file. One process uses it at a time: the running service holds every valid key
// in memory, so a second writer's changes would stay unseen. A lock beside the file keeps it out.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/headgate-mesh/headgate/services/keys/internal/store"
)

// ErrInUse is what Open returns for a file that another process has open.
var ErrInUse = errors.New("another process uses these keys: one keys service per file")

// readers is how many reads run at once; they don't wait for the writer.
const readers = 4

// Store implements store.Store. Make it with [Open].
type Store struct {
	lock *os.File
	// write has one connection: SQLite has one writer, and waiting for it in Go is fair and cheap.
	write, read *sql.DB
}

// Open opens the file, which only its owner can read, and makes it and its directory where there is none.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := prepare(path); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	s := &Store{lock: lock}
	if err := s.connect(ctx, path); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return s, nil
}

// prepare makes the file before SQLite does, which would let the umask decide who reads it.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the directory of the keys: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making the file of the keys: %w", err)
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func (s *Store) connect(ctx context.Context, path string) (err error) {
	dsn, err := source(path)
	if err != nil {
		return err
	}
	if s.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return migrate(ctx, s.write)
}

// source names the file and what every connection to it sets. A revocation must survive a power cut, so every commit is
// synced (FULL).
func source(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: pragmas.Encode()}).String(), nil
}

// Create keeps a new key.
func (s *Store) Create(ctx context.Context, k store.Key) error {
	r, err := rowOf(k)
	if err != nil {
		return err
	}
	_, err = s.write.ExecContext(ctx, `INSERT INTO keys (`+columns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, r.values()...)
	var failure *sqlite.Error
	if errors.As(err, &failure) && failure.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return store.ErrExists
	}
	return err
}

// Get returns a key.
func (s *Store) Get(ctx context.Context, id string) (store.Key, error) {
	return scanOne(s.read.QueryRowContext(ctx, `SELECT `+columns+` FROM keys WHERE id = ?`, id))
}

// Revoke ends a key. The commit is a step of its own, so that its failure isn't missed.
func (s *Store) Revoke(ctx context.Context, id string, at time.Time) (store.Key, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return store.Key{}, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	k, err := scanOne(tx.QueryRowContext(ctx,
		`UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING `+columns, at.UnixMicro(), id))
	if err != nil {
		return store.Key{}, err
	}
	return k, tx.Commit()
}

// Close closes the file and lets another process have it.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} { // the writer last: it folds the log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
