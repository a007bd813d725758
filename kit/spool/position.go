package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// Position is a place between two records of a log, as a [Reader] gives it.
type Position struct {
	segment uint64
	offset  int64
	bytes   int64
	// Count is how many records stand before it, counted from what was unacknowledged when the log was opened.
	Count int64
}

// before reports whether p stands before q in the log.
func (p Position) before(q Position) bool {
	return p.segment < q.segment || (p.segment == q.segment && p.offset < q.offset)
}

const checkpoint = "acknowledged"

// Ack says that all records before a position have been taken over for good: no reader gives them again, not after a
// restart either, and segments of such records only are deleted. An earlier position than the last one changes nothing.
// After an error the records may come again.
func (s *Spool) Ack(p Position) error {
	s.acking.Lock()
	defer s.acking.Unlock()
	s.state.Lock()
	forward := s.acked.before(p)
	if forward {
		s.acked = p
	}
	s.state.Unlock()
	if !forward {
		return nil
	}
	err := s.forget(p)
	// Segments go first: on a full disk that makes the room which the checkpoint needs.
	if failed := writeCheckpoint(s.dir, p); failed != nil {
		err = errors.Join(err, fmt.Errorf("write the log's checkpoint: %w", failed))
	}
	return err
}

// forget deletes the segments before a position.
func (s *Spool) forget(p Position) error {
	var old []extent
	s.state.Lock()
	for len(s.extents) > 1 && s.extents[0].number < p.segment {
		old, s.extents = append(old, s.extents[0]), s.extents[1:]
	}
	s.state.Unlock()
	var errs []error
	for _, e := range old {
		s.used.Add(-e.size)
		if err := os.Remove(e.path(s.dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("delete a segment: %w", err))
		}
	}
	return errors.Join(errs...)
}

// writeCheckpoint replaces the file at once. It isn't synced: after a power failure an older one, or none, makes the
// reader give records again, which is allowed.
func writeCheckpoint(dir string, p Position) error {
	text := fmt.Appendf(nil, "%d %d", p.segment, p.offset)
	text = fmt.Appendf(text, " %08x\n", crc32.Checksum(text, castagnoli))
	temporary := filepath.Join(dir, checkpoint+".tmp")
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, checkpoint))
}

// readCheckpoint returns the position, or the beginning where there is none or it can't be trusted.
func readCheckpoint(dir string) (p Position, err error) {
	text, err := os.ReadFile(filepath.Join(dir, checkpoint))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	i := bytes.LastIndexByte(text, ' ')
	var sum uint32
	if i < 0 {
		return p, nil
	}
	if _, err := fmt.Sscanf(string(text[i:]), "%x\n", &sum); err != nil || sum != crc32.Checksum(text[:i], castagnoli) {
		return Position{}, nil
	}
	if _, err := fmt.Sscanf(string(text[:i]), "%d %d", &p.segment, &p.offset); err != nil {
		return Position{}, nil
	}
	return p, nil
}
