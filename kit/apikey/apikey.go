// Package apikey makes and checks the shape of Headgate's API keys: hg_<env>_<30 random><6 checksum>, in base62. The
// checksum lets every node refuse a mistyped key without asking a store; it proves nothing else. A [Hasher] makes what
// is stored of a key.
package apikey

import (
	"crypto/rand"
	"hash/crc32"
	"strings"
)

const (
	// Prefix begins every key, so that secret scanners recognise one.
	Prefix = "hg_"

	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomLen   = 30
	checksumLen = 6
	bodyLen     = randomLen + checksumLen
	envMax      = 16
	defaultEnv  = "live"
)

// New returns a new key with 178 bits from crypto/rand. The environment is 1 to 16 characters of a-z 0-9; any other
// environment is replaced by "live", so that what New returns is always [WellFormed].
func New(env string) string {
	if !validEnv(env) {
		env = defaultEnv
	}
	key := make([]byte, 0, len(Prefix)+len(env)+1+bodyLen)
	key = append(key, Prefix...)
	key = append(key, env...)
	key = append(key, '_')
	key = appendRandom(key, randomLen)
	return string(appendChecksum(key))
}

// WellFormed reports whether a key has the right shape and checksum. It allocates nothing.
func WellFormed(key string) bool {
	head, ok := strings.CutPrefix(key, Prefix)
	if !ok {
		return false
	}
	env, body, ok := strings.Cut(head, "_")
	if !ok || !validEnv(env) || len(body) != bodyLen || !base62(body) {
		return false
	}
	signed := key[:len(key)-checksumLen]
	var want [checksumLen]byte
	checksum(want[:], signed)
	return string(want[:]) == key[len(signed):]
}

// appendRandom adds n uniform base62 characters; bytes that would bias the choice are thrown away.
func appendRandom(key []byte, n int) []byte {
	const fair = 256 - 256%len(alphabet)
	var raw [randomLen * 2]byte
	for added := 0; added < n; {
		_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the program where there is no randomness
		for _, b := range raw {
			if added == n {
				break
			}
			if int(b) < fair {
				key = append(key, alphabet[int(b)%len(alphabet)])
				added++
			}
		}
	}
	return key
}

// appendChecksum adds the checksum of all that comes before it.
func appendChecksum(key []byte) []byte {
	var sum [checksumLen]byte
	checksum(sum[:], string(key))
	return append(key, sum[:]...)
}

// checksum writes CRC-32 (IEEE) as six base62 digits, the most significant first.
func checksum(dst []byte, text string) {
	n := crcOf(text)
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = alphabet[n%uint32(len(alphabet))]
		n /= uint32(len(alphabet))
	}
}

// crcOf is crc32.ChecksumIEEE without the copy of the text that a conversion to bytes would make.
func crcOf(text string) uint32 {
	crc := ^uint32(0)
	for i := range len(text) {
		crc = crc32.IEEETable[byte(crc)^text[i]] ^ crc>>8
	}
	return ^crc
}

func validEnv(env string) bool {
	if env == "" || len(env) > envMax {
		return false
	}
	for i := range len(env) {
		if c := env[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func base62(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
