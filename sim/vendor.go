package sim

import (
	"net/http"
	"strconv"
	"strings"
)

// vendor is whose protocol an exchange speaks.
type vendor int

const (
	openAI vendor = iota
	anthropic
)

// String is the vendor's name as the configuration spells it.
func (v vendor) String() string {
	if v == anthropic {
		return "anthropic"
	}
	return "openai"
}

// vendorOf tells the two apart where they share a path: only Anthropic's clients send a version header.
func vendorOf(r *http.Request) vendor {
	if r.Header.Get("anthropic-version") != "" || strings.HasPrefix(r.URL.Path, "/v1/messages") {
		return anthropic
	}
	return openAI
}

// family tells whether the name looks like one of the vendor's models.
func (v vendor) family(id string) bool {
	if v == anthropic {
		return strings.HasPrefix(id, "claude-")
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
	if v == anthropic {
		b.WriteString("." + strconv.Itoa(i))
		return
	}
	b.WriteString("[" + strconv.Itoa(i) + "]")
}
