package rawjson

import "bytes"

// Empty reports whether a value says nothing: null, "", [] or {}, or no text at all.
func Empty(value []byte) bool {
	switch Kind(value) {
	case 0, 'n':
		return true
	case 's':
		return len(value) == 2
	case 'o', 'a':
		return len(bytes.TrimSpace(value[1:len(value)-1])) == 0
	}
	return false
}

// Kind tells what a value is by its first byte: 'o' object, 'a' array, 's' string, 'b' bool, 'n' null, '0' number.
func Kind(value []byte) byte {
	if len(value) == 0 {
		return 0
	}
	switch value[0] {
	case '{':
		return 'o'
	case '[':
		return 'a'
	case '"':
		return 's'
	case 't', 'f':
		return 'b'
	case 'n':
		return 'n'
	}
	return '0'
}

// Int reads a non-negative or negative whole number; ok is false for anything else, fractions included.
func Int(value []byte) (n int64, ok bool) {
	digits := value
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) != len(value) {
		n = -n
	}
	return n, true
}
