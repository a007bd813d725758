package lines_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/lines"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	openAI    = batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES
	anthropic = batchv1.FileFormat_FILE_FORMAT_ANTHROPIC_REQUESTS
)

// all reads a file and checks that each body is where it is said to be.
func all(t *testing.T, format batchv1.FileFormat, text string, maxLine int) (list []string, err error) {
	t.Helper()
	r, err := lines.New(iotest.OneByteReader(strings.NewReader(text)), format, maxLine)
	if err != nil {
		t.Fatal(err)
	}
	for {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if l.Problem != nil {
			list = append(list, fmt.Sprint(l.Problem.Line, l.Problem.Code))
			continue
		}
		if l.Body != nil && text[l.At:l.At+int64(len(l.Body))] != string(l.Body) {
			t.Errorf("the body isn't at %d: %s", l.At, l.Body)
		}
		list = append(list, fmt.Sprint(l.Number, l.CustomID, string(l.Body)))
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text, want string
		format           batchv1.FileFormat
	}{
		{"line breaks of all kinds", "\xef\xbb\xbf{\"custom_id\":\"a\",\"body\": {} }\r\n\r\n {\"body\":[1],\"custom_id\":\"b\"}", "[1a{} 3b[1]]", openAI},
		{"a bad line between", "{}\nx\n{}\n", "[1 2invalid_json_line 3]", openAI},
		{"two objects on a line", "{}{}\n", "[1invalid_json_line]", openAI},
		{"escapes in names", `{"custom\u005fid":"\u0061\n","b\u006fdy":{"x":"\""}}`, "[1a\n" + `{"x":"\""}]`, openAI},
		{"a long line between", "{}\n" + strings.Repeat("x", 200) + "\n{}", "[1 2line_too_long 3]", openAI},
		{"as long as may be", strings.Repeat(" ", 98) + "{}\n", "[1]", openAI},
		{"space everywhere", " { \"requests\" : [ { \"custom_id\" : \"a\" , \"params\" : { } } , {} ] } ", "[1a{ } 2]", anthropic},
		{"a nested list of the same name", `{"x":{"requests":[1]},"requests":[{"params":{"requests":[2]}}]}`, `[1{"requests":[2]}]`, anthropic},
		{"no objects", `{"requests":[1,"x",null,[]]}`, "[1invalid_json_line 2invalid_json_line 3invalid_json_line 4invalid_json_line]", anthropic},
		{"a long one between", `{"requests":[{},{"x":"` + strings.Repeat("x", 200) + `"},{}]}`, "[1 2line_too_long 3]", anthropic},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got, err := all(t, test.format, test.text, 100); err != nil || fmt.Sprint(got) != test.want {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	text := lines.AppendInline(nil, "a", `{"x":"`+strings.Repeat("x", 300)+`"}`)
	text = lines.AppendInline(lines.AppendInline(text, strings.Repeat("b", 200), "{}"), "c", "{")
	got, err := all(t, store.FormatInline, string(text), 310)
	if err != nil || len(got) != 3 || got[1] != "2"+strings.Repeat("b", 200)+"{}" || got[2] != "3invalid_json_line" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := all(t, store.FormatInline, string(text[:len(text)-1]), 310); err == nil {
		t.Error("a blob that is cut short is read")
	}
}

// FuzzReaders: no file makes a reader panic, go on for ever or lie about where a body is.
func FuzzReaders(f *testing.F) {
	f.Add(`{"custom_id":"a","body":{}}`+"\n{", true)
	f.Add(`{"requests":[{"custom_id":"a","params":{}},{}]}`, false)
	f.Add(`{"requests":[`, false)
	f.Fuzz(func(t *testing.T, text string, first bool) {
		format := anthropic
		if first {
			format = openAI
		}
		list, _ := all(t, format, text, 64)
		if len(list) > len(text) {
			t.Errorf("%d lines in %d bytes", len(list), len(text))
		}
	})
}
