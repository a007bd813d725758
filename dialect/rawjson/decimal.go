package rawjson

import (
	"bytes"
	"strconv"
)

// maxExponent is how many digits an exponent may have, leading zeros apart.
const maxExponent = 15

// number writes a number: digits without zeros at either end, and the power of ten that they lack.
func (c *canon) number() bool {
	from := c.at
	if !c.scanner.number() {
		return false
	}
	text := c.data[from:c.at]
	if short(text) {
		c.out = append(c.out, text...)
		return true
	}
	var ok bool
	c.out, ok = appendNumber(c.out, text)
	c.exponent = !ok
	return ok
}

// short reports whether a number is in its form already: most are whole, and few of them end in zero.
func short(text []byte) bool {
	last := text[len(text)-1]
	return !bytes.ContainsAny(text, ".eE") && (last != '0' || len(text) == 1)
}

// appendNumber writes any number; ok is false where its exponent is out of range.
func appendNumber(dst, text []byte) (out []byte, ok bool) {
	mantissa, power := text, int64(0)
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		if power, ok = exponent(text[i+1:]); !ok {
			return dst, false
		}
	}
	start := len(dst)
	if mantissa[0] == '-' {
		mantissa = mantissa[1:]
		dst = append(dst, '-')
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	power -= int64(len(fraction))
	digits := len(dst)
	if whole = bytes.TrimLeft(whole, "0"); len(whole) == 0 {
		fraction = bytes.TrimLeft(fraction, "0")
	}
	dst = append(append(dst, whole...), fraction...)
	trimmed := bytes.TrimRight(dst[digits:], "0")
	power += int64(len(dst) - digits - len(trimmed))
	if len(trimmed) == 0 {
		return append(dst[:start], '0'), true
	}
	dst = dst[:digits+len(trimmed)]
	if power != 0 {
		dst = strconv.AppendInt(append(dst, 'e'), power, 10)
	}
	return dst, true
}

// exponent reads what follows the e.
func exponent(text []byte) (n int64, ok bool) {
	negative := text[0] == '-'
	if digits := bytes.TrimLeft(text, "+-"); len(digits) > 0 {
		text = bytes.TrimLeft(digits, "0")
	}
	if len(text) > maxExponent {
		return 0, false
	}
	for _, d := range text {
		n = 10*n + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}
