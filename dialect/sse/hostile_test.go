package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReaderIsLinear: streams made to be searched or copied again and again take minutes where reading isn't linear.
func TestReaderIsLinear(t *testing.T) {
	t.Parallel()
	const n = 1 << 20
	for name, in := range map[string]string{
		"data lines": strings.Repeat("data:x\n", n) + "\n",
		"lone CRs":   strings.Repeat(":\r", n) + "\r",
		"blanks":     strings.Repeat("\r", n),
		"one line":   "data:" + strings.Repeat("x", 8*n) + "\n\n",
	} {
		start := time.Now()
		_, raw, err := read(NewReader(strings.NewReader(in), 16<<20))
		if !errors.Is(err, io.EOF) || string(raw) != in {
			t.Errorf("%s: %d of %d bytes, %v", name, len(raw), len(in), err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(in))
		}
	}
}

func TestReaderBoundsWholeFrames(t *testing.T) {
	t.Parallel()
	in := "data: x\n\ndata: " + strings.Repeat("x", 200) + "\n\n"
	r := NewReader(strings.NewReader(in), 100)
	if f, err := r.Next(); err != nil || string(f.Data) != "x" {
		t.Fatalf("the small one: %q, %v", f.Data, err)
	}
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, ErrFrameTooLarge) {
			t.Errorf("the large one: %v", err)
		}
	}
}

// TestReaderKeepsLateLF: a \r\n\r that ends a frame at once leaves its \n to the next, or to the end.
func TestReaderKeepsLateLF(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"data: x\r\n\r\n", "data: x\r\n\r\ndata: y\r\n\r\n"} {
		events, raw, err := read(NewReader(&stepReader{in: []byte(in), step: 1}, 100))
		if !errors.Is(err, io.EOF) || string(raw) != in || len(events) != strings.Count(in, "data") {
			t.Errorf("%q: %q, %q, %v", in, events, raw, err)
		}
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestReaderGivesUpOnSilentSource(t *testing.T) {
	t.Parallel()
	if _, err := NewReader(silent{}, 100).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	pr, pw := io.Pipe()
	go func() {
		_, _ = pw.Write([]byte("data: x\n\ndata"))
		pw.CloseWithError(broken)
	}()
	events, _, err := read(NewReader(pr, 100))
	if len(events) != 1 || !errors.Is(err, broken) {
		t.Errorf("%q, %v", events, err)
	}
}

func TestReaderResetAndClose(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader("data: x\n\nda"), 100)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Reset(strings.NewReader("\xef\xbb\xbfdata: y\n\n"))
	f, err := r.Next()
	if err != nil || string(f.Data) != "y" {
		t.Fatalf("after Reset: %q, %v", f.Data, err)
	}
	r.Close()
	if _, err := r.Next(); !errors.Is(err, io.ErrClosedPipe) || string(f.Data) != "y" {
		t.Errorf("after Close: %v, frame %q", err, f.Data)
	}
}

func TestFrameKinds(t *testing.T) {
	t.Parallel()
	for in, comment := range map[string]bool{
		": ping\n\n": true, "\n": true, "id: 7\n\n": true, "retry: 10\n\n": true, "data\n\n": false, "event: x\n\n": false, "dat\xe1: x\n\n": false,
	} {
		f, err := NewReader(strings.NewReader(in), 100).Next()
		if err != nil || f.Comment != comment {
			t.Errorf("%q: comment is %v, %v", in, f.Comment, err)
		}
	}
	f, err := NewReader(strings.NewReader("data\n\n"), 100).Next()
	if err != nil || f.Data == nil {
		t.Errorf("an empty data line is data: %v, %v", f.Data, err)
	}
}

// FuzzRaw: where a stream ends cleanly its frames, joined, are the stream, however it is split.
func FuzzRaw(f *testing.F) {
	for _, s := range []string{"data: x\r\n\r\n", "\r\n\r", ":c\r\rdata: y\n\r\n\n", "\xef\xbb\xbf\n\n"} {
		f.Add([]byte(s), uint8(0))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		_, raw, err := read(NewReader(&stepReader{in: in, step: int(step)%9 + 1}, 1<<20))
		if errors.Is(err, io.EOF) && !bytes.Equal(raw, in) || !bytes.HasPrefix(in, raw) {
			t.Fatalf("frames hold %q of %q, %v", raw, in, err)
		}
	})
}

// FuzzAppend: what is written comes back, but for the spelling of line breaks.
func FuzzAppend(f *testing.F) {
	f.Add("message", []byte("{\"a\":\n1}\r\n"))
	f.Add("", []byte("\r\r\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if strings.ContainsAny(name, "\r\n") || strings.HasPrefix(name, " ") {
			return
		}
		got, err := NewReader(bytes.NewReader(Append(nil, name, data)), 1<<20).Next()
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		if err != nil || string(got.Event) != name || string(got.Data) != want {
			t.Fatalf("%q %q came back as %q %q, %v", name, data, got.Event, got.Data, err)
		}
	})
}

func TestReaderDoesNotAllocate(t *testing.T) {
	stream := bytes.Repeat([]byte("event: a\ndata: {\"x\":1}\n\n"), 100)
	r, src := NewReader(nil, 1<<20), bytes.NewReader(stream)
	n := testing.AllocsPerRun(50, func() {
		src.Reset(stream)
		r.Reset(src)
		for {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for 100 frames", n)
	}
}
