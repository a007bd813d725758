package sensitive

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"
)

// view is text that was made of other text, and the way back to where each byte came from.
type view struct {
	data []byte
	// from is the text it was made of; nil where data is the source itself. base is where data begins in it.
	from *view
	base int
	// steps are the places where bytes don't correspond one to one, in order.
	steps []step
}

// step says that made bytes at a place of the view stand for size bytes at a place of the text it was made of.
type step struct{ at, src, made, size int32 }

// source returns where data[at:end] stands in the first text.
func (v *view) source(at, end int) (int, int) {
	for ; v != nil; v = v.from {
		at, end = v.base+v.start(at), v.base+v.stop(end)
	}
	return at, end
}

// before is the last step that begins at or before a place.
func (v *view) before(at int) (step, bool) {
	i := sort.Search(len(v.steps), func(i int) bool { return int(v.steps[i].at) > at }) - 1
	if i < 0 {
		return step{}, false
	}
	return v.steps[i], true
}

func (v *view) start(at int) int {
	s, ok := v.before(at)
	switch {
	case !ok:
		return at
	case at < int(s.at+s.made):
		return int(s.src)
	}
	return at + int(s.src+s.size-s.at-s.made)
}

// stop is where the byte before end ends.
func (v *view) stop(end int) int {
	s, ok := v.before(end - 1)
	switch {
	case !ok:
		return end
	case end-1 < int(s.at+s.made):
		return int(s.src + s.size)
	}
	return end + int(s.src+s.size-s.at-s.made)
}

// decode is the text of a JSON string; inner is what stands between its quotes, at base of from. The buffers are used
// where there are escapes.
func decode(v *view, from *view, base int, inner, buf []byte, steps []step) ([]byte, []step) {
	*v = view{data: inner, from: from, base: base}
	next := bytes.IndexByte(inner, '\\')
	if next < 0 {
		return buf, steps
	}
	buf, steps = buf[:0], steps[:0]
	for at := 0; ; {
		buf = append(buf, inner[at:at+next]...)
		if at += next; at >= len(inner) {
			break
		}
		r, size := escape(inner[at:])
		made := len(buf)
		buf = utf8.AppendRune(buf, r)
		steps = append(steps, step{int32(made), int32(at), int32(len(buf) - made), int32(size)})
		at += size
		if next = bytes.IndexByte(inner[at:], '\\'); next < 0 {
			next = len(inner) - at
		}
	}
	v.data, v.steps = buf, steps
	return buf, steps
}

// escape reads the escape that text begins with. Half a surrogate pair becomes U+FFFD.
func escape(text []byte) (r rune, size int) {
	if len(text) < 2 {
		return utf8.RuneError, len(text)
	}
	if text[1] == 'u' {
		return unicodeEscape(text)
	}
	switch c := text[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	default:
		r, n := utf8.DecodeRune(text[1:])
		return r, 1 + n
	}
}

func unicodeEscape(text []byte) (r rune, size int) {
	high, ok := hex(text, 2, 4)
	switch {
	case !ok:
		return utf8.RuneError, 2
	case high < 0xd800 || high > 0xdfff:
		return high, 6
	case high < 0xdc00 && len(text) >= 12 && text[6] == '\\' && text[7] == 'u':
		if low, ok := hex(text, 8, 4); ok && low >= 0xdc00 && low <= 0xdfff {
			return 0x10000 + (high-0xd800)<<10 + low - 0xdc00, 12
		}
	}
	return utf8.RuneError, 6
}

// hex reads n hexadecimal digits.
func hex(text []byte, at, n int) (r rune, ok bool) {
	if at+n > len(text) {
		return 0, false
	}
	for _, c := range text[at : at+n] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 + rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 + rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
	}
	return r, true
}

// fold makes text comparable: digits of any script, full-width letters, unusual spaces, dashes and quotes become ASCII,
// characters without width fall away, and so do the escapes of a text within the text: source code, a query, JSON that
// isn't complete. The buffers are used where there is something to fold.
func fold(v *view, from *view, buf []byte, steps []step) ([]byte, []step) {
	data := from.data
	*v = view{data: data, from: from}
	same, r, size := foldable(data)
	if size == 0 {
		return buf, steps
	}
	buf, steps = slices.Grow(buf[:0], len(data)), steps[:0]
	for at := 0; ; {
		buf = append(buf, data[at:at+same]...)
		if at += same; size == 0 {
			break
		}
		made := len(buf)
		if r >= 0 {
			buf = utf8.AppendRune(buf, r)
		}
		steps = append(steps, step{int32(made), int32(at), int32(len(buf) - made), int32(size)})
		at += size
		same, r, size = foldable(data[at:])
	}
	v.data, v.steps = buf, steps
	return buf, steps
}

// foldable returns how many bytes stay as they are, and that the size bytes after them become r, or fall away where r is
// negative. There is nothing after them where size is 0.
func foldable(text []byte) (same int, r rune, size int) {
	for {
		if same += ordinary(text[same:]); same == len(text) {
			return same, 0, 0
		}
		r, size, keep := foldOne(text[same:])
		if !keep {
			return same, r, size
		}
		same += size
	}
}

// ordinary returns how many bytes come before one that isn't ASCII, a backslash or a percent sign; eight at a time, as
// rawjson does it.
func ordinary(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		slash, percent := x^(ones*'\\'), x^(ones*'%')
		if (x|(slash-ones)&^slash|(percent-ones)&^percent)&highs != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c >= utf8.RuneSelf || c == '\\' || c == '%' {
			return i
		}
	}
	return i
}

// foldOne reads what text begins with: size bytes that stay, that become r, or that fall away where r is negative.
func foldOne(text []byte) (r rune, size int, keep bool) {
	switch c := text[0]; {
	case c == '\\':
		return foldEscape(text)
	case c == '%':
		return foldPercent(text)
	case c < utf8.RuneSelf:
		return 0, 1, true
	}
	r, size = utf8.DecodeRune(text)
	if letters(r) {
		return 0, size, true
	}
	folded := foldRune(r)
	return folded, size, folded == r || r == utf8.RuneError
}

// letters are the scripts that have nothing to fold, which most text is made of.
func letters(r rune) bool {
	return r >= 0xc0 && r < 0x34f || r >= 0x370 && r < 0x58a || r >= 0x3041 && r < 0x30a0 || r >= 0x30a1 && r < 0x3164 ||
		r >= 0x3400 && r < 0xa000 || r >= 0xac00 && r < 0xd7a4
}

// foldEscape: a tab or a line's end stand for a space, which no letter after the backslash may hide.
func foldEscape(text []byte) (r rune, size int, keep bool) {
	if len(text) < 2 {
		return 0, 1, true
	}
	switch text[1] {
	case 'n', 'r', 't':
		return ' ', 2, false
	case '"', '\'', '/':
		return rune(text[1]), 2, false
	case 'u':
		if r, size = unicodeEscape(text); size > 2 {
			return foldRune(r), size, false
		}
	}
	return 0, 1, true
}

// foldPercent takes what the addresses of the web do to an e-mail's or a number's characters.
func foldPercent(text []byte) (r rune, size int, keep bool) {
	switch r, _ = hex(text, 1, 2); r {
	case '@', '+', ' ', '-', ':', '=':
		return r, 3, false
	}
	return 0, 1, true
}

func foldRune(r rune) rune {
	switch {
	case r < 0xa0:
		return r
	case r >= 0xff01 && r <= 0xff5e: // full-width forms
		return r - 0xff01 + '!'
	case r >= 0xe0020 && r <= 0xe007e: // tags, which nobody sees and every model reads
		return r - 0xe0000
	case invisible(r):
		return -1
	case unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.Is(unicode.Pd, r) || r == 0x2212 || r == 0x2043:
		return '-'
	case r >= 0x660 && unicode.Is(unicode.Nd, r):
		return digit(r)
	}
	switch r {
	case '“', '”', '„', '‟', '«', '»':
		return '"'
	case '‘', '’', '‚', '‛':
		return '\''
	case '․':
		return '.'
	case '⁄', '∕':
		return '/'
	case '﹫':
		return '@'
	}
	return r
}

func invisible(r rune) bool {
	switch {
	case r == 0xad, r == 0x34f, r == 0x180e, r == 0xfeff, r == 0x20e3, r == 0x61c, r == 0x3164:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xfe00 && r <= 0xfe0f:
		return true
	}
	return r >= 0xe0000 && r <= 0xe01ef
}

// digit is the ASCII digit of one of any script: Unicode has them in tens, each from zero on.
func digit(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}
