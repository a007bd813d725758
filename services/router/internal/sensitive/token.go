package sensitive

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// charset is what the rest of a token is made of.
type charset uint8

const (
	letterDigits charset = 1 << iota
	underscores
	dashes
	dots
	slashes
	lowerHex
	capitalDigits

	wordSet = letterDigits | underscores
	urlSet  = wordSet | dashes
	jwtSet  = urlSet | dots
)

func (s charset) has(b byte) bool {
	switch {
	case s&lowerHex != 0:
		return number(b) || b >= 'a' && b <= 'f'
	case s&capitalDigits != 0:
		return classes[b]&(isUpper|isDigit) != 0
	case alnum(b):
		return true
	case b == '_':
		return s&underscores != 0
	case b == '-':
		return s&dashes != 0
	case b == '.':
		return s&dots != 0
	}
	return s&slashes != 0 && (b == '/' || b == '+' || b == '=')
}

// vendorToken is a token that a vendor marks by how it begins, so that it is recognised.
type vendorToken struct {
	prefix string
	rest   charset
	// least and most bound the rest; 0 for most is no bound.
	least, most int
}

// vendors are the tokens by their first byte. Sources: the vendors' pages on their formats.
var vendors = func() (index [256][]vendorToken) {
	for _, v := range []vendorToken{
		{"AKIA", capitalDigits, 16, 16}, // Amazon
		{"ASIA", capitalDigits, 16, 16},
		{"ABIA", capitalDigits, 16, 16},
		{"ACCA", capitalDigits, 16, 16},
		{"ghp_", letterDigits, 30, 0}, // GitHub
		{"gho_", letterDigits, 30, 0},
		{"ghu_", letterDigits, 30, 0},
		{"ghs_", letterDigits, 30, 0},
		{"ghr_", letterDigits, 30, 0},
		{"github_pat_", wordSet, 22, 0},
		{"glpat-", jwtSet, 20, 0}, // GitLab
		{"gldt-", urlSet, 20, 0},
		{"glrt-", jwtSet, 20, 0},
		{"glcbt-", urlSet, 20, 0},
		{"glptt-", urlSet, 20, 0},
		{"glft-", urlSet, 20, 0},
		{"glsoat-", urlSet, 20, 0},
		{"GR1348941", urlSet, 20, 0},
		{"xoxb-", urlSet, 16, 0}, // Slack
		{"xoxp-", urlSet, 16, 0},
		{"xoxa-", urlSet, 16, 0},
		{"xoxr-", urlSet, 16, 0},
		{"xoxs-", urlSet, 16, 0},
		{"xoxe-", urlSet, 16, 0},
		{"xoxe.", jwtSet, 16, 0},
		{"xapp-", urlSet, 16, 0},
		{"hooks.slack.com/services/", urlSet | slashes, 30, 0},
		{"sk_live_", letterDigits, 16, 0}, // Stripe
		{"sk_test_", letterDigits, 16, 0},
		{"rk_live_", letterDigits, 16, 0},
		{"rk_test_", letterDigits, 16, 0},
		{"whsec_", letterDigits | slashes, 24, 0},
		{"sk-ant-", urlSet, 20, 0}, // Anthropic
		{"sk-proj-", urlSet, 20, 0},
		{"sk-svcacct-", urlSet, 20, 0},
		{"sk-admin-", urlSet, 20, 0},
		{"sk-or-v1-", urlSet, 20, 0}, // OpenRouter
		{"sk-lf-", urlSet, 20, 0},
		{"sk-", letterDigits, 20, 0},
		{"gsk_", letterDigits, 32, 0}, // Groq
		{"xai-", letterDigits, 32, 0},
		{"pplx-", letterDigits, 32, 0},
		{"r8_", letterDigits, 32, 0}, // Replicate
		{"nvapi-", urlSet, 32, 0},
		{"AIza", urlSet, 35, 0}, // Google
		{"ya29.", urlSet, 20, 0},
		{"GOCSPX-", urlSet, 24, 0},
		{"hf_", letterDigits, 30, 0}, // Hugging Face
		{"api_org_", letterDigits, 30, 0},
		{"npm_", letterDigits, 30, 0},
		{"pypi-AgE", urlSet, 40, 0},
		{"SK", lowerHex, 32, 32}, // Twilio
		{"AC", lowerHex, 32, 32},
		{"discord.com/api/webhooks/", urlSet | slashes, 60, 0},
		{"discordapp.com/api/webhooks/", urlSet | slashes, 60, 0},
		{"shpat_", lowerHex, 32, 0}, // Shopify
		{"shpca_", lowerHex, 32, 0},
		{"shppa_", lowerHex, 32, 0},
		{"shpss_", lowerHex, 32, 0},
		{"dop_v1_", lowerHex, 64, 0}, // DigitalOcean
		{"doo_v1_", lowerHex, 64, 0},
		{"dor_v1_", lowerHex, 64, 0},
		{"sq0atp-", urlSet, 22, 0}, // Square
		{"sq0csp-", urlSet, 40, 0},
		{"lin_api_", letterDigits, 32, 0},
		{"secret_", letterDigits, 40, 0}, // Notion
		{"ntn_", letterDigits, 40, 0},
		{"figd_", urlSet, 32, 0},
		{"PMAK-", urlSet, 32, 0},
		{"dapi", lowerHex, 32, 33}, // Databricks
		{"ATATT3", urlSet | slashes, 50, 0},
		{"ATCTT3", urlSet | slashes, 50, 0},
		{"rubygems_", lowerHex, 40, 0},
		{"dckr_pat_", urlSet, 20, 0},
		{"pul-", lowerHex, 40, 0},
		{"hvs.", urlSet, 24, 0}, // Vault
		{"hvb.", urlSet, 24, 0},
		{"glsa_", wordSet, 32, 0}, // Grafana
		{"glc_", letterDigits | slashes, 32, 0},
		{"NRAK-", capitalDigits, 27, 0},
		{"nfp_", letterDigits, 32, 0},
		{"sbp_", lowerHex, 40, 0},
		{"lsv2_pt_", wordSet, 32, 0},
		{"lsv2_sk_", wordSet, 32, 0},
		{"pcsk_", wordSet, 40, 0},
		{"xkeysib-", urlSet, 64, 0},
		{"CFPAT-", urlSet, 32, 0},
		{"FLWSECK", urlSet, 20, 0},
		{"hg_", wordSet, 38, 60}, // Headgate
	} {
		index[v.prefix[0]] = append(index[v.prefix[0]], v)
	}
	return index
}()

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// vendorPairs are the second bytes of tokens by their first: few words begin like any.
var vendorPairs = func() (pairs [256]byteSet) {
	set := func(prefix string) { pairs[prefix[0]][prefix[1]>>6] |= 1 << (prefix[1] & 63) }
	for _, list := range vendors {
		for _, v := range list {
			set(v.prefix)
		}
	}
	for _, prefix := range []string{"eyJ", "SG.", "PuTTY", "AGE"} {
		set(prefix)
	}
	for _, b := range "MNO" { // a number in base64 follows
		pairs[b] = byteSet{^uint64(0), ^uint64(0)}
	}
	return pairs
}()

// vendor finds the token that a word begins; the word may be its beginning only.
func (x *text) vendor(at, end int) bool {
	if at < x.done {
		return false
	}
	if end-at < 2 || !vendorPairs[x.t[at]].has(x.t[at+1]) {
		return false
	}
	of := vendors[x.t[at]]
	for i := range of {
		v := &of[i]
		if len(v.prefix)+v.least > len(x.t)-at || string(x.t[at:at+len(v.prefix)]) != v.prefix {
			continue
		}
		if stop, ok := v.read(x.t, at); ok {
			x.add(token, at, stop)
			return true
		}
	}
	switch x.t[at] {
	case 'e':
		return x.jwt(at)
	case 'S':
		return x.sendGrid(at)
	case 'P':
		return x.putty(at)
	case 'A':
		return x.age(at)
	case 'M', 'N', 'O':
		return end-at >= 23 && x.discord(at)
	}
	return false
}

// read is the end of the token at a place. The first bytes decide whether there is one, so that what isn't any is never
// read to its end.
func (v *vendorToken) read(t []byte, at int) (end int, ok bool) {
	from := at + len(v.prefix)
	end = v.run(t, from, from+max(v.most, judged)+1)
	if !random(t[from:end]) {
		return 0, false
	}
	if v.most == 0 {
		end = v.run(t, end, len(t))
	}
	for end > from && (t[end-1] == '-' || t[end-1] == '.' || t[end-1] == '=' && v.rest&slashes == 0) {
		end--
	}
	if end-from < v.least || v.most > 0 && end-from > v.most || v.most > 0 && end < len(t) && alnum(t[end]) {
		return 0, false
	}
	return end, true
}

// run is the end of what may be part of a token's rest, at most limit.
func (v *vendorToken) run(t []byte, at, limit int) int {
	for at < min(limit, len(t)) && v.rest.has(t[at]) {
		at++
	}
	return at
}

// judged is how many bytes of a token are looked at to tell whether it is one.
const judged = 64

// random reports whether a token's rest may be one: it has several characters, and isn't a place to fill in.
func random(rest []byte) bool {
	var seen [256]bool
	distinct := 0
	for _, b := range rest[:min(len(rest), judged)] {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	small := bytes.ToLower(rest[:min(len(rest), judged)])
	return distinct >= 6 && !bytes.Contains(small, []byte("xxxx")) && !bytes.Contains(small, []byte("your"))
}

// maxJWTHeader is how far the first dot of a JSON web token may be.
const maxJWTHeader = 2048

// jwt finds a JSON web token (RFC 7519): its header is JSON that names an algorithm or a type.
func (x *text) jwt(at int) bool {
	if at < x.undotted || !bytes.HasPrefix(x.t[at:], []byte("eyJ")) {
		return false
	}
	dot := at
	for dot < len(x.t) && dot-at < maxJWTHeader && urlSet.has(x.t[dot]) {
		dot++
	}
	if x.at(dot) != '.' {
		x.undotted = dot
		return false
	}
	end := dot + 1
	if dot-at < 8 || !urlSet.has(x.at(end)) || !jwtHeader(x.t[at:dot]) {
		return false
	}
	for end < len(x.t) && jwtSet.has(x.t[end]) {
		end++
	}
	for x.t[end-1] == '.' {
		end--
	}
	x.add(token, at, end)
	return true
}

// jwtHeader looks at the beginning of a header.
func jwtHeader(header []byte) bool {
	var room [256]byte
	n, _ := base64.RawURLEncoding.Decode(room[:], header[:min(len(header), 340)])
	return bytes.Contains(room[:n], []byte(`"alg"`)) || bytes.Contains(room[:n], []byte(`"typ"`)) || bytes.Contains(room[:n], []byte(`"kid"`))
}

// sendGrid finds SG., 22 characters, a dot and 43 more.
func (x *text) sendGrid(at int) bool {
	if !bytes.HasPrefix(x.t[at:], []byte("SG.")) {
		return false
	}
	dot := at + 3
	for dot < len(x.t) && dot-at < 40 && urlSet.has(x.t[dot]) {
		dot++
	}
	end := dot + 1
	for end < len(x.t) && end-dot < 80 && urlSet.has(x.t[end]) {
		end++
	}
	if x.at(dot) != '.' || dot-at < 19 || end-dot < 31 || !random(x.t[at+3:dot]) {
		return false
	}
	x.add(token, at, end)
	return true
}

// discord finds a bot's token: its number in base64, a time and a code, parted by dots.
func (x *text) discord(at int) bool {
	end := at
	var dots []int
	for end < len(x.t) && end-at < 90 && jwtSet.has(x.t[end]) {
		if x.t[end] == '.' {
			dots = append(dots, end-at)
		}
		end++
	}
	if len(dots) < 2 || dots[0] < 23 || dots[0] > 28 || dots[1]-dots[0] != 7 || end-at-dots[1] < 27 || !random(x.t[at+dots[1]:end]) {
		return false
	}
	x.add(token, at, end)
	return true
}

// authorization finds what follows Bearer or Basic.
func (x *text) authorization(at, end int) {
	from := end
	for from < len(x.t) && from-end < 3 && x.t[from] == ' ' {
		from++
	}
	stop := from
	for stop < len(x.t) && (urlSet | dots | slashes).has(x.t[stop]) {
		stop++
	}
	for stop > from && x.t[stop-1] == '.' {
		stop--
	}
	value := x.t[from:stop]
	if from == end || len(value) < 8 || from < x.done {
		return
	}
	if hasFold(x.t[at:], "basic") {
		if decoded, err := base64.StdEncoding.DecodeString(string(value)); err == nil && bytes.IndexByte(decoded, ':') > 0 && printable(decoded) {
			x.add(token, from, stop)
		}
		return
	}
	if len(value) >= 16 && random(value) && strong(value) {
		x.add(token, from, stop)
	}
}

func printable(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }) < 0
}

// telegram finds a bot's token: its number, a colon and 35 characters.
func (x *text) telegram(colon int) bool {
	from := colon
	for from > x.done && colon-from <= 10 && number(x.t[from-1]) {
		from--
	}
	end := colon + 1
	for end < len(x.t) && end-colon <= 36 && urlSet.has(x.t[end]) {
		end++
	}
	if colon-from < 8 || colon-from > 10 || end-colon != 36 || !strings.HasPrefix(string(x.t[colon+1:end]), "AA") || !random(x.t[colon+1:end]) {
		return false
	}
	x.add(token, from, end)
	return true
}
