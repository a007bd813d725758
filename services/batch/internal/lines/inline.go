package lines

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
)

// AppendInline appends a request of a CreateBatch call to a blob of [store.FormatInline]: name and body, each after its
// length.
func AppendInline(dst []byte, customID, body string) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(customID))), customID...)
	return append(binary.AppendUvarint(dst, uint64(len(body))), body...)
}

// inline reads what AppendInline has written.
type inline struct {
	in      *bufio.Reader
	maxLine int
	number  int64
	at      int64
}

func newInline(r io.Reader, maxLine int) *inline {
	return &inline{in: bufio.NewReader(r), maxLine: maxLine}
}

// Next returns the next request.
func (i *inline) Next() (Line, error) {
	name, err := i.field()
	if err != nil {
		return Line{}, err
	}
	body, err := i.field()
	if err != nil {
		return Line{}, cut(err)
	}
	i.number++
	if len(body) > i.maxLine {
		return Line{Number: i.number, Problem: tooLong(i.number, i.maxLine)}, nil
	}
	l := Line{Number: i.number, CustomID: string(name), Body: body, At: i.at - int64(len(body))}
	if err := rawjson.Check(body, maxDepth); err != nil {
		return Line{Number: i.number, Problem: badJSON(i.number, err)}, nil
	}
	return l, nil
}

func (i *inline) field() ([]byte, error) {
	n, err := binary.ReadUvarint(i.in)
	if err != nil {
		return nil, err
	}
	i.at += int64(len(binary.AppendUvarint(nil, n))) + int64(n) //nolint:gosec // Headgate wrote it
	text := make([]byte, n)
	if _, err = io.ReadFull(i.in, text); err != nil {
		return nil, cut(err)
	}
	return text, nil
}
