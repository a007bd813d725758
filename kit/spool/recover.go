package spool

import (
	"cmp"
	"os"
	"slices"
)

// recover finds the segments that are there, deletes those that are acknowledged, and reads the others.
func (s *Spool) recover() error {
	_ = os.Remove(s.dir + string(os.PathSeparator) + spareName)
	acked, err := readCheckpoint(s.dir)
	if err != nil {
		return err
	}
	s.acked, s.number = acked, acked.segment
	list, err := listSegments(s.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		s.number = max(s.number, e.number)
		if err := s.admit(e); err != nil {
			return err
		}
	}
	return nil
}

func listSegments(dir string) ([]extent, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []extent
	for _, entry := range entries {
		if e, ok := parseName(entry.Name()); ok {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b extent) int { return cmp.Compare(a.number, b.number) })
	return list, nil
}

// admit takes a segment of an earlier process into the log, unless nothing in it is left to be read.
func (s *Spool) admit(e extent) error {
	if e.number < s.acked.segment {
		return os.Remove(e.path(s.dir))
	}
	f, err := os.Open(e.path(s.dir))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	e.size = info.Size()
	begin := int64(0)
	if e.number == s.acked.segment {
		begin = min(s.acked.offset, e.size)
	}
	records, skipped, err := count(f, e, begin)
	if err != nil {
		return err
	}
	if records == 0 && skipped == 0 {
		return os.Remove(e.path(s.dir))
	}
	s.report(e, records, skipped)
	s.extents = append(s.extents, e)
	s.used.Add(e.size)
	s.total.Count += records
	s.totalBytes += e.size - begin
	return nil
}

// count reads a segment from a place on.
func count(f *os.File, e extent, begin int64) (records, skipped int64, err error) {
	sc := scanner{src: f, seed: seedOf(e.salt), at: begin}
	for {
		_, ok, err := sc.next(e.size)
		if !ok || err != nil {
			return records, sc.skipped, err
		}
		records++
	}
}

func (s *Spool) report(e extent, records, skipped int64) {
	if skipped == 0 {
		return
	}
	s.damaged += skipped
	s.opt.Logger.Warn("a segment of the log is damaged; its other records are kept",
		"file", e.path(s.dir), "damaged_bytes", skipped, "kept_records", records)
}
