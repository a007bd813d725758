package object

import (
	"bytes"
	"math/big"
	"strings"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// Equal reports whether two valid JSON texts are the same value: the order of members and the spelling of strings and
// numbers don't count.
func Equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	kind := rawjson.Kind(a)
	if kind != rawjson.Kind(b) {
		return false
	}
	switch kind {
	case 's':
		x, _ := rawjson.Unquote(a)
		y, _ := rawjson.Unquote(b)
		return bytes.Equal(x, y)
	case '0':
		return sameNumber(a, b)
	case 'o', 'a':
		x, y := leaf(a), leaf(b)
		return sameChildren(&x, &y)
	}
	return false
}

func sameChildren(a, b *tree) bool {
	a.unfold()
	b.unfold()
	if len(a.kids) != len(b.kids) {
		return false
	}
	for i, kid := range a.kids {
		other := i
		if a.kind == 'o' {
			if other = b.at(a.names[i]); other < 0 {
				return false
			}
		}
		if !Equal(kid.raw, b.kids[other].raw) {
			return false
		}
	}
	return true
}

// maxExponent bounds the numbers that are compared by value: 1e1000000 would cost a megabyte.
const maxExponent = 400

func sameNumber(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := rational(string(a))
	y, okY := rational(string(b))
	return okX && okY && x.Cmp(y) == 0
}

func rational(s string) (*big.Rat, bool) {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if n, ok := rawjson.Int([]byte(strings.TrimPrefix(s[i+1:], "+"))); !ok || n > maxExponent || n < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}
