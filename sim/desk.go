package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// desk keeps the batches and their files. Safe for concurrent use.
type desk struct {
	shelf
	s *Sim

	limits limits

	mu    sync.Mutex // guards what follows; may be wanted while a job's is held, never the other way round
	n     uint64
	jobs  map[string]*job
	files map[string]*fileRecord
}

// limits are the vendors'.
type limits struct {
	requests, lines, inputs int
	create, file, batchFile int64
}

var vendorLimits = limits{
	requests: 100_000, lines: 50_000, inputs: 50_000,
	create: 256 << 20, file: 512 << 20, batchFile: 200 << 20,
}

// newDesk takes up what a directory has from before.
func newDesk(s *Sim) (*desk, error) {
	sh, err := newShelf(s.cfg.BatchDir)
	if err != nil {
		return nil, err
	}
	d := &desk{shelf: sh, s: s, limits: vendorLimits, jobs: make(map[string]*job), files: make(map[string]*fileRecord)}
	names, err := d.names()
	if err != nil {
		return nil, fmt.Errorf("batch_dir: %w", err)
	}
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, record); ok {
			if err := d.load(id); err != nil {
				return nil, fmt.Errorf("batch_dir: %s: %w", name, err)
			}
		}
	}
	return d, d.sweep(names)
}

// sweep drops what came without its record: the process died before.
func (d *desk) sweep(names []string) error {
	for _, name := range names {
		id, _, _ := strings.Cut(name, ".")
		if d.jobs[id] != nil || d.files[id] != nil {
			continue
		}
		if err := d.drop(name); err != nil {
			return fmt.Errorf("batch_dir: %w", err)
		}
	}
	return nil
}

// load takes up one record.
func (d *desk) load(id string) error {
	v, err := d.open(id + record)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	dec := json.NewDecoder(io.NewSectionReader(v, 0, v.Size()))
	if strings.HasPrefix(id, filePrefix) {
		f := &fileRecord{}
		err = dec.Decode(f)
		d.files[id], d.n = f, max(d.n, f.N)
		return err
	}
	j := &job{}
	if err := dec.Decode(&j.rec); err != nil {
		return err
	}
	d.jobs[id], d.n = j, max(d.n, j.rec.N)
	return d.recall(j)
}

// next numbers the batches and files. The time goes into the ids too: a simulator that forgot all must not give an id a
// second time.
func (d *desk) next() (uint64, digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	return d.n, digestOf(d.s.cfg.Seed+strconv.FormatUint(d.n, 10), strconv.AppendInt(nil, d.s.cfg.Now().UnixNano(), 10))
}

// enter opens a batch: it is saved before anyone hears of it.
func (d *desk) enter(r jobRecord) (*job, error) {
	if err := d.put(r.ID+record, encode(r)); err != nil {
		return nil, err
	}
	j := &job{rec: r}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs[r.ID] = j
	return j, nil
}

// job finds a batch of that key's at that vendor.
func (d *desk) job(v vendor, owner, id string) *job {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	if j == nil || j.rec.Owner != owner || j.rec.vendor() != v {
		return nil
	}
	return j
}

// mine are a key's batches at a vendor, the newest first.
func (d *desk) mine(v vendor, owner string) []*job {
	return slices.DeleteFunc(d.all(), func(j *job) bool { return j.rec.Owner != owner || j.rec.vendor() != v })
}

// all are the batches, the newest first.
func (d *desk) all() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*job, 0, len(d.jobs))
	for _, j := range d.jobs {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *job) int { return cmp.Compare(b.rec.N, a.rec.N) })
	return list
}

// cancel asks a batch to stop; one that is stopping already goes on stopping. False says that it has ended. The caller
// holds j.mu.
func (d *desk) cancel(j *job) (bool, error) {
	now := d.s.cfg.Now()
	m := j.rec.at(now)
	if m.phase.ended() {
		return false, nil
	}
	if m.phase == canceling {
		return true, nil
	}
	r := j.rec
	r.Canceled = now
	return true, d.update(j, r)
}

// update saves a batch anew. The caller holds j.mu.
func (d *desk) update(j *job, r jobRecord) error {
	if err := d.put(r.ID+record, encode(r)); err != nil {
		return err
	}
	j.rec.Canceled, j.rec.Deleted = r.Canceled, r.Deleted // nothing else changes, and the rest is read without the lock
	return nil
}

// owner stands for a key, which is never kept.
func (x *exchange) owner() string {
	key, _ := x.key(x.r.Header)
	return digestOf("owner", []byte(key)).hex(32)
}
