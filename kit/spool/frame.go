package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
)

// A segment is frames, one behind the other. A frame is a mark, the CRC32C of salt, length and record, the
// record's length, and the record. The mark finds the next frame behind a damaged one. The salt, which stands in the segment's
// name, keeps a record that looks like a frame from ever being taken for one: no writer of records knows it.
const (
	mark       = "\xf5HG\xf6" // no UTF-8 text holds these bytes
	sumAt      = len(mark)
	lengthAt   = sumAt + 4
	frameBytes = lengthAt + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newSalt returns a salt; it has to be new, not secret.
func newSalt() uint64 { return rand.Uint64() } //nolint:gosec // see above

// seedOf is the checksum that every frame's begins with.
func seedOf(salt uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// appendFrame appends the frame of a record.
func appendFrame(dst []byte, seed uint32, record []byte) []byte {
	begin := len(dst)
	dst = append(append(dst, mark...), 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = append(dst, record...)
	binary.LittleEndian.PutUint32(dst[begin+sumAt:], crc32.Update(seed, castagnoli, dst[begin+lengthAt:]))
	return dst
}

// verdict is what a look at some bytes tells.
type verdict int

const (
	valid verdict = iota
	damaged
	short // more bytes are needed to tell
)

// parse looks for a frame at the beginning of b. A valid one has size bytes. Where damaged, the next frame can't begin
// within the first size bytes; where short, at least size bytes are needed.
func parse(seed uint32, b []byte) (v verdict, record []byte, size int) {
	if len(b) < frameBytes {
		return short, nil, frameBytes
	}
	if string(b[:len(mark)]) != mark {
		return damaged, nil, nextMark(b)
	}
	n := int(binary.LittleEndian.Uint32(b[lengthAt:]))
	if n == 0 || n > MaxRecord {
		return damaged, nil, nextMark(b)
	}
	if len(b) < frameBytes+n {
		return short, nil, frameBytes + n
	}
	if crc32.Update(seed, castagnoli, b[lengthAt:frameBytes+n]) != binary.LittleEndian.Uint32(b[sumAt:]) {
		return damaged, nil, nextMark(b)
	}
	return valid, b[frameBytes : frameBytes+n], frameBytes + n
}

// nextMark is how far from the beginning of b the next mark may begin, at least one byte.
func nextMark(b []byte) int {
	if i := bytes.Index(b[1:], []byte(mark)); i >= 0 {
		return 1 + i
	}
	return max(1, len(b)-len(mark)+1)
}
