package sensitive

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// maxClause is how far after a word such as password its value may stand.
const maxClause = 72

// spoken looks at words that announce a secret in a sentence.
func (x *text) spoken(at, end int) {
	switch x.t[at] | 0x20 {
	case 'p', 'k', 'w', 's', 'c', 'h', 'm', 't', 'l', 'a', 'j', 'b':
	default:
		return
	}
	word := x.t[at:end]
	switch {
	case len(word) == 6 && hasFold(word, "bearer"), len(word) == 5 && hasFold(word, "basic"):
		x.authorization(at, end)
	case len(word) == 3 && hasFold(word, "pin"):
		x.pin(end)
	case slices.ContainsFunc(spokenPasswords, func(w string) bool { return hasFold(x.t[at:], w) && x.wordEnds(at+len(w)) }):
		x.clause(passwordName, end)
	case slices.ContainsFunc(spokenKeys, func(w string) bool { return len(word) == len(w) && hasFold(word, w) }):
		x.keyClause(end)
	}
}

var (
	spokenPasswords = []string{"password", "passwort", "passphrase", "passcode", "passwd", "pwd", "pw", "kennwort", "wachtwoord", "senha", "contrase", "haslo", "has\u0142o", "mot de passe", "l\u00f6senord", "adgangskode", "salasana", "parola", "heslo", "jelsz\u00f3", "passord"}
	spokenKeys      = []string{"key", "token", "secret", "api-key", "apikey", "api_key"}
	spokenHigh      = []string{"пароль", "Пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "şifre", "पासवर्ड", "סיסמה", "كلمة المرور"}
	connectors      = []string{"is", "was", "are", "to", "as", "ist", "lautet", "war", "est", "es", "era", "sera", "será", "é", "e", "är", "er", "to", "jest", "este", "on", ":", "=", "->", "=>", "—", "-", "è", "je", "van", "имеет", "это"}
	fillers         = []string{"now", "still", "currently", "set", "changed", "to", "actually", "just", "simply", "reset", "jetzt", "maintenant", "ahora", "agora", "temporarily", "auf", "literally", "probably"}
)

func (x *text) wordEnds(at int) bool {
	return at >= len(x.t) || classes[x.t[at]]&isLetter == 0 || at >= 8 && hasFold(x.t[at-8:], "contrase")
}

// clause looks for a value in the sentence that goes on at from: after a connecting word, or at once.
func (x *text) clause(s secrecy, from int) {
	connected, words := false, 0
	if bytes.IndexByte([]byte("\"'`)]"), x.at(from)) >= 0 && from < len(x.t) { // which closes what the word stands in
		from++
	}
	for at := from; at-from < maxClause && words < 9; words++ {
		for at < len(x.t) && (x.t[at] == ' ' || x.t[at] == '\t') {
			at++
		}
		start, end, quoted := x.quoted(at)
		if end <= start || x.at(at) == '\n' {
			return
		}
		w := bytes.TrimRight(x.t[start:end], ":")
		small := string(lowered(x.lower[:0], w))
		switch {
		case slices.Contains(connectors, small) || len(w) < end-start && !connected:
			connected = true
		case connected && slices.Contains(fillers, small):
		case connected || words == 0:
			if x.spokenValue(s, start, end, quoted, connected) || connected {
				return
			}
		}
		if at = end; quoted {
			at++
		}
		if b := x.at(at); b == '.' || b == ',' || b == ';' || b == '?' || b == '!' || b == '\n' {
			return
		}
		if b := x.at(at); b != ' ' && b != '\t' {
			at++
		}
	}
}

func (x *text) spokenValue(s secrecy, start, end int, quoted, connected bool) bool {
	v := x.t[start:end]
	if start < x.done {
		return false
	}
	_, upper, digits, signs, _ := kindsOf(v)
	if !connected && (digits == 0 || upper+signs == 0 || len(v) < 8) {
		return false
	}
	k, ok := secretValue(s, v, quoted)
	if ok {
		x.add(k, start, end)
	}
	return ok
}

// keyClause: a key or a token of an API, as a sentence tells it.
func (x *text) keyClause(end int) {
	from, ok := x.nameBefore(end)
	if !ok {
		return
	}
	x.lower = compact(x.lower[:0], x.t[from:end])
	if s := secretName(x.lower); s == keyName {
		x.clause(s, end)
	}
}

// pin finds the digits of a personal number: PIN is 4821, PIN: 4821.
func (x *text) pin(end int) {
	at := end
	for _, w := range []string{" code", "-code", " number", " is", ":", " =", "=", " ist", " lautet", " ", "#"} {
		if hasFold(x.t[min(at, len(x.t)):], w) {
			at += len(w)
		}
	}
	stop := at
	for number(x.at(stop)) {
		stop++
	}
	named := bytes.IndexAny(x.t[end:at], ":=") >= 0 || bytes.Contains(x.t[end:at], []byte("is")) || bytes.Contains(x.t[end:at], []byte("lautet"))
	if n := stop - at; named && (n == 4 || n == 6 && !bytes.Contains(x.t[end:at], []byte("code"))) && x.freeAfter(stop) && at >= x.done {
		x.add(password, at, stop)
	}
}

// spokenHigh is spoken for words that aren't ASCII.
func (x *text) spokenHigh(at, end int) {
	for i := at; i < end; i++ {
		if !utf8.RuneStart(x.t[i]) {
			continue
		}
		for _, w := range spokenHigh {
			if x.t[i] == w[0] && bytes.HasPrefix(x.t[i:], []byte(w)) {
				x.clauseHigh(i + len(w))
			}
		}
	}
}

// clauseHigh: scripts without spaces connect without them, too.
func (x *text) clauseHigh(at int) {
	for _, w := range []string{"是", "为", "為", "は", "는", "은", "—", " है"} {
		if bytes.HasPrefix(x.t[min(at, len(x.t)):], []byte(w)) {
			at += len(w)
			for x.at(at) == ' ' || x.at(at) == ':' {
				at++
			}
			start, end, quoted := x.quoted(at)
			x.spokenValue(passwordName, start, end, quoted, true)
			return
		}
	}
	x.clause(passwordName, at)
}
