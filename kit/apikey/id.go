package apikey

import "strings"

// idPrefix begins every key's id; idLen is how many characters follow.
const (
	idPrefix = "key_"
	idLen    = 20
)

// NewID returns a new id for a key: key_ and 20 random base62 characters. It has nothing to do with the key itself.
func NewID() string {
	return string(appendRandom([]byte(idPrefix), idLen))
}

// hintLen is how much of the random part a hint shows: 4 of 30 characters leave 154 bits unknown.
const hintLen = 4

// Hint returns the beginning of a well-formed key, enough to recognise it by: hg_live_4fT9.
func Hint(key string) string {
	return key[:max(0, len(key)-bodyLen+hintLen)]
}

// Environment returns the environment of a well-formed key, or of its hint; "" for what is neither.
func Environment(hint string) string {
	head, ok := strings.CutPrefix(hint, Prefix)
	env, _, cut := strings.Cut(head, "_")
	if !ok || !cut || !validEnv(env) {
		return ""
	}
	return env
}
