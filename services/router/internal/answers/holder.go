package answers

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
)

// holders makes names for those who want a fill lease: no two are the same, on any router. Safe for concurrent use.
type holders struct {
	router [8]byte
	last   atomic.Uint64
}

func newHolders() *holders {
	h := &holders{}
	_, _ = rand.Read(h.router[:]) // never fails: crypto/rand ends the program where there is no randomness
	return h
}

func (h *holders) next() []byte {
	return binary.BigEndian.AppendUint64(h.router[:len(h.router):len(h.router)], h.last.Add(1))
}
