package sensitive

import (
	"bytes"
	"net/netip"
	"slices"
)

// ipv4 finds an address of four numbers. Those that concern no one aren't reported: this host, masks, multicast.
func (x *text) ipv4(at int) bool {
	end, parts := at, 0
	for {
		from := end
		for number(x.at(end)) && end-from < 4 {
			end++
		}
		if n := end - from; n == 0 || n > 3 || n > 1 && x.t[from] == '0' {
			return false
		}
		if parts++; parts == 4 {
			break
		}
		if x.at(end) != '.' {
			return false
		}
		end++
	}
	if alnum(x.at(end)) || x.at(end) == '.' && number(x.at(end+1)) || !x.freeAddress(at) {
		return false
	}
	a, err := netip.ParseAddr(string(x.t[at:end]))
	if err != nil {
		return false
	}
	if x.personal(a, at, end) {
		x.add(ip, at, end)
	}
	x.done = max(x.done, end)
	return true
}

// freeAddress reports whether an address may begin at a place: not within a version, a path of numbers.
func (x *text) freeAddress(at int) bool {
	switch x.at(at - 1) {
	case '.', '-', '_', '\\', '=':
		return x.at(at-1) == '=' && x.at(at-2) != '=' || x.at(at-1) == '-' && !alnum(x.at(at-2))
	}
	return true
}

var (
	documentation = prefixes("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20") // RFC 5737, 3849, 9637
	nowhere       = prefixes("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8")
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func inside(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// personal reports whether an address may lead to someone. The ones kept for documentation only do where the text says
// that they are somebody's.
func (x *text) personal(a netip.Addr, at, end int) bool {
	if !x.s.on(ip) || inside(a.Unmap(), nowhere) {
		return false
	}
	near := x.around(at, end)
	if inside(a, documentation) {
		return near&ofIP != 0 && near&ofExample == 0
	}
	if x.few(at, end) {
		return near&(ofIP|ofHost) != 0 && !x.version(at)
	}
	return near&ofIP != 0 || !x.version(at)
}

// few reports that four numbers are small, so that they may count chapters as well: neither an address of the web nor a
// port tells.
func (x *text) few(at, end int) bool {
	a, err := netip.ParseAddr(string(x.t[at:end]))
	if err != nil || !a.Is4() || a.As4()[0] == 10 || x.at(at-1) == '/' && x.at(at-2) == '/' || x.at(end) == ':' && number(x.at(end+1)) {
		return false
	}
	for _, octet := range a.As4() {
		if octet >= 64 {
			return false
		}
	}
	return true
}

// versionWords come before four numbers that are a version or a paragraph.
var versionWords = []string{
	"version", "versions", "release", "build", "revision", "rev", "ver", "v", "upgrade", "upgraded", "updated", "oid",
	"objectidentifier", "sections", "section", "chapter", "paragraph", "firmware", "driver", "kapitel", "abschnitt",
	"chapitre", "update", "patch",
}

// version reports that four numbers are a version: one of the two words before says so, or a sign that programs compare
// versions with.
func (x *text) version(at int) bool {
	back := bytes.TrimRight(x.leading(at, 24), " :\"'")
	if endsAny(back, "==", ">=", "~=", "版本", "§") || endsAny(back, "@") && !bytes.Contains(back, []byte(" ")) {
		return true
	}
	words := bytes.FieldsFunc(back, func(r rune) bool { return r != '.' && r < 0x80 && classes[r]&isLetter == 0 })
	for _, w := range words[max(0, len(words)-2):] {
		if slices.Contains(versionWords, string(bytes.Trim(w, "."))) {
			return true
		}
	}
	return bytes.Contains(back, []byte("版本")) || x.at(at-1) == '/' && x.at(at-2) != '/' && x.product(at-1)
}

// product reports that a slash stands after a product's name, as in Chrome/120.0.6099.109.
func (x *text) product(slash int) bool { return classes[x.at(slash-1)]&isLetter != 0 }

// maxIPv6 is the longest spelling of an address.
const maxIPv6 = 45

// ipv6 finds an address at the beginning of a group.
func (x *text) ipv6(at int) bool {
	end := at
	for end < len(x.t) && end-at <= maxIPv6 && (hexByte(x.t[end]) || x.t[end] == ':' || x.t[end] == '.' && number(x.at(end+1))) {
		end++
	}
	return x.address6(at, end)
}

func (x *text) address6(at, end int) bool {
	for end > at && x.t[end-1] == ':' && (end-at <= 1 || x.t[end-2] != ':') {
		end--
	}
	span := x.t[at:end]
	if n := bytes.Count(span, []byte(":")); n < 2 || n > 7 || len(span) > maxIPv6 {
		return false
	}
	if alnum(x.at(end)) || alnum(x.at(at-1)) || x.at(at-1) == ':' && span[0] != ':' {
		return false
	}
	a, err := netip.ParseAddr(string(span))
	if err != nil || !telling(span) {
		return false
	}
	if x.personal(a, at, end) {
		x.add(ip, at, end)
	}
	x.done = max(x.done, end)
	return true
}

// telling reports whether an address has enough in it to be one: a slice of a list (1::2) or a name in a program
// (dead::beef) is none.
func telling(span []byte) bool {
	groups, digits, long := 0, 0, 0
	for _, g := range bytes.Split(span, []byte(":")) {
		if len(g) == 0 {
			continue
		}
		groups++
		if len(g) >= 3 {
			long++
		}
		if bytes.IndexFunc(g, func(r rune) bool { return r >= '0' && r <= '9' }) >= 0 {
			digits++
		}
	}
	return groups >= 4 && digits >= 2 || digits >= 2 && long >= 1 && bytes.Contains(span, []byte("::")) || bytes.HasPrefix(span, []byte("fe80::"))
}

// colon looks at what a colon may be part of: an address that begins with letters, or a value that is assigned.
func (x *text) colon(at int) {
	if x.at(at+1) == '/' && x.at(at+2) == '/' {
		x.scheme = at
	}
	if at < x.done {
		return
	}
	if x.scheme != at {
		x.assigned(at)
		x.userOption(at)
	}
	from := at
	for from > 0 && at-from < 5 && hexByte(x.t[from-1]) {
		from--
	}
	if at-from <= 4 && at-from > 0 && classes[x.t[from]]&isLetter != 0 && at >= x.done && (hexByte(x.at(at+1)) || x.at(at+1) == ':') {
		x.ipv6(from)
	} else if at == from && x.at(at+1) == ':' && hexByte(x.at(at+2)) && !alnum(x.at(at-1)) {
		x.ipv6(at)
	}
}
