package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
)

// digest identifies a request: everything random-looking in an answer is derived from it.
type digest [sha256.Size]byte

func digestOf(seed string, body []byte) digest {
	h := sha256.New()
	h.Write([]byte(seed))
	h.Write([]byte{0})
	h.Write(body)
	return digest(h.Sum(nil))
}

// derive gives an independent digest for the i-th thing of a kind.
func (d digest) derive(kind string, i int) digest {
	b := make([]byte, 0, 64)
	b = append(b, d[:]...)
	b = append(b, kind...)
	b = binary.BigEndian.AppendUint32(b, uint32(i)) //nolint:gosec // a small counter
	return sha256.Sum256(b)
}

// number is the digest as a seed for choices.
func (d digest) number() uint64 { return binary.BigEndian.Uint64(d[:8]) }

// hex is the first n hex digits.
func (d digest) hex(n int) string { return hex.EncodeToString(d[:])[:n] }

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// id is a prefix and n base-62 characters, n at most 32.
func (d digest) id(prefix string, n int) string {
	b := make([]byte, 0, len(prefix)+n)
	b = append(b, prefix...)
	for _, c := range d[:n] {
		b = append(b, base62[int(c)%len(base62)])
	}
	return string(b)
}

// signature is what a thinking block with that text is signed with. It depends on the text alone, so that a block
// which comes back in a later request can be checked.
func signature(seed, thinking string) string {
	d := digestOf(seed+"signature", []byte(thinking))
	return "Eq" + base64.StdEncoding.EncodeToString(append(d[:], d[:]...))
}
