package spool

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// retry is how long to wait before a disk that was full is asked again.
const retry = time.Second

// maintain syncs what was written and keeps the next segment ready.
func (s *Spool) maintain() {
	syncs, retries := time.NewTicker(s.opt.SyncInterval), time.NewTicker(retry)
	defer syncs.Stop()
	defer retries.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.kick:
			s.stockUp()
		case <-retries.C:
			if !s.roomy.Load() {
				s.stockUp()
			}
		case <-syncs.C:
			if err := s.sync(); err != nil {
				s.opt.Logger.Error("the log can't be brought to the disk", "dir", s.dir, "error", err)
			}
		}
	}
}

// sync brings everything that was appended to the disk. Writers needn't wait for it.
func (s *Spool) sync() error {
	s.writing.Lock()
	finished, current, dirty := s.finished, s.current, s.dirty
	s.finished, s.dirty = nil, false
	s.writing.Unlock()

	var errs []error
	for _, f := range finished {
		errs = append(errs, f.Sync(), f.Close())
	}
	if dirty {
		errs = append(errs, current.file.Sync())
	}
	if len(finished) > 0 {
		errs = append(errs, syncDir(s.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sync the log: %w", err)
	}
	return nil
}

// syncDir makes the names of files last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
