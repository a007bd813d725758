package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/headgate-mesh/headgate/services/cache/internal/store"
)

// entryKey is where an entry lies. What follows the tenant has a fixed length and no brace, so no two keys look alike
// whatever names there are.
func entryKey(k store.Key) string {
	place := sha256.Sum256(append(k.Digest[:], k.Model...))
	return prefix + "{" + k.Tenant + "}:" + base64.RawURLEncoding.EncodeToString(place[:])
}

const (
	// format is the first byte of every entry.
	format = 1
	// fixed is what comes before the texts: format, checksum, generation, digest, time.
	fixed = 1 + 4 + len(store.Generation{}) + len(store.Digest{}) + 8
)

// encode repeats in the entry what it was put under, with a checksum over it all (CRC-32C).
func encode(e store.Entry, g store.Generation) []byte {
	out := make([]byte, 5, fixed+len(e.Key.Tenant)+len(e.Key.Model)+2*binary.MaxVarintLen32+len(e.Value))
	out = append(out, g[:]...)
	out = append(out, e.Key.Digest[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(e.StoredAt.UnixNano()))
	for _, text := range []string{e.Key.Tenant, e.Key.Model} {
		out = binary.AppendUvarint(out, uint64(len(text)))
		out = append(out, text...)
	}
	out = append(out, e.Value...)
	out[0] = format
	binary.BigEndian.PutUint32(out[1:], checksum(out[5:]))
	return out
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// decode is the reverse; false for what encode didn't write. The entry's value aliases text.
func decode(text []byte) (e store.Entry, stamp store.Generation, ok bool) {
	if len(text) < fixed || text[0] != format || binary.BigEndian.Uint32(text[1:]) != checksum(text[5:]) {
		return e, stamp, false
	}
	text = text[5:]
	text = text[copy(stamp[:], text):]
	text = text[copy(e.Key.Digest[:], text):]
	e.StoredAt = time.Unix(0, int64(binary.BigEndian.Uint64(text)))
	text = text[8:]
	for _, into := range []*string{&e.Key.Tenant, &e.Key.Model} {
		n, size := binary.Uvarint(text)
		if size <= 0 || n > uint64(len(text)-size) {
			return store.Entry{}, stamp, false
		}
		*into = string(text[size : size+int(n)])
		text = text[size+int(n):]
	}
	e.Value = text
	return e, stamp, true
}
