package spool

import (
	"bytes"
	"slices"
	"testing"
)

// readAll scans a segment in one go or as it grows.
func readAll(t *testing.T, seed uint32, data []byte, limits ...int64) (records [][]byte, skipped int64) {
	t.Helper()
	s := scanner{src: bytes.NewReader(data), seed: seed}
	for _, limit := range limits {
		for {
			record, ok, err := s.next(limit)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			records = append(records, bytes.Clone(record))
		}
	}
	return records, s.skipped
}

// naive looks for a frame at every byte.
func naive(seed uint32, data []byte) (records [][]byte) {
	for len(data) > 0 {
		v, record, size := parse(seed, data)
		if v != valid {
			size = 1
		} else {
			records = append(records, record)
		}
		data = data[size:]
	}
	return records
}

func FuzzScan(f *testing.F) {
	const seed = 7
	var log []byte
	for i := range 20 {
		log = appendFrame(log, seed, bytes.Repeat([]byte{byte(i)}, 1+i*i))
	}
	f.Add(log, 0, byte(0))
	f.Add(log, 40, byte(1))
	f.Add(log[:len(log)-3], 8, byte(0xff))
	f.Add(log[5:], len(log)/2, byte(0x80))
	f.Add(bytes.Repeat([]byte(mark), 20), 3, byte(0))
	f.Add(appendFrame(nil, seed, appendFrame(nil, seed, []byte("inner"))), 30, byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at int, flip byte) {
		data = bytes.Clone(data)
		if at >= 0 && at < len(data) {
			data[at] ^= flip
		}
		got, skipped := readAll(t, seed, data, int64(len(data)))
		size := skipped
		for _, r := range got {
			size += int64(frameBytes + len(r))
		}
		if size != int64(len(data)) {
			t.Fatalf("%d of %d bytes accounted for", size, len(data))
		}
		if want := naive(seed, data); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%d records, want %d", len(got), len(want))
		}
	})
}

// TestScanGrowing reads a log while whole frames are added to it, over the edges of the buffer.
func TestScanGrowing(t *testing.T) {
	t.Parallel()
	const seed = 9
	var log []byte
	var limits []int64
	for i := range 300 {
		log = appendFrame(log, seed, bytes.Repeat([]byte{byte(i)}, 1+i*17%5000))
		if i%3 == 0 {
			limits = append(limits, int64(len(log)))
		}
	}
	log = appendFrame(log, seed, make([]byte, MaxRecord))
	limits = append(limits, int64(len(log)))
	got, skipped := readAll(t, seed, log, limits...)
	if len(got) != 301 || skipped != 0 || len(got[300]) != MaxRecord {
		t.Errorf("%d records, %d bytes skipped", len(got), skipped)
	}
}
