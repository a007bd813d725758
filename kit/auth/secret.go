package auth

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
)

// SecretMin is the shortest root secret, in bytes, that [Secret.Check] accepts.
const SecretMin = 16

// Secret is the root from which every purpose derives its own key. It never prints itself.
type Secret []byte

// derivedLen is the length of a derived key in bytes.
const derivedLen = 32

// Check returns an error for a secret too short to be one.
func (s Secret) Check() error {
	if len(s) < SecretMin {
		return fmt.Errorf("the secret has %d bytes, it needs at least %d", len(s), SecretMin)
	}
	return nil
}

// Derive returns 32 bytes for one purpose: HKDF-SHA256 (RFC 5869), the purpose as its info. Different purposes give
// unrelated keys. An empty secret derives a different random key each time, so that nothing made with it is ever
// accepted.
func (s Secret) Derive(purpose string) []byte {
	if len(s) > 0 {
		if key, err := hkdf.Key(sha256.New, s, nil, "headgate "+purpose, derivedLen); err == nil {
			return key
		}
	}
	key := make([]byte, derivedLen)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program where there is no randomness
	return key
}

const redacted = "[redacted]"

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb, %x and %d included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
