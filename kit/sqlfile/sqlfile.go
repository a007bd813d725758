// Package sqlfile opens a SQLite file as Headgate's stores need it: for its owner alone, every commit synced, one connection
// that writes and several that only read. Who uses it brings the driver, registered as "sqlite".
package sqlfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/headgate-mesh/headgate/kit/filelock"
)

// Options say what a file is.
type Options struct {
	// Alone keeps a second process out: Open returns [filelock.ErrInUse] then.
	Alone bool
	// Changes bring a file from each version to the next, the first from an empty one.
	Changes []string
}

// File is an open file. Close it.
type File struct {
	// Write has one connection: SQLite has one writer, and waiting for it in Go is fair and cheap. Its transactions begin by
	// taking the writer's lock.
	Write *sql.DB
	// Read has several connections that only read.
	Read *sql.DB

	lock *filelock.Lock
}

// Open opens the file and brings it to the present version, or makes it, with its directory. A file of a newer version is
// refused.
func Open(ctx context.Context, path string, o Options) (*File, error) {
	f := new(File)
	if err := f.open(ctx, path, o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *File) open(ctx context.Context, path string, o Options) (err error) {
	if err := prepare(path); err != nil {
		return err
	}
	if o.Alone {
		if f.lock, err = filelock.Take(path + ".lock"); err != nil {
			return err
		}
	}
	// With synchronous NORMAL a power failure would undo commits that others were told of.
	if f.Write, err = connect(path, "journal_mode(wal)", "synchronous(full)", "busy_timeout(10000)"); err != nil {
		return err
	}
	f.Write.SetMaxOpenConns(1)
	if err := migrate(ctx, f.Write, o.Changes); err != nil {
		return err
	}
	if f.Read, err = connect(path, "query_only(1)", "busy_timeout(10000)"); err != nil {
		return err
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	f.Read.SetMaxOpenConns(readers)
	f.Read.SetMaxIdleConns(readers)
	return nil
}

// prepare makes the file before SQLite does, which would let the umask decide who reads it; its other files get the same
// mode.
func prepare(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func connect(path string, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	query := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	return sql.Open("sqlite", name.String())
}

// migrate brings the file to the present version, whole or not at all.
func migrate(ctx context.Context, db *sql.DB, changes []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(changes) {
		return fmt.Errorf("the file has version %d, and this build of Headgate knows %d: run a newer one", version, len(changes))
	}
	if version == len(changes) {
		return nil
	}
	for _, change := range changes[version:] {
		if _, err := tx.ExecContext(ctx, change); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(changes))); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file and lets another process have it.
func (f *File) Close() error {
	var errs []error
	for _, db := range []*sql.DB{f.Read, f.Write} { // the writer last: it folds the log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, f.lock.Release())...)
}
