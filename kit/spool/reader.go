package spool

import (
	"context"
	"os"
	"time"
)

// Reader gives the records of a log in their order. It belongs to one goroutine; a spool has at most one at a time.
type Reader struct {
	spool *Spool
	at    Position
	file  *os.File
	scan  scanner
}

// Reader returns a reader at the position that was last acknowledged. The caller closes it.
func (s *Spool) Reader() *Reader {
	s.state.Lock()
	defer s.state.Unlock()
	return &Reader{spool: s, at: s.acked}
}

// Next returns the next record and the position behind it; false where there is none yet. The record may be used until
// the next call.
func (r *Reader) Next() (record []byte, p Position, ok bool, err error) {
	for {
		e, last, ok := r.extent()
		if !ok {
			return nil, r.at, false, nil
		}
		if err := r.open(e); err != nil {
			return nil, r.at, false, err
		}
		before := r.scan.at
		record, ok, err = r.scan.next(e.size)
		r.at.offset = r.scan.at
		r.at.bytes += r.scan.at - before
		if err != nil {
			return nil, r.at, false, err
		}
		if ok {
			r.at.Count++
			return record, r.at, true, nil
		}
		if last {
			return nil, r.at, false, nil
		}
		r.at.segment++
		r.at.offset = 0
	}
}

// extent returns the segment that the position is in, or the first one behind it.
func (r *Reader) extent() (e extent, last, ok bool) {
	r.spool.state.Lock()
	defer r.spool.state.Unlock()
	list := r.spool.extents
	for i, e := range list {
		if e.number < r.at.segment {
			continue
		}
		return e, i == len(list)-1, true
	}
	return e, true, false
}

// open makes the segment the one that is read.
func (r *Reader) open(e extent) error {
	if e.number != r.at.segment {
		r.at.segment, r.at.offset = e.number, 0
	}
	if r.file != nil && r.scan.number == e.number {
		return nil
	}
	f, err := os.Open(e.path(r.spool.dir))
	if err != nil {
		return err
	}
	r.Close()
	r.file = f
	r.scan = scanner{src: f, seed: seedOf(e.salt), number: e.number, at: r.at.offset, buf: r.scan.buf[:0], from: r.at.offset}
	return nil
}

// Wait returns once there may be another record, or with the context's error.
func (r *Reader) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.spool.wake:
		return nil
	}
}

// Linger lets records come together for a while. It returns before that where a segment is full, so that a small log
// is emptied in time, and where the context ends.
func (r *Reader) Linger(ctx context.Context, while time.Duration) {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-r.spool.turn:
	}
}

// Close gives the reader's file free.
func (r *Reader) Close() {
	if r.file != nil {
		_ = r.file.Close()
		r.file = nil
	}
}
