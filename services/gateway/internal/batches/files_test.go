package batches

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
)

// field is one of a form: its name and value; the file's has a filename too.
type field struct{ name, value, filename string }

var theFile = field{"file", strings.Repeat("0123456789", 60_000), "in.jsonl"}

// formOf writes a form.
func formOf(t *testing.T, fields ...field) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		add := func() (io.Writer, error) { return w.CreateFormField(f.name) }
		if f.filename != "" {
			add = func() (io.Writer, error) { return w.CreateFormFile(f.name, f.filename) }
		}
		part, err := add()
		if err == nil {
			_, err = io.WriteString(part, f.value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestForm(t *testing.T) {
	t.Parallel()
	purpose := field{name: "purpose", value: "batch"}
	anchor, seconds := field{name: "expires_after[anchor]", value: "created_at"}, field{name: "expires_after[seconds]", value: "7200"}
	for _, test := range []struct {
		name    string
		fields  []field
		want    string
		seconds int64
	}{
		{"the purpose first", []field{purpose, theFile}, "in.jsonl", 0},
		{"the purpose last", []field{theFile, purpose}, "in.jsonl", 0},
		{"an expiry before", []field{anchor, seconds, purpose, theFile}, "in.jsonl", 7200},
		{"an expiry behind", []field{theFile, seconds, purpose, anchor}, "in.jsonl", 7200},
		{"around it", []field{seconds, theFile, anchor, purpose}, "in.jsonl", 7200},
		{"fields of others", []field{{name: "x", value: "y"}, purpose, theFile, {name: "z", value: "z"}}, "in.jsonl", 0},
		{"no name", []field{purpose, {name: "file", value: theFile.value}}, "batch.jsonl", 0},
		{"a path", []field{purpose, {"file", theFile.value, "../../etc/in.jsonl"}}, "in.jsonl", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &service{}
			contentType, body := formOf(t, test.fields...)
			status, got, err := send(t, http.MethodPost, serve(t, s, time.Minute).URL+"/v1/files", contentType, bytes.NewReader(body))
			var f file
			if err != nil || status != 200 || json.Unmarshal(got, &f) != nil || f.ID != "file-1" || f.Object != "file" || f.Purpose != "batch" || f.Bytes != 600_000 {
				t.Fatalf("%d %v: %s", status, err, got)
			}
			last := s.descriptions[len(s.descriptions)-1]
			if string(s.content) != theFile.value || last.GetFilename() != test.want || last.GetExpiresAfter().GetSeconds() != test.seconds ||
				last.GetFormat() != batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES {
				t.Errorf("%d bytes, %v", len(s.content), s.descriptions)
			}
		})
	}
}

// TestFormRefused: what is wrong is told by its field, and no file is made of what came.
func TestFormRefused(t *testing.T) {
	t.Parallel()
	purpose := field{name: "purpose", value: "batch"}
	contentType, complete := formOf(t, purpose, theFile)
	cut := func(leave int) func() (string, []byte) {
		return func() (string, []byte) { return contentType, complete[:leave] }
	}
	raw := func(contentType, body string) func() (string, []byte) {
		return func() (string, []byte) { return contentType, []byte(body) }
	}
	with := func(fields ...field) func() (string, []byte) {
		return func() (string, []byte) { return formOf(t, fields...) }
	}
	for _, test := range []struct {
		name   string
		body   func() (string, []byte)
		status int
		says   string
	}{
		{"no form", raw("application/json", `{"canary":1}`), 415, "multipart/form-data"},
		{"no boundary", raw("multipart/form-data", "canary"), 415, "multipart/form-data"},
		{"nothing", raw("multipart/form-data; boundary=x", ""), 400, ""},
		{"no form in it", raw("multipart/form-data; boundary=x", "canary"), 400, ""},
		{"no fields", with(), 400, `"param":"file"`},
		{"no file", with(purpose), 400, `"param":"file"`},
		{"no purpose", with(theFile), 400, `"param":"purpose"`},
		{"another purpose", with(field{name: "purpose", value: "canary"}, theFile), 400, `"param":"purpose"`},
		{"another purpose behind", with(theFile, field{name: "purpose", value: "canary"}), 400, `"param":"purpose"`},
		{"two files", with(purpose, theFile, theFile), 400, `"param":"file"`},
		{"a long field", with(field{name: "purpose", value: strings.Repeat("canary", 200)}, theFile), 400, `"param":"purpose"`},
		{"a long field behind", with(theFile, field{name: "x", value: strings.Repeat("canary", 200)}), 400, `"param":"x"`},
		{"another anchor", with(field{name: "expires_after[anchor]", value: "canary"}, theFile), 400, `"param":"expires_after[anchor]"`},
		{"a short time", with(theFile, purpose, field{name: "expires_after[seconds]", value: "3599"}), 400, `"param":"expires_after[seconds]"`},
		{"a long time", with(theFile, purpose, field{name: "expires_after[seconds]", value: "2592001"}), 400, `"param":"expires_after[seconds]"`},
		{"no time", with(theFile, purpose, field{name: "expires_after[seconds]", value: "canary"}), 400, `"param":"expires_after[seconds]"`},
		{"cut in a field", cut(bytes.Index(complete, []byte("batch")) + 2), 400, "complete"},
		{"cut in the file", cut(400_000), 400, "complete"},
		{"cut at the end", cut(len(complete) - 8), 400, "complete"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &service{}
			contentType, body := test.body()
			status, got, err := send(t, http.MethodPost, serve(t, s, time.Minute).URL+"/v1/files", contentType, bytes.NewReader(body))
			if err != nil || status != test.status || !bytes.Contains(got, []byte(test.says)) || bytes.Contains(got, []byte("canary")) {
				t.Errorf("%d %v: %s", status, err, got)
			}
			if s.whole {
				t.Error("a file was made")
			}
		})
	}
	s := &service{}
	status, got, _ := send(t, http.MethodPost, serve(t, s, time.Minute).URL+"/v1/files", "multipart/form-data; boundary=x", strings.NewReader("x"), "Content-Encoding", "gzip")
	if status != 415 || s.whole {
		t.Errorf("compressed: %d: %s", status, got)
	}
}

// startOnly sends the start of a request and no more, and returns the first line of the answer, which ends the connection.
func startOnly(t *testing.T, addr, path, contentType string, start []byte) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n%s", path, contentType, start)
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("the connection isn't closed: %v, %s", err, all)
	}
	line, _, _ := strings.Cut(string(all), "\r\n")
	return line
}

// TestSlowBody: a body that doesn't go on is given up, and one that is refused isn't waited for.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	contentType, good := formOf(t, field{name: "purpose", value: "batch"}, theFile)
	form := strings.Split(contentType, "boundary=")[1]
	bad := []byte("--" + form + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--" + form +
		"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx")
	for _, test := range []struct {
		name, path, contentType string
		start                   []byte
		want                    string
	}{
		{"a file", "/v1/files", contentType, good[:1000], " 408 "},
		{"before the file", "/v1/files", contentType, good[:20], " 408 "},
		{"requests", "/v1/messages/batches", "application/json", []byte(`{"requests":[`), " 408 "},
		{"a batch", "/v1/batches", "application/json", []byte(`{"endpoint":`), " 408 "},
		{"a refused form", "/v1/files", contentType, bad, " 400 "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &service{}
			progress := 100 * time.Millisecond
			if test.want == " 400 " {
				progress = time.Second
			}
			if got := startOnly(t, serve(t, s, progress).Listener.Addr().String(), test.path, test.contentType, test.start); !strings.Contains(got, test.want) || s.whole {
				t.Errorf("%q, a file: %v", got, s.whole)
			}
		})
	}
}

// TestClientLeaves: half an upload is none, in either dialect.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	contentType, form := formOf(t, field{name: "purpose", value: "batch"}, theFile)
	for path, start := range map[string][]byte{"/v1/files": form[:500_000], "/v1/messages/batches": []byte(`{"requests":[]}`)} {
		s := &service{}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", serve(t, s, time.Minute).Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 600000\r\n\r\n%s", path, contentType, start)
		_ = conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil || s.whole || s.created != nil || bytes.Contains(got, []byte(" 200 ")) {
			t.Errorf("%s: a file: %v, %v: %s", path, s.whole, err, got)
		}
	}
}

// TestFilesByPurpose: pages hold the files of the purpose that was asked for, wherever they stand in the service's pages.
func TestFilesByPurpose(t *testing.T) {
	t.Parallel()
	s := &service{}
	for i := range 11 {
		f := &batchv1.File{Id: fmt.Sprintf("file-%d", i), Format: batchv1.FileFormat_FILE_FORMAT_OPENAI_LINES}
		if i == 4 || i == 5 || i == 9 {
			f.Format = batchv1.FileFormat_FILE_FORMAT_RESULTS
		}
		s.files = append(s.files, f)
	}
	server := serve(t, s, time.Minute)
	for _, test := range []struct{ query, want string }{
		{"", "0 1 2 3 4 5 6 7 8 9 10 false"},
		{"?limit=4", "0 1 2 3 true"},
		{"?limit=4&after=file-6", "7 8 9 10 false"},
		{"?purpose=batch_output", "4 5 9 false"},
		{"?purpose=batch_output&limit=2", "4 5 true"},
		{"?purpose=batch_output&limit=2&after=file-5", "9 false"},
		{"?purpose=batch&limit=3&after=file-3", "6 7 8 true"},
		{"?purpose=assistants", "false"},
	} {
		status, got, err := send(t, http.MethodGet, server.URL+"/v1/files"+test.query, "", nil)
		var p page[file]
		if err != nil || status != 200 || json.Unmarshal(got, &p) != nil {
			t.Fatalf("%s: %d %v: %s", test.query, status, err, got)
		}
		var ids []string
		for _, f := range p.Data {
			ids = append(ids, strings.TrimPrefix(f.ID, "file-"))
		}
		if list := strings.Join(append(ids, fmt.Sprint(p.HasMore)), " "); list != test.want {
			t.Errorf("%s: %s, want %s", test.query, list, test.want)
		}
	}
}
