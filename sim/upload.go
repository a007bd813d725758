package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// uploadChunk is how much of an upload is held before it goes to the shelf.
const uploadChunk = 1 << 20

// upload is a file on its way in, and the form around it.
type upload struct {
	file    fileRecord
	arrived bool
	form    map[string]string
}

// uploadFile serves POST /v1/files. The body is read here and not before: it goes to the shelf in pieces.
func (x *exchange) uploadFile() error {
	d := x.s.desk
	u := &upload{form: make(map[string]string)}
	u.file.Owner, u.file.Created = x.owner(), x.at
	n, id := d.next()
	u.file.N, u.file.ID = n, id.id(filePrefix, 22)
	u.file.Data = u.file.ID + ".data"
	p := x.receive(u)
	if p == nil {
		p = u.check(d.limits)
	}
	if p == nil {
		p = x.uploadTrouble(u)
	}
	if p != nil {
		_ = d.drop(u.file.Data)
		return x.fail(*p)
	}
	if err := d.keep(u.file); err != nil {
		return x.failed(err)
	}
	return x.json(http.StatusOK, encode(u.file.object()))
}

// receive reads the form, whose parts come in any order.
func (x *exchange) receive(u *upload) *problem {
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, x.s.desk.limits.file+1<<16)
	form, err := x.r.MultipartReader()
	if err != nil {
		return &problem{status: http.StatusBadRequest, kind: invalidRequest, message: "Could not parse multipart form"}
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unread(err)
		}
		if part.FormName() == "file" {
			u.file.Name, u.arrived = part.FileName(), true
			u.file.Bytes, err = x.s.desk.spool(u.file.Data, part)
		} else {
			var v []byte
			v, err = io.ReadAll(io.LimitReader(part, 1<<10))
			u.form[part.FormName()] = string(v)
		}
		if err != nil {
			return unread(err)
		}
	}
}

func unread(err error) *problem {
	if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
		return &problem{status: http.StatusRequestEntityTooLarge}
	}
	return &problem{status: http.StatusBadRequest, kind: invalidRequest, message: "The request body could not be read."}
}

// spool moves a part to the shelf.
func (d *desk) spool(name string, part *multipart.Part) (int64, error) {
	if err := d.put(name, nil); err != nil {
		return 0, err
	}
	var size int64
	buf := make([]byte, uploadChunk)
	for {
		n, err := io.ReadFull(part, buf)
		if n > 0 {
			if err := d.add(name, buf[:n]); err != nil {
				return 0, err
			}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil // if it was the connection that ended, there is no next part either
		}
		if err != nil {
			return 0, err
		}
	}
}

var purposes = []string{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}

// check is what the vendor demands of the form.
func (u *upload) check(l limits) *problem {
	f := &u.file
	f.Purpose = u.form["purpose"]
	p := openAI.missing("file")
	switch {
	case !u.arrived:
		return &p
	case f.Purpose == "":
		p = openAI.missing("purpose")
		return &p
	case !slices.Contains(purposes, f.Purpose):
		p = openAI.notOneOf("purpose", f.Purpose, purposes)
		return &p
	case f.Bytes > l.file, f.Purpose == "batch" && f.Bytes > l.batchFile:
		return &problem{status: http.StatusRequestEntityTooLarge}
	}
	if f.Purpose == "batch" {
		f.Expires = f.Created.Add(fileKept)
	}
	seconds, bad := readKeep(u.form["expires_after[anchor]"], u.form["expires_after[seconds]"], "expires_after")
	if seconds > 0 {
		f.Expires = f.Created.Add(time.Duration(seconds) * time.Second)
	}
	return bad
}

// readKeep checks how long a file is to be kept; without any wish it is 0.
func readKeep(anchor, seconds, name string) (int64, *problem) {
	var p problem
	n, err := strconv.ParseInt(seconds, 10, 64)
	switch {
	case anchor == "" && seconds == "":
		return 0, nil
	case anchor == "" || seconds == "":
		p = openAI.missing(name + map[bool]string{true: ".anchor", false: ".seconds"}[anchor == ""])
	case anchor != "created_at":
		p = openAI.notOneOf(name+".anchor", anchor, []string{"created_at"})
	case err != nil:
		p = openAI.wrongType(name+".seconds", "an integer", "a string")
	case n < 3600 || n > 2_592_000:
		p = openAI.outOfRange(name+".seconds", "integer", float64(n), 3600, 2_592_000)
	default:
		return n, nil
	}
	return 0, &p
}

// uploadTrouble is what the script in a batch file's lines, or the configuration's, has against the upload.
func (x *exchange) uploadTrouble(u *upload) *problem {
	w := x.plan.job
	if u.file.Purpose != "batch" {
		return nil
	}
	v, err := x.s.desk.open(u.file.Data)
	if err != nil {
		return &problem{status: http.StatusInternalServerError}
	}
	defer func() { _ = v.Close() }()
	d := digest{}
	_ = eachLine(v, func(n int, _ int64, raw []byte) error {
		d = digestOf(string(d[:]), raw)
		if bytes.Contains(raw, []byte("batch_")) {
			var l batchLine
			var in object
			if json.Unmarshal(raw, &l) == nil && json.Unmarshal(l.Body, &in) == nil {
				w.overlay(in)
			}
		}
		return nil
	})
	return x.trouble("upload", d, w.Upload, w.RetryAfter)
}

// trouble is a failure that a script has in store for the first requests alike.
func (x *exchange) trouble(what string, alike digest, t trouble, retryAfter string) *problem {
	if t.Status == 0 || x.s.attempts.next(digestOf("batch "+what, alike[:])) >= t.Times {
		return nil
	}
	if retryAfter != "" {
		x.w.Header().Set("Retry-After", retryAfter)
	}
	return &problem{status: t.Status}
}
