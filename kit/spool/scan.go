package spool

import (
	"errors"
	"io"
)

// chunk is how much is read at once.
const chunk = 256 << 10

// scanner reads the frames of one segment up to a limit.
type scanner struct {
	src    io.ReaderAt
	number uint64
	seed   uint32
	// at is where the next frame begins, or is looked for.
	at  int64
	buf []byte
	// from is where buf begins in the segment.
	from int64
	// skipped counts bytes that belong to no valid frame.
	skipped int64
}

// next returns the next valid record before limit, in a slice that is good until the next call; false where there is
// none. All bytes before limit were written: where a frame is incomplete there, it is damaged.
func (s *scanner) next(limit int64) (record []byte, ok bool, err error) {
	for s.at < limit {
		b, err := s.bytes(frameBytes, limit)
		if err != nil {
			return nil, false, err
		}
		v, record, size := parse(s.seed, b)
		if v == short && s.at+int64(size) <= limit {
			if b, err = s.bytes(size, limit); err != nil {
				return nil, false, err
			}
			v, record, size = parse(s.seed, b)
		}
		if v == valid {
			s.at += int64(size)
			return record, true, nil
		}
		if v == short { // a frame that would end behind the limit
			size = nextMark(b)
			if int64(len(b)) == limit-s.at && size > len(b)-len(mark) {
				size = len(b)
			}
		}
		s.at += int64(size)
		s.skipped += int64(size)
	}
	return nil, false, nil
}

// bytes returns what stands at the position: at least n bytes, fewer only before the limit.
func (s *scanner) bytes(n int, limit int64) ([]byte, error) {
	have := s.from + int64(len(s.buf)) - s.at
	if need := min(int64(n), limit-s.at); have < need {
		if err := s.fill(n, limit); err != nil {
			return nil, err
		}
		have = s.from + int64(len(s.buf)) - s.at
	}
	b := s.buf[int64(len(s.buf))-have:]
	return b[:min(int64(len(b)), limit-s.at)], nil
}

// fill reads from the position on.
func (s *scanner) fill(n int, limit int64) error {
	size := int(min(int64(max(n, chunk)), limit-s.at))
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	s.buf = s.buf[:size]
	s.from = s.at
	got, err := s.src.ReadAt(s.buf, s.at)
	s.buf = s.buf[:got]
	switch {
	case got == size:
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
