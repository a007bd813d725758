package spool

import "fmt"

// batch is the frames of appends that met. It is written once, by the first of them that gets to write.
type batch struct {
	buf     []byte
	records int64
	waiting int
	written bool
	err     error
}

// keepBatch is the largest buffer that is used again.
const keepBatch = 1 << 20

// Append adds a record and returns once it is in the file: it then survives the death of this process. It returns
// ErrFull at the bound, ErrTooLarge, ErrClosed, or the error of the disk, and the record isn't in the log then. The
// slice may be used again afterwards.
func (s *Spool) Append(record []byte) error {
	if len(record) == 0 || len(record) > MaxRecord {
		return ErrTooLarge
	}
	size := int64(frameBytes + len(record))
	if s.used.Add(size) > s.opt.MaxBytes {
		s.used.Add(-size)
		return ErrFull
	}
	err := s.commit(s.join(record))
	if err != nil {
		s.used.Add(-size)
	}
	return err
}

// join adds a record to the next batch.
func (s *Spool) join(record []byte) *batch {
	s.joining.Lock()
	defer s.joining.Unlock()
	b := s.batch
	b.buf = appendFrame(b.buf, s.seed, record)
	b.records++
	b.waiting++
	return b
}

// commit returns once the batch is written, by whomever.
func (s *Spool) commit(b *batch) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !b.written {
		s.shut()
		b.written, b.err = true, s.write(b)
	}
	err := b.err
	if b.waiting--; b.waiting == 0 && cap(b.buf) <= keepBatch {
		*b = batch{buf: b.buf[:0]}
		s.idle = b
	}
	return err
}

// shut gives those who come later another batch.
func (s *Spool) shut() {
	next := s.idle
	if s.idle = nil; next == nil {
		next = new(batch)
	}
	s.joining.Lock()
	s.batch = next
	s.joining.Unlock()
}

// write puts a batch at the end of the log. Where it can't, nothing of it stays there.
func (s *Spool) write(b *batch) error {
	if s.closed {
		return ErrClosed
	}
	c := s.current
	if c.broken || (c.size > 0 && c.size+int64(len(b.buf)) > s.opt.SegmentBytes) {
		if err := s.rotate(); err != nil {
			s.failed(err)
			return err
		}
	}
	if err := s.current.append(b.buf); err != nil {
		s.failed(err)
		return fmt.Errorf("append to the log: %w", err)
	}
	s.dirty = true
	s.publish(b)
	return nil
}

// publish lets readers see what was written.
func (s *Spool) publish(b *batch) {
	s.state.Lock()
	s.extents[len(s.extents)-1].size = s.current.size
	s.total.Count += b.records
	s.totalBytes += int64(len(b.buf))
	s.state.Unlock()
	poke(s.wake)
}

// failed closes the room until the disk takes another segment.
func (s *Spool) failed(err error) {
	if s.roomy.Swap(false) {
		s.opt.Logger.Error("the log can't be written", "dir", s.dir, "error", err)
	}
}

// poke wakes whoever waits on a channel that holds one token.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
