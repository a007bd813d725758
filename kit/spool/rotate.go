package spool

import (
	"fmt"
	"os"
	"path/filepath"
)

// rotate begins the next segment: the one that was prepared, or a new one.
func (s *Spool) rotate() error {
	s.stock.Lock()
	defer s.stock.Unlock()
	next := s.spare
	if next == nil {
		var err error
		if next, err = prepare(s.dir, s.opt.SegmentBytes); err != nil {
			return err
		}
	}
	s.spare = nil
	e := extent{number: s.number + 1, salt: s.salt}
	if err := os.Rename(filepath.Join(s.dir, spareName), e.path(s.dir)); err != nil {
		next.discard(s.dir)
		return fmt.Errorf("name a segment: %w", err)
	}
	if s.current != nil {
		s.finished = append(s.finished, s.current.file)
		poke(s.turn)
	}
	s.number, s.current = e.number, next
	s.state.Lock()
	s.extents = append(s.extents, e)
	s.state.Unlock()
	poke(s.kick)
	return nil
}

// stockUp prepares the next segment, where it isn't, and so finds out whether the disk has room.
func (s *Spool) stockUp() {
	s.stock.Lock()
	defer s.stock.Unlock()
	if s.spare == nil {
		next, err := prepare(s.dir, s.opt.SegmentBytes)
		if err != nil {
			s.failed(err)
			return
		}
		s.spare = next
	}
	if !s.roomy.Swap(true) {
		s.opt.Logger.Info("the log has room", "dir", s.dir)
	}
}
