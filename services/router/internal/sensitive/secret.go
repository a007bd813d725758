package sensitive

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"
)

// maxSecret bounds a value that is looked at, maxSecretName the words before it.
const (
	maxSecret     = 512
	maxSecretName = 48
)

// secrecy is what a name says of its value.
type secrecy uint8

const (
	open secrecy = iota
	// aboutSecret: the name has a secret's word in it, and goes on.
	aboutSecret
	// keyName and passwordName end with the word.
	keyName
	passwordName
)

// passwordWords and keyWords are what names end with, in small letters without what parts their words.
var (
	passwordWords = []string{
		"password", "passwd", "pwd", "passwort", "kennwort", "motdepasse", "mdp", "contraseña", "contrasena", "senha",
		"wachtwoord", "hasło", "haslo", "passphrase", "passcode", "lösenord", "losenord", "adgangskode", "passord", "salasana",
		"şifre", "sifre", "parola", "jelszó", "heslo", "пароль", "пароля", "密码", "密碼", "口令", "パスワード", "비밀번호", "암호", "पासवर्ड", "كلمة المرور", "كلمةالمرور", "סיסמה", "סיסמא",
		"passwd", "userpass", "dbpass", "rootpass", "smtppass", "mysqlpass", "pgpass", "clavedeacceso", "claveacceso",
	}
	keyWords = []string{
		"apikey", "apisecret", "secretkey", "accesskey", "clientsecret", "appsecret", "consumersecret", "sharedsecret", "signingkey",
		"signingsecret", "encryptionkey", "masterkey", "authkey", "token", "secret", "accountkey", "sharedaccesskey", "privatekey",
		"credential", "credentials", "subscriptionkey", "authorization", "secretaccesskey", "licensekey", "apischlüssel", "apischluessel", "clavedeapi", "claveapi", "cléapi", "clédapi", "clefapi", "sharedaccesssignature", "密钥", "秘钥", "токен", "ключ",
	}
	aboutWords  = []string{"password", "passwd", "passwort", "passphrase", "secret", "apikey", "accesskey", "privatekey", "credential"}
	publicNames = []string{"pagetoken", "nexttoken", "continuationtoken", "synctoken", "csrftoken", "publictoken", "maxtoken", "stoptoken", "padtoken", "eostoken", "bostoken", "unktoken", "masktoken", "septoken", "clstoken", "pertoken", "idempotencykey"}
)

// secretName judges a name that was compacted.
func secretName(name []byte) secrecy {
	ends := func(w string) bool { return bytes.HasSuffix(name, []byte(w)) }
	switch {
	case len(name) < 2 || slices.ContainsFunc(publicNames, ends):
		return open
	case slices.ContainsFunc(passwordWords, ends), string(name) == "pw":
		return passwordName
	case slices.ContainsFunc(keyWords, ends):
		return keyName
	case slices.ContainsFunc(aboutWords, func(w string) bool { return bytes.Contains(name, []byte(w)) }):
		return aboutSecret
	}
	return open
}

// compact appends a name in small letters without what parts its words.
func compact(dst, name []byte) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		if c < utf8.RuneSelf {
			if alnum(c) {
				dst = lowered(dst, name[i:i+1])
			}
			i++
			continue
		}
		_, n := utf8.DecodeRune(name[i:])
		dst = lowered(dst, name[i:i+n])
		i += n
	}
	return dst
}

// nameBefore is the words before a place, as a name: those without space between, and the ones before them as well.
func (x *text) nameBefore(at int) (from int, ok bool) {
	end := at
	for end > 0 && at-end < 3 && bytes.IndexByte([]byte(" \"'`])"), x.t[end-1]) >= 0 {
		end--
	}
	from = end
	for from > 0 && end-from < maxSecretName {
		b := x.t[from-1]
		if !alnum(b) && b < 0x80 && b != '_' && b != '-' && b != '.' && b != ' ' {
			break
		}
		from--
	}
	return from, from < end
}

// assigned looks at the name before a colon or an equals sign, and at the value after it.
func (x *text) assigned(at int) {
	if at < x.done || x.t[at] == ':' && x.telegram(at) {
		return
	}
	if next := x.at(at + 1); next == '=' || x.t[at] == '=' && bytes.IndexByte([]byte("=!<>"), x.at(at-1)) >= 0 {
		return // a comparison, or := whose second half counts
	}
	name := at
	if x.t[at] == '=' && x.at(at-1) == ':' {
		name--
	}
	if !x.mayName(name) {
		return
	}
	from, ok := x.nameBefore(name)
	if !ok {
		return
	}
	x.lower = compact(x.lower[:0], x.t[from:x.unconnected(from, name)])
	if s := secretName(x.lower); s != open {
		x.value(s, at+1)
	}
}

// unconnected is the end of the words in t[from:end] without a last one that only connects: the password is: ...
func (x *text) unconnected(from, end int) int {
	words := bytes.TrimRight(x.t[from:end], " ")
	i := bytes.LastIndexByte(words, ' ')
	if i > 0 && slices.Contains(connectors, string(words[i+1:])) {
		return from + i
	}
	return end
}

// mayName is a quick look at the last letter before a place: names of secrets end with few.
func (x *text) mayName(at int) bool {
	for i := at - 1; i >= 0 && at-i <= 4; i-- {
		if b := x.t[i]; b >= 0x80 || alnum(b) {
			return b >= 0x80 || bytes.IndexByte([]byte("dtyesnahopkilrw0123456789"), b|0x20) >= 0
		}
	}
	return false
}

// value judges what is assigned to a secret's name.
func (x *text) value(s secrecy, at int) {
	for n := 0; n < 3 && (x.at(at) == ' ' || x.at(at) == '>'); n++ {
		at++
	}
	for _, scheme := range []string{"bearer ", "basic "} {
		if hasFold(x.t[at:], scheme) {
			return // which is looked at on its own
		}
	}
	from, end, quoted := x.quoted(at)
	if from < x.done || end <= from {
		return
	}
	if k, ok := secretValue(s, x.t[from:end], quoted); ok {
		x.add(k, from, end)
	}
}

// quoted is a value: what stands between quotes, or everything up to a space or a sign that ends it.
func (x *text) quoted(at int) (from, end int, quoted bool) {
	q := x.at(at)
	if q == '"' || q == '\'' || q == '`' {
		from = at + 1
		for end = from; end < len(x.t) && end-from <= maxSecret && x.t[end] != q && x.t[end] != '\n'; end++ {
		}
		if x.at(end) == q {
			return from, end, true
		}
	}
	for from, end = at, at; end < len(x.t) && end-from <= maxSecret; end++ {
		if b := x.t[end]; b <= ' ' || bytes.IndexByte([]byte("\"'`,;<>)]}|"), b) >= 0 || b == '&' && x.query(end) {
			break
		}
		if r, _ := utf8.DecodeRune(x.t[end:]); r == '。' || r == '、' || r >= 0x3000 && r < 0xa000 {
			break
		}
	}
	for end > from && bytes.IndexByte([]byte(".!?:"), x.t[end-1]) >= 0 && (x.at(end) <= ' ' || x.at(end) >= 0x80) {
		if x.t[end-1] == '!' && end-from >= 8 { // a password may end so
			break
		}
		end--
	}
	return from, end, false
}

// query reports that an & parts two members of a query: name=value.
func (x *text) query(at int) bool {
	for i := at + 1; i < len(x.t) && i-at < 32; i++ {
		if x.t[i] == '=' {
			return i > at+1
		}
		if classes[x.t[i]]&isWord == 0 && x.t[i] != '-' && x.t[i] != '.' {
			return false
		}
	}
	return false
}

// secretValue reports whether a value may be the secret that its name announces, and of which kind.
func secretValue(s secrecy, v []byte, quoted bool) (kind, bool) {
	if len(v) < 4 || len(v) > maxSecret || placeholder(v) || reference(v, quoted) {
		return 0, false
	}
	switch s {
	case passwordName:
		return password, passwordLike(v, quoted)
	case keyName:
		return token, keyLike(v, 10) && (quoted || !variable(v))
	case aboutSecret:
		return token, keyLike(v, 16) && strong(v) && (quoted || !variable(v))
	}
	return 0, false
}

// reference reports that a value only says where the secret is: a variable, a call, a path, an address.
func reference(v []byte, quoted bool) bool {
	if bytes.Contains(v, []byte("://")) || bytes.HasPrefix(v, []byte("${")) || bytes.HasPrefix(v, []byte("{{")) || bytes.HasPrefix(v, []byte("$(")) || bytes.HasPrefix(v, []byte("%(")) || bytes.HasPrefix(v, []byte("%s")) || bytes.HasPrefix(v, []byte("./")) || bytes.HasPrefix(v, []byte("~/")) || bytes.HasPrefix(v, []byte("arn:")) || bytes.HasPrefix(v, []byte("vault:")) || bytes.HasPrefix(v, []byte("op:")) {
		return true
	}
	if v[0] == '$' && bytes.IndexFunc(v[1:], func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') }) < 0 {
		return true
	}
	if quoted {
		return false
	}
	if i := bytes.IndexAny(v, "(["); i >= 0 && programName(v[:i]) {
		return true
	}
	return v[0] == '{' || v[0] == '&' || v[0] == '*' || bytes.IndexByte(v, '.') > 0 && programName(v) && wordy(v)
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
	return programName(v) && !number(v[0]) && worded(v)*10 >= len(v)*6
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
		"null", "none", "nil", "true", "false", "undefined", "string", "secret", "password", "passwort", "passwd", "required", "optional",
		"hidden", "masked", "empty", "text", "input", "example", "test", "value", "token", "bearer", "contraseña", "senha", "type", "username", "email", "user", "pass", "bcrypt", "argon2", "argon2id", "varchar", "encrypted", "incorrect", "wrong", "invalid", "missing", "forgotten", "correct", "hashed", "plaintext", "plain", "confidential", "unknown", "default", "passphrase", "authenticated", "disabled", "enabled", "password123?", "string?", "number", "char[]", "securestring", "secretstr", "[string]",
	}
	placeholderParts = []string{"your", "changeme", "change_me", "change-me", "placeholder", "redacted", "xxxx", "****", "....", "•••", "<", ">", "insert", "replace", "todo", "dummy", "my_password", "mypassword", "my-secret", "my_secret", "example_", "_here", "-here"}
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
func chosen(v []byte) bool { return bytes.IndexAny(v[:len(v)-1], "!@#$%^&*+=?~|") >= 0 && v[0] != '*' }

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
