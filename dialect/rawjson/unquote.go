package rawjson

import (
	"bytes"
	"unicode/utf8"
)

// Unquote returns the text of a string; it aliases quoted where there is no escape, and half a surrogate pair becomes
// U+FFFD. ok is false where quoted isn't a string. It is for text that was checked.
func Unquote(quoted []byte) (text []byte, ok bool) {
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, false
	}
	inner := quoted[1 : len(quoted)-1]
	if i := bytes.IndexByte(inner, '\\'); i >= 0 {
		return unescape(inner, i), true
	}
	return inner, true
}

// unescape resolves escapes of a string that the scanner has passed; the first is at i.
func unescape(inner []byte, i int) []byte {
	out := append(make([]byte, 0, len(inner)), inner[:i]...)
	for i < len(inner) {
		if inner[i] != '\\' || i+1 >= len(inner) {
			out = append(out, inner[i])
			i++
			continue
		}
		if inner[i+1] == 'u' {
			var r rune
			r, i = hexRune(inner, i)
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, plainEscape(inner[i+1]))
		i += 2
	}
	return out
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hexRune reads \uXXXX at i, and the second half of a surrogate pair; next is the byte after.
func hexRune(inner []byte, i int) (r rune, next int) {
	r, next = hex4(inner, i), i+6
	if r < 0xd800 || r > 0xdfff {
		return r, min(next, len(inner))
	}
	if r < 0xdc00 && next+6 <= len(inner) && inner[next] == '\\' && inner[next+1] == 'u' {
		if low := hex4(inner, next); low >= 0xdc00 && low <= 0xdfff {
			return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), next + 6
		}
	}
	return utf8.RuneError, min(next, len(inner))
}

func hex4(inner []byte, i int) (r rune) {
	if i+6 > len(inner) {
		return utf8.RuneError
	}
	for _, c := range inner[i+2 : i+6] {
		r = r<<4 + rune(hexDigit(c))
	}
	return r
}
