package sensitive

import (
	"bytes"
	"slices"
)

const (
	maxLocal  = 64
	maxDomain = 255
)

// atSign finds an e-mail address, or the password in the address of a server.
func (x *text) atSign(at int) {
	from := at
	for from > x.done && at-from < maxLocal && x.isLocal(from-1, at) {
		from--
	}
	for from < at && (x.t[from] == '.' || x.t[from] == '-' || x.t[from] == '\'' || x.t[from] == '=' || x.t[from] == '+') {
		from++
	}
	if x.credentials(at) || from == at && x.at(at-1) != '"' {
		return
	}
	end, ok := x.domain(at + 1)
	if from == at {
		from = x.quotedLocal(at)
	}
	if !ok || from == at || x.t[at-1] == '.' || x.at(from-1) == '@' || x.remote(from, at, end) {
		return
	}
	x.add(email, from, end)
}

// quotedLocal is where a name in quotes begins: "john doe"@example.com.
func (x *text) quotedLocal(at int) int {
	for i := at - 2; i >= x.done && at-i < maxLocal && x.t[i] != '\n'; i-- {
		if x.t[i] == '"' {
			return i
		}
	}
	return at
}

// spelledAt finds john (at) example (dot) com.
func (x *text) spelledAt(at int) {
	if at < x.done || !hasFold(x.t[at+1:], "at") || x.at(at+3) != ')' && x.at(at+3) != ']' {
		return
	}
	stop := at
	if x.at(stop-1) == ' ' {
		stop--
	}
	from := stop
	for from > x.done && stop-from < maxLocal && (alnum(x.t[from-1]) || x.t[from-1] == '.' || x.t[from-1] == '_' || x.t[from-1] == '-') {
		from--
	}
	if end, ok := x.spelledDomain(at + 4); ok && from < stop {
		x.add(email, from, end)
	}
}

// spelledDomain reads a domain whose dots are dots, or the word in brackets.
func (x *text) spelledDomain(at int) (end int, ok bool) {
	if x.at(at) == ' ' {
		at++
	}
	for labels := 1; ; labels++ {
		from := at
		for alnum(x.at(at)) || x.at(at) == '-' && at > from {
			at++
		}
		if at == from || at-from > maxLocal {
			return end, labels > 2
		}
		end = at
		if at = x.spelledDot(at); at == end {
			return end, labels > 1 && end-from >= 2
		}
	}
}

func (x *text) spelledDot(at int) int {
	for _, dot := range []string{" (dot) ", " [dot] ", "(dot)", "[dot]", "."} {
		if hasFold(x.t[min(at, len(x.t)):], dot) {
			return at + len(dot)
		}
	}
	return at
}

// isLocal reports whether a byte may be part of the name before an @: letters of other alphabets too, but not text
// without spaces that an address of ASCII follows.
func (x *text) isLocal(i, at int) bool {
	b := x.t[i]
	switch {
	case alnum(b):
		return true
	case b < 0x80:
		return b == '.' || b == '_' || b == '+' || b == '-' || b == '~' || b == '\'' && i > 0 && i+1 < at && alnum(x.t[i-1]) && alnum(x.t[i+1])
	}
	return !x.wide(i) || x.t[at-1] >= 0x80
}

// wide reports whether the byte at i is of a character of a script without spaces, or of a sign: those of three bytes
// and more.
func (x *text) wide(i int) bool {
	for n := 0; n < 3 && i > 0 && x.t[i] < 0xc0; n++ {
		i--
	}
	return x.t[i] >= 0xe0
}

// domain reads a domain of two labels or more; the last one has letters only.
func (x *text) domain(from int) (end int, ok bool) {
	label, labels := from, 0
	i := from
	for ; i < len(x.t) && i-from < maxDomain; i++ {
		b := x.t[i]
		if b == '.' && i > label && i+1 < len(x.t) && x.inLabel(i+1, label) && x.t[i+1] != '-' {
			labels++
			label = i + 1
			continue
		}
		if !x.inLabel(i, label) {
			break
		}
	}
	for i > label && x.t[i-1] == '-' {
		i--
	}
	last := x.t[label:i]
	if labels == 0 || len(last) < 2 || number(x.t[label]) || slices.Contains(noDomains, string(last)) {
		return 0, false
	}
	return i, !bytes.ContainsAny(last, "0123456789") || bytes.HasPrefix(last, []byte("xn--"))
}

// noDomains are the ends of files' names that look like domains: logo@2x.png.
var noDomains = []string{
	"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "jsx", "tsx", "html", "json", "yaml", "yml", "txt",
	"lock", "local", "tld",
}

// inLabel: in a label of ASCII, text without spaces that follows isn't part of it.
func (x *text) inLabel(i, label int) bool {
	b := x.t[i]
	if b < 0x80 {
		return alnum(b) || b == '-'
	}
	return !x.wide(i) || i == label || x.t[label] >= 0x80
}

// remote reports that an address is where a repository lies: git@github.com:owner/name.
func (x *text) remote(from, at, end int) bool {
	return string(x.t[from:at]) == "git" && (x.at(end) == ':' || x.at(end) == '/')
}

// expression reports that text is part of a regular expression.
func expression(text []byte) bool {
	return bytes.IndexByte(text, '\\') >= 0 || bytes.Contains(text, []byte("[^"))
}

// maxUserinfo bounds a name and a password in an address.
const maxUserinfo = 256

// credentials finds the password in scheme://name:password@host, and reports whether the @ is part of such an address.
func (x *text) credentials(at int) bool {
	if at-x.scheme > maxUserinfo {
		return false
	}
	from, colon := at, -1
	for ; from > 0 && at-from < maxUserinfo; from-- {
		b := x.t[from-1]
		if b <= ' ' || b == '"' || b == '\'' || b == '<' || b == '>' || b == '`' {
			return false
		}
		if b == ':' {
			colon = from - 1
		}
		if b == '/' && from >= 3 && x.t[from-2] == '/' && x.t[from-3] == ':' {
			break
		}
	}
	if from == 0 || at-from >= maxUserinfo || x.t[from-1] != '/' {
		return false
	}
	if slash := bytes.IndexByte(x.t[from:at], '/'); slash >= 0 && bytes.IndexByte(x.t[from:from+slash], '.') >= 0 {
		return false // an @ in the path
	}
	if value := x.t[max(colon, from-1)+1 : at]; colon >= from && len(value) > 0 && colon+1 >= x.done && !placeholder(value) && !expression(value) {
		x.add(password, colon+1, at)
	}
	return true
}
