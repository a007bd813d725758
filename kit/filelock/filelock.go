// Package filelock keeps a second process away from what one process alone may use. A lock ends with its process at the
// latest, however that ends.
package filelock

import (
	"errors"
	"os"
)

// ErrInUse is returned by Take where another process holds the lock.
var ErrInUse = errors.New("another process uses it")

// Lock is a lock that is held.
type Lock struct{ file *os.File }

// Take takes the lock that a file stands for, which it makes where there is none.
func Take(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{file: f}, nil
}

// Release gives the lock up; nil has none.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	return errors.Join(unlock(l.file), l.file.Close())
}
