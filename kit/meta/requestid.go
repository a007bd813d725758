package meta

import (
	"encoding/hex"
	"math/rand/v2"
)

const (
	idPrefix = "req_"
	idBytes  = 12
	idMax    = 128
)

// NewID returns "req_" and 24 hexadecimal digits. The 96 bits come from the runtime's ChaCha8 generator: two ids don't
// meet in practice, and an id is no secret.
func NewID() string {
	var raw [16]byte
	hi, lo := rand.Uint64(), rand.Uint64() //nolint:gosec // an id is no secret
	for i := range 8 {
		raw[i] = byte(hi >> (8 * i))
		raw[8+i] = byte(lo >> (8 * i))
	}
	var id [len(idPrefix) + 2*idBytes]byte
	copy(id[:], idPrefix)
	hex.Encode(id[len(idPrefix):], raw[:idBytes])
	return string(id[:])
}

// ValidID reports whether an id that a caller chose may be used: 1 to 128 characters, each a letter, a digit or one of "._:-".
func ValidID(id string) bool {
	if id == "" || len(id) > idMax {
		return false
	}
	for i := range len(id) {
		if !idChar(id[i]) {
			return false
		}
	}
	return true
}

func idChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == ':' || c == '-'
}
