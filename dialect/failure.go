package dialect

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// maxMessage bounds what is kept of a provider's error message.
const maxMessage = 2 << 10

// DecodeError reads an error body of any shape: nested, flat, a string, plain text, HTML or nothing.
func DecodeError(status int, body []byte) ProviderError {
	p := ProviderError{Status: status}
	object := rawjson.Get(body, "error")
	switch rawjson.Kind(object) {
	case 'o':
	case 's':
		p.Message = text(object)
	default:
		object = body
	}
	if p.Message == "" {
		p.Message = text(rawjson.Get(object, "message"))
		p.Type, p.Code, p.Param = text(rawjson.Get(object, "type")), text(rawjson.Get(object, "code")), text(rawjson.Get(object, "param"))
	}
	if p.Message == "" {
		p.Message = plain(status, body)
	}
	p.Message = bounded(p.Message)
	return p
}

// text reads a string, or a number as its digits.
func text(value []byte) string {
	if s, ok := rawjson.Unquote(value); ok {
		return string(s)
	}
	if rawjson.Kind(value) == '0' {
		return string(value)
	}
	return ""
}

// plain is the message of a body that isn't JSON: its text, unless it is a page for browsers.
func plain(status int, body []byte) string {
	s := strings.TrimSpace(string(body[:min(len(body), maxMessage)]))
	if s == "" || strings.HasPrefix(s, "<") || strings.HasPrefix(s, "{") || !utf8.ValidString(s) {
		return "the provider answered " + strconv.Itoa(status) + " without an explanation"
	}
	return s
}

func bounded(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "")
}
