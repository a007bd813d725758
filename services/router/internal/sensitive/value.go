package sensitive

import (
	"bytes"
	"math"
	"slices"
)

// secretValue reports whether a value may be the secret that its name announces, and of which kind.
func secretValue(s secrecy, v []byte, quoted bool) (kind, bool) {
	if len(v) < 4 || len(v) > maxSecret || placeholder(v) || reference(v, quoted) {
		return 0, false
	}
	switch s {
	case passwordName:
		return password, passwordLike(v, quoted)
	case briefName:
		_, _, digits, _, _ := kindsOf(v)
		return password, digits > 0 && len(v) >= 6 && passwordLike(v, quoted)
	case keyName:
		return token, keyLike(v, 10) && (quoted || !variable(v))
	case aboutSecret:
		return token, keyLike(v, 16) && strong(v) && (quoted || !variable(v))
	}
	return 0, false
}

// reference reports that a value only says where the secret is: a variable, a call, a path, an address.
func reference(v []byte, quoted bool) bool {
	if bytes.Contains(v, []byte("://")) || beginsAny(v, "${", "{{", "$(", "%(", "%s", "./", "~/", "arn:", "vault:", "op:", "urn:") {
		return true
	}
	if v[0] == '$' && shellName(v[1:]) {
		return true
	}
	if quoted {
		return false
	}
	if i := bytes.IndexAny(v, "(["); i >= 0 && programName(v[:i]) {
		return true
	}
	return v[0] == '{' || v[0] == '+' || v[0] == '&' || v[0] == '*' || bytes.IndexByte(v, '.') > 0 && programName(v) && wordy(v)
}

// shellName: a variable's name, and perhaps what is taken out of it.
func shellName(v []byte) bool {
	i := bytes.IndexFunc(v, func(r rune) bool { return r != '_' && r != ':' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
	return i < 0 || i >= 3 && bytes.IndexByte([]byte("-[{(>."), v[i]) >= 0
}

// programName: letters, digits, dots and underscores, as a variable or a function of a program has.
func programName(v []byte) bool {
	return bytes.IndexFunc(v, func(r rune) bool { return r != '.' && (r >= 0x80 || classes[r]&isWord == 0) }) < 0
}

// wordy reports that what dots part are words rather than chance.
func wordy(v []byte) bool {
	for _, part := range bytes.Split(v, []byte(".")) {
		if words, digits := wordsIn(part); words == 0 || digits*3 > len(part) {
			return false
		}
	}
	return true
}

// wordsIn counts runs of four small letters and more, and digits.
func wordsIn(v []byte) (words, digits int) {
	run := 0
	for _, b := range v {
		if classes[b] == isDigit {
			digits++
		}
		if classes[b] != isLower {
			run = 0
			continue
		}
		if run++; run == 4 {
			words++
		}
	}
	return words, digits
}

// variable reports that a value without quotes is the name of a variable: testRSA2048PrivateKey.
func variable(v []byte) bool {
	return programName(v) && !number(v[0]) && worded(v)*2 >= len(v)
}

// worded counts the characters that are part of words: three letters and more, of which only the first may be a capital.
func worded(v []byte) (n int) {
	for i := 0; i < len(v); {
		end := i + 1
		for end < len(v) && classes[v[i]]&isLetter != 0 && classes[v[end]] == isLower {
			end++
		}
		if end-i >= 3 {
			n += end - i
		}
		i = end
	}
	return n
}

// placeholders are values that stand for a secret, or describe one.
var (
	placeholders = []string{
		"null", "none", "nil", "true", "false", "undefined", "string", "secret", "password", "passwort", "passwd",
		"required", "optional",
		"hidden", "masked", "empty", "text", "input", "example", "sample", "test", "value", "token", "bearer",
		"contraseña", "senha", "type", "username", "email", "user", "pass", "bcrypt", "argon2", "argon2id", "varchar",
		"encrypted", "incorrect", "wrong", "invalid", "missing", "forgotten", "correct", "hashed", "plaintext",
		"plain", "confidential", "unknown", "default", "passphrase", "authenticated", "disabled", "enabled",
		"password123?", "string?", "number", "char[]", "securestring", "secretstr", "[string]",
	}
	placeholderParts = []string{
		"your", "changeme", "change_me", "change-me", "placeholder", "redacted", "xxxx", "****", "....", "•••", "<",
		">", "insert", "replace", "todo", "dummy", "my_password", "mypassword", "my-secret", "my_secret", "example_",
		"_here", "-here",
	}
)

func placeholder(v []byte) bool {
	small := bytes.ToLower(v[:min(len(v), maxSecret)])
	if same(small) || slices.Contains(placeholders, string(small)) {
		return true
	}
	return slices.ContainsFunc(placeholderParts, func(p string) bool { return bytes.Contains(small, []byte(p)) })
}

// kinds counts what a value is made of.
func kindsOf(v []byte) (lower, upper, digits, signs, spaces int) {
	for _, b := range v {
		switch c := classes[b]; {
		case c == isLower:
			lower++
		case c == isUpper:
			upper++
		case c == isDigit:
			digits++
		case b == ' ':
			spaces++
		case b >= 0x80:
			lower++
		default:
			signs++
		}
	}
	return
}

// passwordLike: what a person may have chosen. Without quotes it needs more than letters.
func passwordLike(v []byte, quoted bool) bool {
	lower, upper, digits, signs, spaces := kindsOf(v)
	letters := lower + upper
	switch {
	case spaces > 0:
		return quoted && digits > 0 && spaces <= 6 && letters > 0 || quoted && spaces >= 3 && spaces <= 6 && lower+spaces == len(v)
	case letters == len(v):
		return quoted && len(v) >= 6 || lower > 0 && upper >= 2 && len(v) >= 10
	case digits == len(v):
		return len(v) >= 4 && (quoted || len(v) >= 6)
	case digits > 0 && letters > 0:
		return len(v) >= 5
	case letters > 0 && signs > 0:
		return len(v) >= 6 && (quoted && !dashed(v) || chosen(v))
	}
	return quoted && len(v) >= 8 && signs < len(v)
}

// dashed: words with dashes, dots or underscores between.
func dashed(v []byte) bool {
	return bytes.IndexFunc(v, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && r != '/' && r != '\'' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// chosen: it has a sign that prose doesn't put into words.
func chosen(v []byte) bool { return bytes.ContainsAny(v[:len(v)-1], "!@#$%^&*+=?~|") && v[0] != '*' }

// keyLike: what a machine made. It is long, without spaces, and no word.
func keyLike(v []byte, least int) bool {
	lower, upper, digits, signs, spaces := kindsOf(v)
	if len(v) < least || spaces > 0 || digits == 0 || lower+upper == 0 || signs > len(v)/3 || v[0] == '/' {
		return false
	}
	return entropy(v) >= 2.8 && (digits >= 3 || upper > 0 && lower > 0)
}

// strong: as mixed as chance makes it.
func strong(v []byte) bool {
	_, _, digits, _, _ := kindsOf(v)
	return digits >= 2 && entropy(v) >= 3.2
}

// entropy is Shannon's, in bits per character.
func entropy(v []byte) float64 {
	var count [256]int
	for _, b := range v {
		count[b]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(v))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
