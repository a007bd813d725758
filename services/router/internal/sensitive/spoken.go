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
	if end-at > maxAnnounced || announcedLengths[x.t[at]|0x20]>>(end-at)&1 == 0 {
		return
	}
	for _, w := range announcing[x.t[at]|0x20] {
		if w.ascii == end-at && hasFold(x.t[at:], w.word) && (w.ascii == len(w.word) || x.wordEnds(at+len(w.word))) {
			w.look(x, at, end+len(w.word)-w.ascii)
			return
		}
	}
}

// announcement is a word that announces a secret; its first ascii bytes are a word as the scan cuts them.
type announcement struct {
	word  string
	ascii int
	look  func(x *text, at, end int)
}

// announcing are those by their first letter.
var announcing = func() (index [256][]announcement) {
	put := func(look func(x *text, at, end int), words ...string) {
		for _, w := range words {
			n := 0
			for n < len(w) && classes[w[n]]&isWord != 0 {
				n++
			}
			index[w[0]] = append(index[w[0]], announcement{w, n, look})
		}
	}
	put((*text).authorization, "bearer", "basic")
	put(func(x *text, _, end int) { x.pin(end) }, "pin")
	put(func(x *text, at, end int) {
		x.inverted(at)
		x.clause(passwordName, end)
	}, spokenPasswords...)
	put(func(x *text, _, end int) { x.mnemonic(end) }, "phrase", "mnemonic", "seed", "words")
	put(func(x *text, _, end int) { x.keyClause(end) }, "key", "token", "secret", "api-key", "apikey", "api_key")
	return index
}()

const maxAnnounced = 15

// announcedLengths are the lengths of those words, as bits, by their first letter: most words are none.
var announcedLengths = func() (lengths [256]uint16) {
	for first, list := range announcing {
		for _, w := range list {
			lengths[first] |= 1 << w.ascii
		}
	}
	return lengths
}()

var (
	spokenPasswords = []string{
		"password", "passwort", "passphrase", "passcode", "passwd", "pwd", "pw", "kennwort", "wachtwoord", "senha",
		"contrase\u00f1a", "contrasena", "haslo", "has\u0142o", "mot de passe", "l\u00f6senord", "adgangskode",
		"salasana", "parola", "heslo", "jelsz\u00f3", "passord",
	}
	spokenHigh = []string{
		"пароль", "Пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "şifre", "पासवर्ड", "סיסמה", "كلمة المرور",
	}
	spokenHighBy = func() (index [256][]string) {
		for _, w := range spokenHigh {
			index[w[0]] = append(index[w[0]], w)
		}
		return index
	}()
	connectors = []string{
		"is", "was", "are", "to", "as", "ist", "lautet", "war", "est", "es", "era", "sera", "será", "é", "e", "är",
		"er", "to", "jest", "este", "on", ":", "=", "->", "=>", "—", "-", "è", "je", "van", "имеет", "это",
	}
	fillers = []string{
		"now", "still", "currently", "set", "changed", "to", "actually", "just", "simply", "reset", "jetzt",
		"maintenant", "ahora", "agora", "temporarily", "auf", "literally", "probably",
	}
)

func (x *text) wordEnds(at int) bool { return classes[x.at(at)]&isLetter == 0 }

// clause looks for a value in the sentence that goes on at from: after a connecting word, or at once.
func (x *text) clause(s secrecy, from int) {
	connected, words := false, 0
	if from < len(x.t) && bytes.IndexByte([]byte("\"'`)]"), x.t[from]) >= 0 { // which closes what the word stands in
		from++
	}
	if x.at(from) != ' ' {
		return
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
	_, upper, digits, _, _ := kindsOf(v)
	if !connected && (digits == 0 || upper == 0 && digits < 2 && !chosen(v) || len(v) < 8 || number(v[0])) {
		return false
	}
	k, ok := secretValue(s, v, quoted)
	if ok {
		x.add(k, start, end)
	}
	return ok
}

// inverted finds the value in: swordfish1 is my password.
func (x *text) inverted(at int) {
	back := x.leading(at, 16)
	for _, link := range []string{" is my ", " is the ", " as my ", " as the ", " as "} {
		if !bytes.HasSuffix(back, []byte(link)) {
			continue
		}
		end := at - len(link)
		for end > 0 && bytes.IndexByte([]byte("\"'`,"), x.t[end-1]) >= 0 {
			end--
		}
		from := end
		for from > x.done && end-from < 64 && x.t[from-1] > ' ' && bytes.IndexByte([]byte("\"'`("), x.t[from-1]) < 0 {
			from--
		}
		if v := x.t[from:end]; len(v) >= 6 && !number(v[0]) {
			x.spokenValue(passwordName, from, end, false, true)
		}
		return
	}
}

const minMnemonic = 12

// mnemonic finds the words from which a wallet's key is made (BIP 39): twelve at least, of 3 to 8 letters.
func (x *text) mnemonic(end int) {
	if !endsAny(x.leading(end, 20), "seed phrase", "recovery phrase", "mnemonic", "mnemonic phrase", "seed words", "wallet seed", "secret phrase") {
		return
	}
	for n := 0; n < 4 && end < len(x.t) && (bytes.IndexByte([]byte(" :=\"'\n"), x.t[end]) >= 0 || hasFold(x.t[end:], "is ")); n++ {
		if end++; classes[x.t[end-1]]&isLetter != 0 {
			end += 2
		}
	}
	from, words := end, 0
	for stop := end; words < 24; words++ {
		start := stop
		for classes[x.at(stop)] == isLower && stop-start <= 8 {
			stop++
		}
		if n := stop - start; n < 3 || n > 8 {
			break
		}
		end = stop
		for n := 0; n < 2 && (x.at(stop) == ' ' || x.at(stop) == ',' || x.at(stop) == '\n'); n++ {
			stop++
		}
	}
	if words >= minMnemonic && from >= x.done {
		x.add(privateKey, from, end)
	}
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
	named := bytes.ContainsAny(x.t[end:at], ":=") || bytes.Contains(x.t[end:at], []byte("is")) || bytes.Contains(x.t[end:at], []byte("lautet"))
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
		for _, w := range spokenHighBy[x.t[i]] {
			if hasFold(x.t[i:], w) {
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
