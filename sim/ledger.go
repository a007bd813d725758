package sim

import (
	"slices"
	"time"
)

// Ledger is what the simulator did in batches so far, with BatchDir what it did before it was started anew, too.
type Ledger struct {
	// Batches are all that were made, deleted ones too, the oldest first.
	Batches []BatchBook `json:"batches"`
	// Lines is how many lines the batches have, Answered how many of them were answered, Failed how many of those with an
	// error.
	Lines    int `json:"lines"`
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// InputTokens and OutputTokens were served at the price of a batch.
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	// Asked is how often each custom id was answered, in all batches together; Bodies the same by the SHA-256 of the
	// line's body, in hex.
	Asked  map[string]int `json:"asked"`
	Bodies map[string]int `json:"bodies"`
}

// BatchBook is the ledger of one batch.
type BatchBook struct {
	// ID is the batch's.
	ID string `json:"id"`
	// Vendor is openai or anthropic, Endpoint where the lines go.
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`
	// Status is OpenAI's word for it, at either vendor.
	Status string `json:"status"`
	// Created is when it was made.
	Created time.Time `json:"created"`
	// Deleted tells whether the client has deleted it.
	Deleted bool `json:"deleted"`
	// Lines, Answered and Failed are as in Ledger.
	Lines    int `json:"lines"`
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// InputTokens and OutputTokens are as in Ledger.
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	// Polls is how often its state was asked for, Downloads how often its results were; both since the start.
	Polls     int `json:"polls"`
	Downloads int `json:"downloads"`
	// Answers are the lines that were answered, in the order of the input.
	Answers []LineBook `json:"answers"`
}

// LineBook is one answered line.
type LineBook struct {
	// CustomID is the client's name for it.
	CustomID string `json:"custom_id"`
	// Body is the SHA-256 of the line's body, in hex.
	Body string `json:"body"`
	// Status is what the live request would have got.
	Status int `json:"status"`
	// InputTokens and OutputTokens are 0 where Status is an error.
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
}

// Ledger adds the batches up, as they are now.
func (s *Sim) Ledger() (Ledger, error) {
	l := Ledger{Batches: []BatchBook{}, Asked: make(map[string]int), Bodies: make(map[string]int)}
	jobs := s.desk.all()
	slices.Reverse(jobs)
	for _, j := range jobs {
		b, err := s.desk.book(j)
		if err != nil {
			return l, err
		}
		l.add(b)
	}
	return l, nil
}

func (l *Ledger) add(b BatchBook) {
	l.Batches = append(l.Batches, b)
	l.Lines, l.Answered, l.Failed = l.Lines+b.Lines, l.Answered+b.Answered, l.Failed+b.Failed
	l.InputTokens, l.OutputTokens = l.InputTokens+b.InputTokens, l.OutputTokens+b.OutputTokens
	for _, a := range b.Answers {
		l.Asked[a.CustomID]++
		l.Bodies[a.Body]++
	}
}

// book is one batch's ledger.
func (d *desk) book(j *job) (BatchBook, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	m, err := d.looked(j)
	r := &j.rec
	b := BatchBook{
		ID: r.ID, Vendor: r.vendor().String(), Endpoint: r.Endpoint, Status: m.phase.String(), Created: r.Created, Deleted: r.Deleted,
		Lines: r.Total, Answered: len(j.answered), Polls: j.polls, Downloads: j.fetched[0] + j.fetched[1],
		Answers: make([]LineBook, len(j.answered)),
	}
	for i := range j.answered {
		a := &j.answered[i]
		b.Answers[i] = LineBook{a.CustomID, a.Body, a.Status, a.Input, a.Output}
		b.InputTokens, b.OutputTokens = b.InputTokens+a.Input, b.OutputTokens+a.Output
		if !a.ok() {
			b.Failed++
		}
	}
	return b, err
}

// total is how many batches there are, and how many of their lines were answered by the last time that anyone looked.
func (d *desk) total() (batches, lines int) {
	for _, j := range d.all() {
		j.mu.Lock()
		batches, lines = batches+1, lines+len(j.answered)
		j.mu.Unlock()
	}
	return batches, lines
}
