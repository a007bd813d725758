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
			f.Data = join(f.Data, value, lines)
			f.Comment = false
			lines++
		case "event":
			f.Event = value
			f.Comment = false
		case "id", "retry":
		default:
			f.Comment = false
		}
	}
	return f
}

// field splits a line; one space after the colon isn't part of the value.
func field(line []byte) (name, value []byte) {
	name, value, _ = bytes.Cut(line, []byte(":"))
	return name, bytes.TrimPrefix(value, []byte(" "))
}

func join(data, value []byte, lines int) []byte {
	if lines == 0 {
		return value
	}
	joined := make([]byte, 0, len(data)+1+len(value))
	return append(append(append(joined, data...), '\n'), value...)
}

// Append writes one frame; an empty event is left out. data has no line break.
func Append(dst []byte, event string, data []byte) []byte {
	if event != "" {
		dst = append(append(append(dst, "event: "...), event...), '\n')
	}
	dst = append(append(dst, "data: "...), data...)
	return append(dst, '\n', '\n')
}
