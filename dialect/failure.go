package dialect

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

const (
	// maxMessage bounds what is kept of a provider's error message, in bytes.
	maxMessage = 2 << 10
	// maxWord bounds a type, a code and a parameter's name.
	maxWord = 256
)

// DecodeError reads an error body of any shape: OpenAI's and Anthropic's nested object, a flat one, an error that is a
// string (TGI), FastAPI's detail, any of these in an array (Google), plain text, HTML or nothing. It never fails, and the
// message is never empty.
func DecodeError(status int, body []byte) ProviderError {
	p := ProviderError{Status: status}
	p.read(body)
	if p.Message == "" {
		p.Message = plain(status, body)
	}
	p.Message, p.Type, p.Code, p.Param = bounded(p.Message, maxMessage), bounded(p.Type, maxWord), bounded(p.Code, maxWord), bounded(p.Param, maxWord)
	return p
}

// read reads a JSON body; it leaves the message empty where there is none.
func (p *ProviderError) read(body []byte) {
	if first := rawjson.First(body); first != nil {
		body = first
	}
	object := rawjson.Get(body, "error")
	switch rawjson.Kind(object) {
	case 'o':
	case 's':
		p.Message, p.Type = text(object), text(rawjson.Get(body, "error_type"))
		return
	default:
		object = body
	}
	p.Type, p.Code, p.Param = text(rawjson.Get(object, "type")), text(rawjson.Get(object, "code")), text(rawjson.Get(object, "param"))
	if p.Message = text(rawjson.Get(object, "message")); p.Message == "" {
		p.Message = detail(rawjson.Get(object, "detail"))
	}
}

// detail reads what FastAPI, under vLLM and others, says: a sentence, or a list of what is wrong.
func detail(value []byte) string {
	if first := rawjson.First(value); first != nil {
		return text(rawjson.Get(first, "msg"))
	}
	return text(value)
}

// text reads a string, without what isn't UTF-8, or a number as its digits.
func text(value []byte) string {
	if s, ok := rawjson.Unquote(value); ok {
		return strings.ToValidUTF8(string(s), "")
	}
	if rawjson.Kind(value) == '0' {
		return string(value)
	}
	return ""
}

// plain is the message of a body that isn't JSON: its text, unless it is a page for browsers.
func plain(status int, body []byte) string {
	s := strings.TrimSpace(bounded(string(body[:min(len(body), maxMessage+utf8.UTFMax)]), maxMessage))
	if s == "" || strings.ContainsAny(s[:1], "<{[") {
		return "the provider answered " + strconv.Itoa(status) + " without an explanation"
	}
	return s
}

// bounded cuts text to so many bytes, between characters; what isn't UTF-8 is left out.
func bounded(s string, limit int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
