package object

import (
	"math"
	"strconv"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// Writer writes one JSON value after another; members that are unset aren't written. It belongs to one goroutine. The
// zero Writer is ready.
type Writer struct {
	buf []byte
	// comma says that a value or a member stands before the next one.
	comma bool
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.buf }

// Object writes an object whose members write writes.
func (w *Writer) Object(write func()) { w.around('{', '}', write) }

// Array writes an array whose elements write writes.
func (w *Writer) Array(write func()) { w.around('[', ']', write) }

func (w *Writer) around(opening, closing byte, write func()) {
	w.separate()
	w.buf, w.comma = append(w.buf, opening), false
	write()
	w.buf, w.comma = append(w.buf, closing), true
}

func (w *Writer) separate() {
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = false
}

// Name begins a member: its value comes next.
func (w *Writer) Name(name string) {
	w.separate()
	w.buf = append(rawjson.Quote(w.buf, []byte(name)), ':')
}

// Value writes a value that is JSON text already.
func (w *Writer) Value(json []byte) {
	w.separate()
	w.buf, w.comma = append(w.buf, json...), true
}

// String writes a string as a value.
func (w *Writer) String(text string) {
	w.separate()
	w.buf, w.comma = rawjson.Quote(w.buf, []byte(text)), true
}

// Text writes a member, unless the text is empty.
func (w *Writer) Text(name, text string) {
	if text != "" {
		w.Always(name, text)
	}
}

// Always writes a member, an empty text too.
func (w *Writer) Always(name, text string) {
	w.Name(name)
	w.String(text)
}

// Int writes a member, unless n is nil.
func (w *Writer) Int(name string, n *int64) {
	if n != nil {
		w.Number(name, *n)
	}
}

// Int32 writes a member, unless n is nil.
func (w *Writer) Int32(name string, n *int32) {
	if n != nil {
		w.Number(name, int64(*n))
	}
}

// Number writes a member, zero too.
func (w *Writer) Number(name string, n int64) {
	w.Name(name)
	w.buf, w.comma = strconv.AppendInt(w.buf, n, 10), true
}

// Float writes a member, unless x is nil or no number.
func (w *Writer) Float(name string, x *float64) {
	if x == nil || math.IsNaN(*x) || math.IsInf(*x, 0) {
		return
	}
	w.Name(name)
	w.buf, w.comma = appendFloat(w.buf, *x), true
}

func appendFloat(dst []byte, x float64) []byte {
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, x, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}

// Bool writes a member, unless b is nil.
func (w *Writer) Bool(name string, b *bool) {
	if b != nil {
		w.Name(name)
		w.buf, w.comma = strconv.AppendBool(w.buf, *b), true
	}
}

// True writes a member where b is true.
func (w *Writer) True(name string, b bool) {
	if b {
		w.Bool(name, &b)
	}
}

// Null writes a member that is null.
func (w *Writer) Null(name string) {
	w.Name(name)
	w.Value([]byte("null"))
}

// JSON writes a member that is JSON text already, unless it is empty.
func (w *Writer) JSON(name, json string) {
	if json != "" {
		w.Name(name)
		w.Value([]byte(json))
	}
}

// Texts writes an array of strings, unless there is none.
func (w *Writer) Texts(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	w.Name(name)
	w.Array(func() {
		for _, t := range texts {
			w.String(t)
		}
	})
}

// Sub writes a member that is an object, unless write writes nothing into it.
func (w *Writer) Sub(name string, write func()) {
	before, comma := len(w.buf), w.comma
	w.Name(name)
	inside := len(w.buf)
	w.Object(write)
	if len(w.buf) == inside+len("{}") {
		w.buf, w.comma = w.buf[:before], comma
	}
}

// Patched writes an object whose members write writes, with extensions put over them.
func (w *Writer) Patched(extensions map[string]string, write func()) {
	if len(extensions) == 0 {
		w.Object(write)
		return
	}
	w.separate()
	from := len(w.buf)
	w.Object(write)
	patched := Patch(w.buf[from:], extensions)
	w.buf, w.comma = append(w.buf[:from], patched...), true
}
