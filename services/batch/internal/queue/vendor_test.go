package queue_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	batchv1 "github.com/headgate-mesh/headgate/gen/batch/v1"
	"github.com/headgate-mesh/headgate/services/batch/internal/job"
	"github.com/headgate-mesh/headgate/services/batch/internal/queue"
	"github.com/headgate-mesh/headgate/services/batch/internal/store"
)

// vendor is a fake of the router and a provider with a batch API behind it. Its fields say how it behaves; those that are
// nil, well.
type vendor struct {
	t      *testing.T
	limits queue.Limits
	// takes is how long a job runs.
	takes time.Duration
	// prepare says what becomes of a line instead; nil lets it be.
	prepare func(line int64) *queue.Answer
	// submit fails before anything is taken, lose after.
	submit, lose func(j *store.Job) error
	// late is how long after the connection broke the first job is there.
	late time.Duration
	// find replaces what is found.
	find func(j *store.Job) (unclear bool, err error)
	// get replaces how a job stands, where it returns true.
	get func(u *upstream) (job.Standing, error, bool)
	// results cuts the results of a job after so many; -1 is all.
	results func(j *store.Job) int
	// cut is the error of results that are cut.
	cut error
	// outcome is a line's where it isn't an answer; skip leaves its result out.
	outcome func(line int64) batchv1.LineOutcome
	skip    func(line int64) bool
	// finish replaces what comes of finishing a line, where it returns true.
	finish func(line int64) (job.Finished, bool)
	// free reserves nothing; slow is how long it takes to prepare a line.
	free bool
	slow time.Duration
	// deaf ignores cancellation.
	deaf bool

	hooks     sync.Mutex
	mu        sync.Mutex
	upstreams []*upstream
	prepared  map[string]int
	billed    map[string]int
	booked    map[string]int
	cancels   int
	gets      int
	finding   int
	// reserved is what is reserved for lines, by the number that their contexts have; life counts processes that died.
	reserved []reservation
	life     int
}

// reservation is what is reserved for a line: in whose life, whether the store ever knew of it, and how often it was ended.
type reservation struct {
	line  string
	life  int
	kept  bool
	ended int
}

// upstream is a batch at the provider.
type upstream struct {
	id, job   string
	batch     string
	lines     []int64
	began     time.Time
	cancelled time.Time
	done      bool
}

func newVendor(limits queue.Limits) *vendor {
	return &vendor{
		limits: limits, takes: time.Minute,
		prepared: map[string]int{}, billed: map[string]int{}, booked: map[string]int{},
	}
}

func nameOf(b *store.Batch, line int64) string { return fmt.Sprintf("%s.%d", b.ID, line) }

func (v *vendor) Prepare(ctx context.Context, b *store.Batch, line int64, body []byte) (*queue.Prepared, queue.Answer) {
	v.mu.Lock()
	v.prepared[nameOf(b, line)]++
	v.mu.Unlock()
	if v.prepare != nil {
		if a := v.prepare(line); a != nil {
			return nil, *a
		}
	}
	after(ctx, max(v.slow, time.Millisecond))
	return &queue.Prepared{
		Group: store.Group{Provider: "vendor"}, Model: "m", Inputs: 1, Limits: v.limits,
		Context: v.reserve(nameOf(b, line), line), Body: append([]byte("prepared "), body...), Reserved: !v.free,
	}, queue.Answer{}
}

// reserve returns the context of a line, which names what is reserved for it.
func (v *vendor) reserve(name string, line int64) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reserved = append(v.reserved, reservation{line: name, life: v.life})
	if v.free {
		v.reserved[len(v.reserved)-1].ended = 1
	}
	return fmt.Appendf(nil, "context %d %d", line, len(v.reserved)-1)
}

// reservation is the one that a line's context names.
func (v *vendor) reservation(line int64, known []byte) *reservation {
	var own int64
	var n int
	if _, err := fmt.Sscanf(string(known), "context %d %d", &own, &n); err != nil || own != line {
		v.t.Errorf("line %d has the context %s", line, known)
	}
	return &v.reserved[n]
}

// kept notes that the store knows of what is reserved.
func (v *vendor) kept(line int64, known []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reservation(line, known).kept = true
}

// ended checks that all that was reserved for lines with results was ended, but for those that may have been charged, and
// those of a process that died before it could keep that there is something. It returns how many were, and weren't.
func (v *vendor) ended(b store.Batch, list []store.Result) (ended, forgotten int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	lost := map[string]bool{}
	for _, r := range list {
		lost[nameOf(&b, r.Line)] = r.Outcome == errored && r.HTTPStatus == 0
	}
	for _, r := range v.reserved {
		switch {
		case lost[r.line]:
			if r.ended > 0 {
				v.t.Errorf("what is reserved for %s was ended %d times, and it may have been charged", r.line, r.ended)
			}
		case r.ended > 0:
			ended++
		case r.life < v.life && !r.kept:
			forgotten++
		default:
			v.t.Errorf("what is reserved for %s, in life %d, isn't given back", r.line, r.life)
		}
	}
	return ended, forgotten
}

func (v *vendor) Submit(ctx context.Context, b *store.Batch, j *store.Job, bodies job.Bodies) (store.Reference, error) {
	if err := v.hooked(v.submit, j); err != nil {
		return store.Reference{}, err
	}
	u := &upstream{job: j.ID, batch: b.ID, began: time.Now()}
	for from := int64(0); ; {
		list, err := bodies(from)
		if err != nil {
			return store.Reference{}, err
		}
		if len(list) == 0 {
			break
		}
		for _, p := range list {
			if want := fmt.Sprintf(`prepared {"model":"m","n":%d}`, p.Line); string(p.Body) != want {
				v.t.Errorf("line %d: body %s", p.Line, p.Body)
			}
			u.lines = append(u.lines, p.Line)
			from = p.Line
		}
	}
	if int64(len(u.lines)) != j.Lines || j.Lines == 0 || j.First != slices.Min(u.lines) {
		v.t.Errorf("%+v has lines %v", j, u.lines)
	}
	if late := v.first(); late > 0 {
		go func() {
			after(context.Background(), late)
			v.take(u)
		}()
		return store.Reference{}, errors.New("the connection broke")
	}
	after(ctx, time.Millisecond)
	v.take(u)
	if err := v.hooked(v.lose, j); err != nil {
		return store.Reference{}, err
	}
	return store.Reference{Provider: "vendor", UpstreamID: u.id}, nil
}

// hooked calls a hook of a test, one call at a time.
func (v *vendor) hooked(f func(*store.Job) error, j *store.Job) error {
	if f == nil {
		return nil
	}
	v.hooks.Lock()
	defer v.hooks.Unlock()
	return f(j)
}

// first is how late the first job is.
func (v *vendor) first() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	late := v.late
	v.late = 0
	return late
}

func (v *vendor) take(u *upstream) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u.id = fmt.Sprint("up", len(v.upstreams))
	v.upstreams = append(v.upstreams, u)
}

func (v *vendor) Find(_ context.Context, _ *store.Batch, j *store.Job) (store.Reference, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.finding++
	if j.Tried.IsZero() {
		v.t.Error("a job is looked for that was never tried")
	}
	if v.find != nil {
		if unclear, err := v.find(j); unclear || err != nil {
			return store.Reference{}, unclear, err
		}
	}
	for _, u := range v.upstreams {
		if u.job == j.ID {
			return store.Reference{Provider: "vendor", UpstreamID: u.id}, false, nil
		}
	}
	return store.Reference{}, false, nil
}

func (v *vendor) at(r store.Reference) *upstream {
	i := slices.IndexFunc(v.upstreams, func(u *upstream) bool { return u.id == r.UpstreamID })
	if i < 0 {
		v.t.Errorf("no such job: %+v", r)
		return &upstream{}
	}
	return v.upstreams[i]
}

// Get tells how a job stands, and lets it end when it is time: each line is charged then, unless it was cancelled before.
func (v *vendor) Get(_ context.Context, r store.Reference) (job.Standing, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gets++
	u := v.at(r)
	if v.get != nil {
		if s, err, set := v.get(u); set {
			return s, err
		}
	}
	if u.done {
		return job.Ended, nil
	}
	over := !u.cancelled.IsZero() && !v.deaf
	if !over && time.Since(u.began) < v.takes {
		return job.Running, nil
	}
	u.done = true
	for _, line := range u.lines {
		if v.outcomeOf(u, line) == succeeded {
			v.billed[fmt.Sprintf("%s.%d", u.batch, line)]++
		}
	}
	return job.Ended, nil
}

const (
	succeeded = batchv1.LineOutcome_LINE_OUTCOME_SUCCEEDED
	errored   = batchv1.LineOutcome_LINE_OUTCOME_ERRORED
)

func (v *vendor) outcomeOf(u *upstream, line int64) batchv1.LineOutcome {
	switch {
	case v.outcome != nil && v.outcome(line) != 0:
		return v.outcome(line)
	case !u.cancelled.IsZero() && !v.deaf:
		return batchv1.LineOutcome_LINE_OUTCOME_CANCELLED
	}
	return succeeded
}

func (v *vendor) Cancel(_ context.Context, r store.Reference) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cancels++
	if u := v.at(r); !u.done && u.cancelled.IsZero() {
		u.cancelled = time.Now()
	}
	return nil
}

// Results gives the answers the last first.
func (v *vendor) Results(_ context.Context, j *store.Job) iter.Seq2[job.Answer, error] {
	return func(yield func(job.Answer, error) bool) {
		v.mu.Lock()
		u := v.at(j.Reference)
		if !u.done {
			v.t.Error("results of a job that hasn't ended")
		}
		var list []job.Answer
		for _, line := range slices.Backward(u.lines) {
			if v.skip == nil || !v.skip(line) {
				list = append(list, job.Answer{Line: line, Outcome: v.outcomeOf(u, line), HTTPStatus: 200, Body: fmt.Appendf(nil, `{"said":%d}`, line)})
			}
		}
		cut := -1
		if v.results != nil {
			cut = v.results(j)
		}
		v.mu.Unlock()
		for n, a := range list {
			if n == cut {
				yield(job.Answer{}, cmp.Or(v.cut, errors.New("cut")))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
		if cut == len(list) {
			yield(job.Answer{}, cmp.Or(v.cut, errors.New("cut")))
		}
	}
}

// Finish writes usage down, once for each line.
func (v *vendor) Finish(_ context.Context, b *store.Batch, _ *store.Job, p store.Parked, a job.Answer) job.Finished {
	v.mu.Lock()
	defer v.mu.Unlock()
	own := v.reservation(p.Line, p.Context)
	if v.finish != nil {
		if f, set := v.finish(p.Line); set {
			f.Result.Batch, f.Result.Line = p.Batch, p.Line
			return f
		}
	}
	own.ended++
	r := store.Result{Batch: p.Batch, Line: p.Line, Outcome: a.Outcome}
	if a.Outcome == succeeded {
		v.booked[nameOf(b, p.Line)] = 1
		r.HTTPStatus, r.Body, r.Usage = 200, a.Body, store.Usage{Input: 3, Output: 2}
	}
	return job.Finished{Result: r}
}

// count returns something of the vendor's.
func (v *vendor) count(of func() int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return of()
}

// sizes are how many lines each batch at the provider has.
func (v *vendor) sizes() (list []int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, u := range v.upstreams {
		list = append(list, len(u.lines))
	}
	return list
}

// handing runs a test whose queue hands lines to a vendor. What isn't is answered at once.
func handing(t *testing.T, v *vendor, test func(w *world), change ...func(*queue.Options)) {
	t.Helper()
	v.t = t // only to report
	bubble(t, func(context.Context, *store.Batch, int64) queue.Answer { return good() }, test,
		append([]func(*queue.Options){func(o *queue.Options) {
			o.Preparer, o.Providers, o.PollLeast, o.PollMost = v, v, 5*time.Second, 5*time.Minute
		}}, change...)...)
}

// handed checks that each of the lines has one result, in order, and that those with an answer were charged once, and are
// in the books, the others not at all, and that what was reserved is ended. It returns the results.
func handed(w *world, v *vendor, b store.Batch, lines int) []store.Result {
	w.t.Helper()
	list, err := w.store.Results(w.t.Context(), b.Number, 0, lines+1, 1<<30)
	if err != nil || len(list) != lines {
		w.t.Fatalf("%d results: %v", len(list), err)
	}
	v.ended(b, list)
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, r := range list {
		name := nameOf(&b, r.Line)
		charged := 0
		if r.Outcome == succeeded && v.prepared[name] > 0 && w.times(b, int(r.Line)) == 0 {
			charged = 1
			if want := fmt.Sprintf(`{"said":%d}`, r.Line); string(r.Body) != want {
				w.t.Errorf("line %d says %s", r.Line, r.Body)
			}
		}
		if r.Line != int64(i+1) || r.CustomID != fmt.Sprint("x", i+1) || v.billed[name] != charged || v.booked[name] != charged {
			w.t.Errorf("line %d (%s), outcome %v: charged %d times, booked %d times", r.Line, r.CustomID, r.Outcome, v.billed[name], v.booked[name])
		}
	}
	return list
}
