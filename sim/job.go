package sim

import (
	"encoding/json"
	"sync"
	"time"
)

// The vendors' times.
const (
	jobWindow  = 24 * time.Hour      // a batch expires
	jobKept    = 29 * 24 * time.Hour // Anthropic keeps the results
	fileKept   = 30 * 24 * time.Hour // OpenAI keeps a batch's files
	answersLog = ".answers.jsonl"
	linesLog   = ".lines.jsonl"
	record     = ".json"
)

// jobRecord is what is saved of a batch.
type jobRecord struct {
	N        uint64 // which one it is, from 1
	ID       string
	Owner    string // digest of the key that made it
	Endpoint string
	Version  string // Anthropic's version header
	Lines    string // where the lines are
	File     string // OpenAI's input file
	Total    int
	Model    string
	Metadata json.RawMessage
	Keep     int64 // seconds that the output files are kept; 0 is the vendor's usual
	Errors   []lineError
	Created  time.Time
	Canceled time.Time // when it was asked to stop; zero if it wasn't
	Deleted  bool
	Words    jobWords
}

// lineError is one thing that is wrong with an input file.
type lineError struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

// phase is where a batch is in its life.
type phase int

const (
	validating phase = iota
	running
	finalizing
	canceling
	failed // this and what follows is the end
	completed
	expired
	canceled
)

// phases are OpenAI's names for them.
var phases = [...]string{
	validating: "validating", running: "in_progress", finalizing: "finalizing", canceling: "cancelling",
	failed: "failed", completed: "completed", expired: "expired", canceled: "cancelled",
}

// String is OpenAI's name.
func (p phase) String() string { return phases[p] }

// ended tells whether nothing more is going to happen.
func (p phase) ended() bool { return p >= failed }

// moment is a batch at some time. Times that haven't come yet are zero.
type moment struct {
	phase                     phase
	due                       int // lines that are answered by now
	started, finalized, ended time.Time
}

// at is where the batch is at that time. A batch is a matter of the clock alone: nothing runs behind it, it goes on while
// the simulator is down, and it is the same again afterwards.
func (r *jobRecord) at(now time.Time) moment {
	m, ends := r.course()
	if !r.Canceled.IsZero() {
		return r.stopping(m, now)
	}
	if now.Before(m.started) {
		return moment{phase: validating}
	}
	if len(r.Errors) > 0 {
		return moment{phase: failed, ended: m.started}
	}
	m.due = r.due(m.started, now)
	switch {
	case !now.Before(m.ended):
		m.phase, m.due = ends, r.due(m.started, m.ended)
	case !now.Before(m.finalized):
		m.phase, m.ended = finalizing, time.Time{}
	default:
		m.phase, m.ended, m.finalized = running, time.Time{}, time.Time{}
	}
	if m.phase == expired {
		m.finalized = time.Time{}
	}
	return m
}

// course is how the batch goes if nobody stops it: when it starts, finalizes and ends, and how.
func (r *jobRecord) course() (m moment, ends phase) {
	half := r.Words.Delay / 2
	m.started = r.Created.Add(half)
	m.finalized = m.started.Add(time.Duration(r.most()) * r.Words.Line)
	m.ended, ends = m.finalized.Add(half), completed
	if r.most() < r.Total {
		m.finalized, ends = m.ended, expired
	}
	if limit := r.Created.Add(jobWindow); m.ended.After(limit) {
		m.finalized, m.ended, ends = limit, limit, expired
	}
	return m, ends
}

// most is how many lines the script lets through.
func (r *jobRecord) most() int {
	if r.Words.Expire >= 0 {
		return min(r.Words.Expire, r.Total)
	}
	return r.Total
}

// due is how many lines are answered at that time.
func (r *jobRecord) due(started, now time.Time) int {
	spent := now.Sub(started)
	if spent < 0 {
		return 0
	}
	if r.Words.Line == 0 {
		return r.most()
	}
	return min(r.most(), int(spent/r.Words.Line))
}

// answeredAt is when the i-th line is answered.
func (r *jobRecord) answeredAt(i int) time.Time {
	return r.Created.Add(r.Words.Delay/2 + time.Duration(i+1)*r.Words.Line)
}

// stopping is a batch that was asked to stop. What was answered by then stays.
func (r *jobRecord) stopping(m moment, now time.Time) moment {
	out := moment{phase: canceling, due: r.due(m.started, r.Canceled)}
	if !r.Canceled.Before(m.started) {
		out.started = m.started
	}
	if end := r.Canceled.Add(r.Words.Cancel); !now.Before(end) {
		out.phase, out.ended = canceled, end
	}
	return out
}

// expires is when the batch ends whatever is left: as promised, or as the script has it.
func (r *jobRecord) expires() time.Time {
	if m, ends := r.course(); ends == expired {
		return m.ended
	}
	return r.Created.Add(jobWindow)
}

// vendor is whose batch it is.
func (r *jobRecord) vendor() vendor {
	if r.Endpoint == "/v1/messages" {
		return anthropic
	}
	return openAI
}

// outcome is what became of a line, and where it stands in the answers' log.
type outcome struct {
	CustomID string `json:"custom_id"`
	// Body is the SHA-256 of the line's body, in hex.
	Body   string `json:"body"`
	Status int    `json:"status"`
	Input  int    `json:"input_tokens"`
	Output int    `json:"output_tokens"`

	read, thought int
	off           int64
	size, result  int // of the record and of the line that a client gets
}

// ok tells whether the line succeeded.
func (o *outcome) ok() bool { return o.Status < 400 }

// job is a batch.
type job struct {
	mu  sync.Mutex // guards all of it
	rec jobRecord

	answered []outcome
	logged   int64    // length of the answers' log
	lines    []lineAt // the input's index, nil until it is needed
	polls    int
	fetched  [2]int // downloads of the results, and of OpenAI's error file
}

// lineAt is where a line of the input is.
type lineAt struct {
	id   string
	off  int64
	size int
}
