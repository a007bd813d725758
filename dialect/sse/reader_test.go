package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

type event struct{ name, data string }

// read returns the events of a stream, what all frames hold together, and how the stream ended.
func read(r *Reader) (events []event, raw []byte, err error) {
	for {
		f, err := r.Next()
		if err != nil {
			return events, raw, err
		}
		raw = append(raw, f.Raw...)
		if f.Data != nil {
			events = append(events, event{string(f.Event), string(f.Data)})
		}
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		in   string
		want []event
		end  error
	}{
		"one":                  {"data: x\n\n", []event{{"", "x"}}, io.EOF},
		"no space":             {"data:x\n\n", []event{{"", "x"}}, io.EOF},
		"two spaces":           {"data:  x\n\n", []event{{"", " x"}}, io.EOF},
		"name and data":        {"event: a\ndata: x\n\n", []event{{"a", "x"}}, io.EOF},
		"several data lines":   {"data: x\ndata: y\ndata:\n\n", []event{{"", "x\ny\n"}}, io.EOF},
		"CRLF":                 {"event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n", []event{{"a", "x"}, {"", "y"}}, io.EOF},
		"CR":                   {"data: x\r\rdata: y\r\r", []event{{"", "x"}, {"", "y"}}, io.EOF},
		"comment":              {": ping\n\ndata: x\n\n", []event{{"", "x"}}, io.EOF},
		"comment within":       {"data: x\n: c\ndata: y\n\n", []event{{"", "x\ny"}}, io.EOF},
		"byte order mark":      {"\xef\xbb\xbfdata: x\n\n", []event{{"", "x"}}, io.EOF},
		"blank lines":          {"\n\n\ndata: x\n\n\n\n", []event{{"", "x"}}, io.EOF},
		"id and retry":         {"id: 1\nretry: 5\ndata: x\n\n", []event{{"", "x"}}, io.EOF},
		"cut in data":          {"data: x\n\ndata: y", []event{{"", "x"}}, io.ErrUnexpectedEOF},
		"cut before the blank": {"data: x\n", nil, io.ErrUnexpectedEOF},
		"empty":                {"", nil, io.EOF},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for split, src := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)), "halves": iotest.HalfReader(strings.NewReader(c.in)),
			} {
				got, _, err := read(NewReader(src, 1<<20))
				if !errors.Is(err, c.end) || !equal(got, c.want) {
					t.Errorf("%s: got %q, %v", split, got, err)
				}
			}
		})
	}
}

func equal(a, b []event) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestReaderHandsOutAtOnce(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"data: x\n\n", "data: x\r\n\r", "data: x\r\r"} {
		pr, pw := io.Pipe()
		go func() { _, _ = pw.Write([]byte(in)) }()
		f, err := NewReader(pr, 1<<20).Next() // would block for ever if it wanted more
		if err != nil || string(f.Data) != "x" {
			t.Errorf("%q: %q, %v", in, f.Data, err)
		}
		_ = pw.Close()
	}
}

func TestReaderBoundsFrames(t *testing.T) {
	t.Parallel()
	in := "data: " + strings.Repeat("x", 200_000)
	if _, _, err := read(NewReader(strings.NewReader(in), 100_000)); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestReaderReady(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader("data: x\n\ndata: y\n\ndata"), 1<<20)
	if _, err := r.Next(); err != nil || !r.Ready() {
		t.Fatalf("the second frame is here: %v", err)
	}
	if _, err := r.Next(); err != nil || r.Ready() {
		t.Fatalf("the third isn't: %v", err)
	}
}

// FuzzReader: however a stream is split, its events and its end are the same, and no byte is lost or made up.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"data: x\n\n", "event: a\r\ndata: x\r\n\r\n", ":c\r\rdata: y\n\r", "data: x\n\ndata: y", "\xef\xbb\xbfdata: x\n\n\n"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		whole, raw, end := read(NewReader(bytes.NewReader(in), 1<<20))
		if !bytes.HasPrefix(in, raw) {
			t.Fatalf("frames hold %q of %q", raw, in)
		}
		if rest := in[len(raw):]; errors.Is(end, io.EOF) && len(rest) > 0 && string(rest) != "\n" {
			t.Fatalf("a clean end leaves %q", rest)
		}
		parts, _, partsEnd := read(NewReader(&stepReader{in: in, step: int(step)%7 + 1}, 1<<20))
		if !equal(whole, parts) || !errors.Is(partsEnd, end) {
			t.Fatalf("whole %q %v, in steps %q %v", whole, end, parts, partsEnd)
		}
	})
}

type stepReader struct {
	in   []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(s.step, len(s.in))])
	s.in = s.in[n:]
	return n, nil
}

func BenchmarkReader(b *testing.B) {
	stream := bytes.Repeat([]byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n"), 1000)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := NewReader(bytes.NewReader(stream), 1<<20)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
