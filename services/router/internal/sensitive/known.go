package sensitive

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// structural are the members of requests that hold further members of a request. What is in any other is the user's own
// data.
var structural = map[string]bool{
	"messages": true, "content": true, "source": true, "image_url": true, "input_audio": true, "audio": true, "file": true,
	"function": true, "custom": true, "tool_calls": true, "tools": true, "tool_choice": true, "response_format": true,
	"json_schema": true, "thinking": true, "citations": true, "cache_control": true, "reasoning": true,
	"reasoning_details": true, "system": true, "text": true, "stream_options": true, "container": true, "input": false,
	"prompt": true, "refusal": true, "name": true, "description": true, "annotations": true, "url_citation": true,
}

// identifiers are members that name something within the request, or at the provider.
var identifiers = map[string]bool{
	"id": true, "tool_call_id": true, "tool_use_id": true, "call_id": true, "file_id": true, "item_id": true, "model": true,
	"type": true, "role": true, "media_type": true, "mime_type": true, "format": true, "previous_response_id": true,
	"encoding_format": true, "service_tier": true, "finish_reason": true, "detail": true, "effort": true, "container": true,
}

// seals are members that only a provider can make or read.
var seals = map[string]bool{
	"signature": true, "encrypted_content": true, "encrypted_index": true, "thought_signature": true, "data": true,
	"encrypted": true,
}

// steering are the numbers of a request that steer the model.
var steering = map[string]bool{
	"max_tokens": true, "max_completion_tokens": true, "max_output_tokens": true, "seed": true, "temperature": true,
	"top_p": true, "top_k": true, "min_p": true, "n": true, "logprobs": true, "top_logprobs": true, "dimensions": true,
	"frequency_penalty": true, "presence_penalty": true, "repetition_penalty": true, "truncate_prompt_tokens": true,
}

const (
	maxIdentifier = 128
	minSeal       = 64
	minMedia      = 64
)

// opaque reports that a string is an id or a provider's seal, by its member and by its look: what looks like text is
// looked into.
func opaque(raw []byte, p place) bool {
	key := string(p.key)
	switch {
	case identifiers[key]:
		return len(raw) <= maxIdentifier && identifier(raw)
	case key == "data":
		return len(raw) >= minSeal && string(p.parent) != "source" && string(p.parent) != "input_audio" && string(p.parent) != "audio" && sealedText(raw)
	case seals[key]:
		return len(raw) >= minSeal && sealedText(raw)
	}
	return false
}

// identifier: one word without the signs of an address, a number or a sentence.
func identifier(raw []byte) bool {
	for _, b := range raw {
		if !alnum(b) && b != '_' && b != '-' && b != '.' && b != ':' && b != '/' {
			return false
		}
	}
	return true
}

// base64Bytes are those of base64 in either alphabet, and the backslash that may come before a slash in JSON.
var base64Bytes = func() (is [256]bool) {
	for b := range 256 {
		is[b] = alnum(byte(b)) || b == '+' || b == '/' || b == '-' || b == '_' || b == '=' || b == '\\'
	}
	return is
}()

// sealedText reports whether text may be base64.
func sealedText(text []byte) bool {
	for _, b := range text {
		if !base64Bytes[b] {
			return false
		}
	}
	return true
}

// media returns where base64 begins in a string that is a picture, a sound or a document; -1 where it is none.
func media(raw []byte, p place) int {
	if len(raw) < minMedia {
		return -1
	}
	from := 0
	switch string(p.key) {
	case "url", "file_data", "image_url", "uri":
		from = dataURL(raw)
	case "data":
		if parent := string(p.parent); parent != "source" && parent != "input_audio" && parent != "audio" {
			return -1
		}
		from = max(dataURL(raw), 0)
	default:
		return -1
	}
	if from < 0 || !sealedText(raw[from:]) {
		return -1
	}
	return from
}

// dataURL is where the data begins in data:image/png;base64,...; -1 in other addresses.
func dataURL(raw []byte) int {
	if !hasFold(raw, "data:") {
		return -1
	}
	head := raw[:min(len(raw), 256)]
	comma := bytes.IndexByte(head, ',')
	if comma < 0 || !bytes.HasSuffix(head[:comma], []byte(";base64")) {
		return -1
	}
	return comma + 1
}

// sealed looks into base64 that is text after all: a document may come so.
func (d *doc) sealed(at, payload, end int, p place) {
	d.leafText(at, payload, p)
	decoded, ok := unseal(d.v.data[payload:end])
	if !ok {
		return
	}
	w := d.text.s.walk()
	defer w.release()
	w.source(decoded)
	from, to := d.v.source(payload, end)
	for _, f := range w.finds {
		d.note(find{at: from, end: to, kind: f.kind, sealed: true})
	}
	d.adopt(w)
}

// sniffed is how much of base64 is decoded to see what it is.
const sniffed = 512

// unseal decodes base64 that holds text.
func unseal(raw []byte) ([]byte, bool) {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = bytes.ReplaceAll(raw, []byte(`\/`), []byte("/"))
	}
	head, err := base64.StdEncoding.DecodeString(string(raw[:min(len(raw), sniffed)/4*4]))
	if err != nil || !readable(head) {
		return nil, false
	}
	decoded, err := base64.StdEncoding.DecodeString(string(raw))
	return decoded, err == nil
}

// readable reports whether bytes are text, of which the last character may be cut off.
func readable(b []byte) bool {
	if bytes.HasPrefix(b, []byte("%PDF")) {
		return false
	}
	for n := 0; n < utf8.UTFMax-1 && len(b) > 0 && !utf8.Valid(b); n++ {
		b = b[:len(b)-1]
	}
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' }) < 0
}

// reseal is base64 of the same text, redacted.
func (s *Scanner) reseal(raw []byte, wanted []bool) []byte {
	text, ok := unseal(raw)
	if !ok {
		return raw
	}
	text = s.redactText(text, wanted)
	return base64.StdEncoding.AppendEncode(nil, text)
}
