package sim

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const filePrefix = "file-"

// fileRecord is what is saved of a file.
type fileRecord struct {
	N       uint64
	ID      string
	Owner   string
	Name    string
	Purpose string
	Bytes   int64
	Created time.Time
	Expires time.Time // zero: never
	Deleted bool
	Data    string // where its bytes are; empty for a batch's output
	Job     string // the batch whose output it is
	Errors  bool   // of the two, the error file
}

// there tells whether the file can still be had.
func (f *fileRecord) there(now time.Time) bool {
	return !f.Deleted && (f.Expires.IsZero() || now.Before(f.Expires))
}

// fileObject is a file on the wire.
type fileObject struct {
	Object        string  `json:"object"`
	ID            string  `json:"id"`
	Purpose       string  `json:"purpose"`
	Filename      string  `json:"filename"`
	Bytes         int64   `json:"bytes"`
	CreatedAt     int64   `json:"created_at"`
	ExpiresAt     *int64  `json:"expires_at"`
	Status        string  `json:"status"`
	StatusDetails *string `json:"status_details"`
}

func (f *fileRecord) object() fileObject {
	return fileObject{
		Object: "file", ID: f.ID, Purpose: f.Purpose, Filename: f.Name, Bytes: f.Bytes,
		CreatedAt: f.Created.Unix(), ExpiresAt: unix(f.Expires), Status: "processed",
	}
}

// unix is a time as OpenAI writes it; null when it hasn't come.
func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// keep saves a file and makes it known.
func (d *desk) keep(f fileRecord) error {
	if err := d.put(f.ID+record, encode(f)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[f.ID] = &f
	return nil
}

// file finds a file of that key's. What it returns is never changed.
func (d *desk) file(owner, id string) *fileRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[id]; f != nil && f.Owner == owner && f.there(d.s.cfg.Now()) {
		return f
	}
	return nil
}

// filesOf are a key's files, the newest first.
func (d *desk) filesOf(owner string) []*fileRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*fileRecord
	for _, f := range d.files {
		if f.Owner == owner && f.there(d.s.cfg.Now()) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *fileRecord) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.N, a.N), cmp.Compare(b.ID, a.ID))
	})
	return list
}

// remove deletes a file. Its bytes stay while the record of a batch points at them.
func (d *desk) remove(f *fileRecord) error {
	gone := *f
	gone.Deleted = true
	if err := d.keep(gone); err != nil {
		return err
	}
	for _, j := range d.all() {
		if j.rec.Lines == f.Data {
			return nil
		}
	}
	if f.Data == "" {
		return nil
	}
	return d.drop(f.Data)
}

// listFiles serves GET /v1/files.
func (x *exchange) listFiles() error {
	d := x.s.desk
	for _, j := range d.mine(openAI, x.owner()) { // their outputs are files as soon as they are there
		if _, err := d.look(j); err != nil {
			return x.failed(err)
		}
	}
	q := x.r.URL.Query()
	list := d.filesOf(x.owner())
	if p := q.Get("purpose"); p != "" {
		list = slices.DeleteFunc(list, func(f *fileRecord) bool { return f.Purpose != p })
	}
	switch order := q.Get("order"); order {
	case "", "desc":
	case "asc":
		slices.Reverse(list)
	default:
		return x.fail(x.v.notOneOf("order", order, []string{"asc", "desc"}))
	}
	limit, p := x.limit(10_000, 10_000)
	if p != nil {
		return x.fail(*p)
	}
	list, more := after(list, q.Get("after"), limit, func(f *fileRecord) string { return f.ID })
	objects, ids := make([]any, len(list)), make([]string, len(list))
	for i, f := range list {
		objects[i], ids[i] = f.object(), f.ID
	}
	return x.json(http.StatusOK, encode(newList(objects, ids, more)))
}

// limit is the query's, within bounds.
func (x *exchange) limit(most, usual int) (int, *problem) {
	said := x.r.URL.Query().Get("limit")
	if said == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		p := x.v.wrongType("limit", "an integer", "a string")
		return 0, &p
	}
	if n < 1 || n > most {
		p := x.v.outOfRange("limit", "integer", float64(n), 1, float64(most))
		return 0, &p
	}
	return n, nil
}

// after is the part of a list behind an id, and whether there is more behind that.
func after[T any](list []T, id string, limit int, of func(T) string) ([]T, bool) {
	if i := slices.IndexFunc(list, func(one T) bool { return of(one) == id }); i >= 0 {
		list = list[i+1:]
	}
	return list[:min(limit, len(list))], len(list) > limit
}

// openAIList is a page of OpenAI's.
type openAIList struct {
	Object  string  `json:"object"`
	Data    []any   `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

func newList(objects []any, ids []string, more bool) openAIList {
	l := openAIList{Object: "list", Data: objects, HasMore: more}
	if len(ids) > 0 {
		l.FirstID, l.LastID = &ids[0], &ids[len(ids)-1]
	}
	return l
}

// pathID is the id in a path: its n-th part, from 1.
func (x *exchange) pathID(n int) string {
	parts := strings.Split(strings.Trim(x.path, "/"), "/")
	if n > len(parts) {
		return ""
	}
	return parts[n-1]
}

// aFile finds the file that the path names.
func (x *exchange) aFile() (*fileRecord, *problem) {
	id := x.pathID(3)
	if f := x.s.desk.file(x.owner(), id); f != nil {
		return f, nil
	}
	return nil, noFile(id)
}

func noFile(id string) *problem {
	return &problem{status: http.StatusNotFound, kind: invalidRequest, param: "id", message: "No such File object: " + id}
}

// getFile serves GET /v1/files/{id}.
func (x *exchange) getFile() error {
	f, p := x.aFile()
	if p != nil {
		return x.fail(*p)
	}
	return x.json(http.StatusOK, encode(f.object()))
}

// deleteFile serves DELETE /v1/files/{id}.
func (x *exchange) deleteFile() error {
	f, p := x.aFile()
	if p != nil {
		return x.fail(*p)
	}
	if err := x.s.desk.remove(f); err != nil {
		return x.failed(err)
	}
	return x.json(http.StatusOK, encode(struct {
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
		ID      string `json:"id"`
	}{"file", true, f.ID}))
}

// failed is a 500 that says why, as a simulator may.
func (x *exchange) failed(err error) error {
	return x.fail(problem{status: http.StatusInternalServerError, message: "simulator: " + err.Error()})
}
