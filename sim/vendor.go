package sim

import (
	"net/http"
	"strconv"
	"strings"
)

// vendor is a server that the simulator plays, and the protocol that is its own.
type vendor int

const (
	openAI vendor = iota
	anthropic
	vLLM
	tgi
)

// vendors are the names that the configuration has for them.
var vendors = [...]string{openAI: "openai", anthropic: "anthropic", vLLM: "vllm", tgi: "tgi"}

// String is the vendor's name as the configuration spells it.
func (v vendor) String() string { return vendors[v] }

// selfHosted tells whether it is a server that one runs oneself: it has an engine, metrics and a health address.
func (v vendor) selfHosted() bool { return v == vLLM || v == tgi }

// place is where a request goes: the server, the path below its root and the protocol that is spoken there.
type place struct {
	host vendor
	path string
	v    vendor
}

// placeOf finds the server. The two self-hosted ones have roots of their own; the two vendors share the rest, and only
// Anthropic's clients send a version header.
func placeOf(r *http.Request) place {
	for _, v := range []vendor{vLLM, tgi} {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/"+v.String()); ok && (rest == "" || rest[0] == '/') {
			p := place{host: v, path: "/" + strings.TrimPrefix(rest, "/"), v: v}
			if v == vLLM && isMessages(p.path) {
				p.v = anthropic
			}
			return p
		}
	}
	if r.Header.Get("anthropic-version") != "" || isMessages(r.URL.Path) {
		return place{anthropic, r.URL.Path, anthropic}
	}
	return place{openAI, r.URL.Path, openAI}
}

func isMessages(path string) bool { return strings.HasPrefix(path, "/v1/messages") }

// family tells whether the name looks like one of the vendor's models. TGI takes any name for that of an adapter.
func (v vendor) family(id string) bool {
	switch v {
	case anthropic:
		return strings.HasPrefix(id, "claude-")
	case vLLM:
		return false
	case tgi:
		return id != ""
	}
	return strings.HasPrefix(id, "gpt-") || strings.HasPrefix(id, "chatgpt-") || oSeries(id)
}

// path spells where in a request something is, e.g. messages[0].role at OpenAI and messages.0.role at Anthropic.
func (v vendor) path(parts ...any) string {
	var b strings.Builder
	for i, p := range parts {
		switch p := p.(type) {
		case int:
			v.index(&b, p)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(p)
		}
	}
	return b.String()
}

func (v vendor) index(b *strings.Builder, i int) {
	if v == anthropic || v == vLLM {
		b.WriteString("." + strconv.Itoa(i))
		return
	}
	b.WriteString("[" + strconv.Itoa(i) + "]")
}
