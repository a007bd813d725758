package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// shelf keeps bytes under names: in memory, or in a directory, where they outlive the process. Safe for concurrent use,
// but for two writers of one name.
type shelf interface {
	// put replaces what a name has, all or nothing.
	put(name string, b []byte) error
	// add appends to what a name has; a crash leaves a part of b at most.
	add(name string, b []byte) error
	// open reads what a name has now; nothing is fs.ErrNotExist. The caller closes it.
	open(name string) (volume, error)
	// crop shortens what a name has to n bytes.
	crop(name string, n int64) error
	// drop forgets a name, if it is there.
	drop(name string) error
	// names are all of them, in order.
	names() ([]string, error)
}

// volume is what a name had when it was opened.
type volume interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// newShelf is a directory, which is made if need be, or memory where there is none.
func newShelf(dir string) (shelf, error) {
	if dir == "" {
		return &ram{data: make(map[string][]byte)}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("batch_dir: %w", err)
	}
	return disk(dir), nil
}

// ram is a shelf in memory.
type ram struct {
	mu   sync.Mutex
	data map[string][]byte
}

// sheet is a volume in memory.
type sheet struct{ *bytes.Reader }

// Close does nothing.
func (sheet) Close() error { return nil }

func (m *ram) put(name string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[name] = slices.Clone(b)
	return nil
}

func (m *ram) add(name string, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[name] = append(m.data[name], b...)
	return nil
}

func (m *ram) open(name string) (volume, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.data[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return sheet{bytes.NewReader(b)}, nil
}

func (m *ram) crop(name string, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[name] = slices.Clone(m.data[name][:n]) // readers keep what they have
	return nil
}

func (m *ram) drop(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, name)
	return nil
}

func (m *ram) names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for name := range m.data {
		list = append(list, name)
	}
	slices.Sort(list)
	return list, nil
}

// disk is a shelf in a directory. It holds no file open, so that it needs no closing. Nothing is synced: what is lost with
// the machine's power may be lost here.
type disk string

// unfinished ends the names of what was being written when the process died.
const unfinished = ".tmp"

// book is a volume on disk.
type book struct {
	*os.File
	size int64
}

// Size is how long it was when it was opened.
func (b book) Size() int64 { return b.size }

func (d disk) path(name string) string { return filepath.Join(string(d), name) }

func (d disk) put(name string, b []byte) error {
	if err := os.WriteFile(d.path(name+unfinished), b, 0o600); err != nil {
		return err
	}
	return os.Rename(d.path(name+unfinished), d.path(name))
}

func (d disk) add(name string, b []byte) error {
	f, err := os.OpenFile(d.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func (d disk) open(name string) (volume, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return book{f, info.Size()}, nil
}

func (d disk) crop(name string, n int64) error { return os.Truncate(d.path(name), n) }

func (d disk) drop(name string) error {
	if err := os.Remove(d.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d disk) names() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	var list []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), unfinished) {
			list = append(list, e.Name())
		}
	}
	return list, err
}
