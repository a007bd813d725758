package sse

import "bytes"

var byteOrderMark = []byte("\xef\xbb\xbf")

// parse reads a frame's fields. Event and Data alias raw, unless several data lines have to be joined.
func parse(raw []byte, first bool) Frame {
	f := Frame{Raw: raw, Comment: true}
	rest := raw
	if first {
		rest = bytes.TrimPrefix(rest, byteOrderMark)
	}
	lines := 0
	for len(rest) > 0 {
		i := lineBreak(rest)
		line := rest[:i]
		rest = rest[i+1:]
		if len(line) == 0 || line[0] == ':' {
			continue
		}
		switch name, value := field(line); string(name) {
		case "data":
			if lines++; lines == 2 { // the first line is raw's own bytes: joining starts a copy, with room for all lines
				f.Data = append(make([]byte, 0, len(raw)), f.Data...)
			}
			f.Data = join(f.Data, value, lines)
			f.Comment = false
		case "event":
			f.Event = value
			f.Comment = false
		case "id", "retry":
		default:
			// By the standard a client skips what it doesn't know. But no provider sends such a line: it is a damaged one,
			// and passing it for nothing would hide that.
			f.Comment = false
		}
	}
	return f
}

// field splits a line; one space after the colon isn't part of the value.
func field(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, line[len(line):]
	}
	return line[:i], bytes.TrimPrefix(line[i+1:], []byte(" "))
}

// join adds the value of a data line to those before it.
func join(data, value []byte, lines int) []byte {
	if lines == 1 {
		return value
	}
	return append(append(data, '\n'), value...)
}

// Append writes one frame; an empty event is left out. Data with line breaks becomes several data lines; event has none.
func Append(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(append(append(dst, "event: "...), event...), '\n')
	}
	for {
		i := lineBreak(data)
		if i < 0 {
			break
		}
		dst = append(append(append(dst, "data: "...), data[:i]...), '\n')
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
	dst = append(append(dst, "data: "...), data...)
	return append(dst, '\n', '\n')
}
