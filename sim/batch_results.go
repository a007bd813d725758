package sim

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// look settles a batch and makes the files of one that has ended.
func (d *desk) look(j *job) (moment, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return d.looked(j)
}

// looked is look for who holds j.mu.
func (d *desk) looked(j *job) (moment, error) {
	m, err := d.settle(j)
	if err == nil && m.phase.ended() && j.rec.vendor() == openAI {
		err = d.outputs(j, m)
	}
	return m, err
}

// harvest is what a batch has brought, for a download: it doesn't change any more.
type harvest struct {
	rec      jobRecord
	moment   moment
	answered []outcome
	lines    []lineAt
	which    []int // the lines, in the order of delivery
}

// harvest picks the lines that a download has. The caller holds j.mu.
func (d *desk) harvest(j *job, m moment, wanted func(i int) bool) (*harvest, error) {
	if err := d.index(j); err != nil {
		return nil, err
	}
	h := &harvest{rec: j.rec, moment: m, answered: j.answered, lines: j.lines}
	for _, i := range shuffled(j.rec.ID, j.rec.Total) {
		if wanted(i) {
			h.which = append(h.which, i)
		}
	}
	return h, nil
}

// spoil leaves results out and doubles others, as the script says.
func (h *harvest) spoil() {
	w := h.rec.Words
	double := slices.Clone(h.which[max(0, len(h.which)-w.Double):])
	h.which = append(h.which[min(w.Missing, len(h.which)):], double...)
}

// size is how many bytes the download has.
func (h *harvest) size() (n int) {
	for _, i := range h.which {
		if i < len(h.answered) {
			n += h.answered[i].result + 1
		} else {
			n += len(h.unanswered(i)) + 1
		}
	}
	return n
}

// unanswered is the result of a line that the batch's end came before.
func (h *harvest) unanswered(i int) []byte {
	if h.rec.vendor() == anthropic {
		return anthropicUnanswered(h.lines[i].id, h.moment.phase)
	}
	return openAIUnanswered(h.rec.ID, i, h.lines[i].id, h.moment.phase)
}

// shuffled is an order of n lines that has nothing to do with theirs, always the same for a batch.
func shuffled(id string, n int) []int {
	order := rand.New(rand.NewPCG(digestOf("order", []byte(id)).number(), 0)).Perm(n) //nolint:gosec // no secret
	if slices.IsSorted(order) {
		slices.Reverse(order) // no vendor promises the order, so nobody is to get used to it
	}
	return order
}

// deliverChunk is how much of a download is written at once.
const deliverChunk = 1 << 15

// download is one that is to be sent.
type download struct {
	h *harvest
	// fetched is how often it was sent before.
	fetched int
	sort    string
}

// send streams the lines, to the end or to where the script has it break.
func (x *exchange) send(g download) error {
	w := g.h.rec.Words
	switch {
	case g.fetched < w.Cut:
		x.plan.cutBytes = g.h.size() / 2
	case g.fetched < w.Cut+w.Reset:
		x.plan.resetBytes = g.h.size() / 2
	}
	v, err := x.s.desk.open(g.h.rec.ID + answersLog)
	if err == nil {
		defer func() { _ = v.Close() }()
	}
	x.w.Header().Set("Content-Type", g.sort)
	if err := x.out.start(http.StatusOK); err != nil {
		return err
	}
	var b []byte
	for _, i := range g.h.which {
		line := []byte(nil)
		if i >= len(g.h.answered) {
			line = g.h.unanswered(i)
		} else if line, err = g.h.answered[i].resultOf(v); err != nil {
			return errReset
		}
		b = append(append(b, line...), '\n')
		if len(b) >= deliverChunk || !x.plan.whole() {
			if err := x.out.raw(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	if len(b) == 0 {
		return nil
	}
	return x.out.raw(b)
}

// late tells whether the results of a batch are still on their way.
func (r *jobRecord) late(m moment, now time.Time) bool { return now.Before(m.ended.Add(r.Words.Late)) }
