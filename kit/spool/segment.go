package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// extent is what is known of a segment without its file.
type extent struct {
	number uint64
	salt   uint64
	size   int64
}

// A segment's name is its number and its salt: 00000000000000000001-00c0ffee00c0ffee.log.
const (
	suffix       = ".log"
	numberDigits = 20
	saltDigits   = 16
	spareName    = "spare.tmp"
)

func (e extent) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%020d-%016x%s", e.number, e.salt, suffix))
}

// parseName is the reverse of path; false for another file.
func parseName(name string) (e extent, ok bool) {
	stem, ok := strings.CutSuffix(name, suffix)
	if !ok || len(stem) != numberDigits+1+saltDigits || stem[numberDigits] != '-' {
		return e, false
	}
	number, err := strconv.ParseUint(stem[:numberDigits], 10, 64)
	if err != nil {
		return e, false
	}
	salt, err := strconv.ParseUint(stem[numberDigits+1:], 16, 64)
	return extent{number: number, salt: salt}, err == nil
}

// segment is the file that is written.
type segment struct {
	file *os.File
	size int64
	// broken is true where a failed write left something at the end that couldn't be taken away.
	broken bool
}

// prepare makes a segment that has its disk space already, and no name yet.
func prepare(dir string, size int64) (*segment, error) {
	f, err := os.OpenFile(filepath.Join(dir, spareName), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create a segment: %w", err)
	}
	g := &segment{file: f}
	if err := allocate(f, size); err != nil {
		g.discard(dir)
		return nil, fmt.Errorf("allocate a segment: %w", err)
	}
	return g, nil
}

// discard removes a segment that has no name yet.
func (g *segment) discard(dir string) {
	_ = g.file.Close()
	_ = os.Remove(filepath.Join(dir, spareName))
}

// append writes at the end, all or nothing.
func (g *segment) append(b []byte) error {
	n, err := g.file.WriteAt(b, g.size)
	if err == nil {
		g.size += int64(n)
		return nil
	}
	if n > 0 {
		g.broken = g.file.Truncate(g.size) != nil
	}
	return err
}
