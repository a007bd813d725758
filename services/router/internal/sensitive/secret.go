package sensitive

import (
	"bytes"
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
	// briefName is pass or pw: it may be a word like others.
	briefName
	// keyName and passwordName end with the word.
	keyName
	passwordName
)

// passwordWords and keyWords are what names end with, in small letters without what parts their words.
var (
	passwordWords = []string{
		"password", "passwd", "pwd", "passwort", "kennwort", "motdepasse", "mdp", "contraseña", "contrasena", "senha",
		"wachtwoord", "hasło", "haslo", "passphrase", "passcode", "lösenord", "losenord", "adgangskode", "passord",
		"salasana",
		"şifre", "sifre", "parola", "jelszó", "heslo", "пароль", "пароля", "密码", "密碼", "口令", "パスワード", "비밀번호", "암호",
		"पासवर्ड", "كلمة المرور", "كلمةالمرور", "סיסמה", "סיסמא",
		"passwd", "userpass", "dbpass", "rootpass", "smtppass", "mysqlpass", "pgpass", "clavedeacceso", "claveacceso",
	}
	keyWords = []string{
		"apikey", "apisecret", "secretkey", "accesskey", "clientsecret", "appsecret", "consumersecret",
		"sharedsecret", "signingkey",
		"signingsecret", "encryptionkey", "masterkey", "authkey", "token", "secret", "accountkey", "sharedaccesskey",
		"privatekey",
		"credential", "credentials", "subscriptionkey", "authorization", "secretaccesskey", "licensekey",
		"apischlüssel", "apischluessel", "clavedeapi", "claveapi", "cléapi", "clédapi", "clefapi",
		"sharedaccesssignature", "密钥", "秘钥", "токен", "ключ",
	}
	aboutWords = []string{
		"password", "passwd", "passwort", "passphrase", "secret", "apikey", "accesskey", "privatekey", "credential",
	}
	publicNames = []string{
		"pagetoken", "nexttoken", "continuationtoken", "synctoken", "csrftoken", "publictoken", "maxtoken",
		"stoptoken", "padtoken", "eostoken", "bostoken", "unktoken", "masktoken", "septoken", "clstoken", "pertoken",
		"idempotencykey",
	}
)

// secretName judges a name that was compacted.
func secretName(name []byte) secrecy {
	if len(name) < 2 {
		return open
	}
	for _, e := range nameEndings[name[len(name)-1]] {
		if n := len(name) - len(e.word); n >= 0 && string(name[n:]) == e.word {
			return e.means
		}
	}
	for _, w := range aboutWords {
		if len(name) > len(w) && bytes.Contains(name, []byte(w)) {
			return aboutSecret
		}
	}
	return open
}

// ending is what a name may end with.
type ending struct {
	word  string
	means secrecy
}

// nameEndings are the endings by their last byte; the first that fits counts.
var nameEndings = func() (index [256][]ending) {
	put := func(means secrecy, words ...string) {
		for _, w := range words {
			index[w[len(w)-1]] = append(index[w[len(w)-1]], ending{w, means})
		}
	}
	put(open, publicNames...)
	put(passwordName, passwordWords...)
	put(keyName, keyWords...)
	return index
}()

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
	} else if x.brief(name) {
		x.value(briefName, at+1)
	}
}

// brief reports whether the last word before a place is pass or pw, not in capitals: test runs print PASS.
func (x *text) brief(at int) bool {
	word := bytes.TrimRight(x.t[max(at-7, 0):at], " \"'`")
	for _, w := range []string{"pass", "pw", "Pass", "Pw"} {
		if bytes.HasSuffix(word, []byte(w)) && (len(word) == len(w) || classes[word[len(word)-len(w)-1]]&isWord == 0) {
			return true
		}
	}
	return false
}

// userOption finds the password after curl's -u name:password.
func (x *text) userOption(colon int) {
	from := colon
	for ; from > 0 && colon-from < maxSecretName && !beforeOption[x.t[from-1]]; from-- {
		if x.t[from-1] == ':' { // which has ended the name
			return
		}
	}
	back := bytes.TrimRight(x.t[max(from-8, 0):from], "'\"")
	if colon == from || colon < x.done || !endsAny(back, " -u ", "--user ", "--user=") {
		return
	}
	if start, end, quoted := x.quoted(colon + 1); end-start >= 4 && !placeholder(x.t[start:end]) && !reference(x.t[start:end], quoted) {
		x.add(password, start, end)
	}
}

// beforeOption are the bytes that come before an option's value.
var beforeOption = [256]bool{' ': true, '\'': true, '"': true, '\n': true}

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
			return from, end, q != '`'
		}
	}
	for from, end = at, at; end < len(x.t) && end-from <= maxSecret; end++ {
		if b := x.t[end]; b <= ' ' || bytes.IndexByte([]byte("\"'`,;<>)]}|"), b) >= 0 || b == '&' && (x.query(end) || x.entity(end)) {
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

// entity reports that an & begins a character as HTML writes it: &quot;.
func (x *text) entity(at int) bool {
	i := at + 1
	for i-at < 8 && classes[x.at(i)]&isAlnum != 0 || x.at(i) == '#' && i == at+1 {
		i++
	}
	return x.at(i) == ';' && i > at+1
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
