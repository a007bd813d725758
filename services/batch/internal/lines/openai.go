package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// maxDepth bounds the nesting of a line; a body's own bound is the router's.
const maxDepth = 1000

// openAI reads one object a line. Empty lines are counted and passed over.
type openAI struct {
	in      *bufio.Reader
	maxLine int
	number  int64
	at      int64 // where the next line begins
	line    []byte
}

func newOpenAI(r io.Reader, maxLine int) *openAI {
	return &openAI{in: bufio.NewReaderSize(r, 64<<10), maxLine: maxLine}
}

// Next returns the next line that isn't empty.
func (o *openAI) Next() (Line, error) {
	for {
		at := o.at
		long, err := o.read()
		if err != nil {
			return Line{}, err
		}
		text := o.line
		if o.number == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // some editors begin a file with it
		}
		switch {
		case long:
			return Line{Number: o.number, Problem: tooLong(o.number, o.maxLine)}, nil
		case len(bytes.TrimSpace(text)) == 0:
			continue
		}
		return parseOpenAI(text, o.number, at+int64(len(o.line)-len(text))), nil
	}
}

// read reads one line into o.line, and passes over what is beyond the bound. io.EOF means that there is none.
func (o *openAI) read() (long bool, err error) {
	o.line = o.line[:0]
	from := o.at
	for {
		part, err := o.in.ReadSlice('\n')
		o.at += int64(len(part))
		if len(o.line)+len(part) > o.maxLine+1 {
			long = true
		} else {
			o.line = append(o.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && o.at > from:
		case err != nil:
			return false, err
		}
		o.number++
		return long, nil
	}
}

func parseOpenAI(text []byte, number, at int64) Line {
	l := Line{Number: number}
	err := rawjson.Object(text, maxDepth, func(m rawjson.Member) bool {
		switch string(m.Name) {
		case "custom_id":
			l.CustomID = word(m.Value)
		case "method":
			l.Method = word(m.Value)
		case "url":
			l.URL = word(m.Value)
		case "body":
			l.Body, l.At = m.Value, at+int64(m.ValueAt)
		}
		return true
	})
	if err == nil {
		err = rawjson.CheckUTF8(text)
	}
	if err != nil {
		return Line{Number: number, Problem: badJSON(number, err)}
	}
	return l
}

// badJSON says what is wrong with a line's JSON, and quotes nothing of it.
func badJSON(number int64, err error) *store.Problem {
	p := &store.Problem{Line: number, Code: InvalidJSON, Message: "the line isn't valid JSON"}
	var syntax *rawjson.SyntaxError
	switch {
	case errors.Is(err, rawjson.ErrNotObject):
		p.Message = "the line must be a JSON object"
	case errors.Is(err, rawjson.ErrTooDeep):
		p.Message = "the line is nested too deep"
	case errors.As(err, &syntax):
		p.Message += ": " + syntax.Msg
	}
	return p
}

// word reads a string; what is none is as if it weren't there.
func word(value []byte) string {
	text, _ := rawjson.Unquote(value)
	return string(text)
}
