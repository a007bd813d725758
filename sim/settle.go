package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// answerRecord is one line of the answers' log.
type answerRecord struct {
	outcome
	Read    int             `json:"cached_tokens"`
	Thought int             `json:"reasoning_tokens"`
	Result  json.RawMessage `json:"result"` // the line that a client gets
}

// logChunk is how much is written to the log at once.
const logChunk = 1 << 18

// settle answers the lines that are due by now, and tells where the batch is then. The caller holds j.mu.
func (d *desk) settle(j *job) (moment, error) {
	m := j.rec.at(d.s.cfg.Now())
	if len(j.answered) >= m.due {
		return m, nil
	}
	if err := d.index(j); err != nil {
		return m, err
	}
	v, err := d.open(j.rec.Lines)
	if err != nil {
		return m, fmt.Errorf("lines of %s: %w", j.rec.ID, err)
	}
	defer func() { _ = v.Close() }()
	s := &shift{d: d, j: j, lines: v, fresh: j.answered}
	if err := s.work(m.due); err != nil {
		return m, fmt.Errorf("batch %s: %w", j.rec.ID, err)
	}
	return m, nil
}

// shift is a run of lines that are answered one after the other. An answer counts once it is in the log.
type shift struct {
	d     *desk
	j     *job
	lines volume
	fresh []outcome // those of the job, and what isn't in the log yet
	log   []byte
}

// work answers up to the given line.
func (s *shift) work(due int) error {
	for i := len(s.fresh); i < due; i++ {
		if err := s.line(i); err != nil {
			return fmt.Errorf("line %d: %w", i, err)
		}
		if len(s.log) >= logChunk {
			if err := s.write(); err != nil {
				return err
			}
		}
	}
	return s.write()
}

// line answers the i-th one.
func (s *shift) line(i int) error {
	at := s.j.lines[i]
	raw := make([]byte, at.size)
	if _, err := s.lines.ReadAt(raw, at.off); err != nil {
		return err
	}
	one := s.d.answer(&s.j.rec, i, raw)
	b := append(encode(one), '\n')
	one.placed(s.j.logged+int64(len(s.log)), len(b))
	s.log, s.fresh = append(s.log, b...), append(s.fresh, one.outcome)
	return nil
}

// placed notes where the record stands in the log.
func (a *answerRecord) placed(off int64, size int) {
	a.off, a.size, a.result = off, size, len(a.Result)
	a.read, a.thought = a.Read, a.Thought
}

// write moves the answers into the log.
func (s *shift) write() error {
	if err := s.d.add(s.j.rec.ID+answersLog, s.log); err != nil {
		return err
	}
	s.j.answered, s.j.logged, s.log = s.fresh, s.j.logged+int64(len(s.log)), s.log[:0]
	return nil
}

// answer answers the i-th line.
func (d *desk) answer(r *jobRecord, i int, raw []byte) answerRecord {
	var l batchLine
	_ = json.Unmarshal(raw, &l) // it was read before
	body := l.request()
	id := r.vendor().requestID(d.s.cfg.Seed+r.ID, uint64(i)) //nolint:gosec // never negative
	got := d.s.answerLine(lineAsked{r.vendor(), r.Endpoint, r.Version, r.answeredAt(i), id, body})
	sum := sha256.Sum256(body)
	one := answerRecord{outcome: outcome{CustomID: l.CustomID, Body: hex.EncodeToString(sum[:]), Status: got.status}}
	if one.ok() {
		one.Input, one.Output, one.Read, one.Thought = got.spent.input, got.spent.output, got.spent.read, got.spent.thought
	}
	if r.vendor() == anthropic {
		one.Result = anthropicResult(l.CustomID, got)
	} else {
		one.Result = openAIResult(r.ID, i, l.CustomID, id, got)
	}
	return one
}

// index finds the lines of the input, once.
func (d *desk) index(j *job) error {
	if j.lines != nil {
		return nil
	}
	v, err := d.open(j.rec.Lines)
	if err != nil {
		return fmt.Errorf("lines of %s: %w", j.rec.ID, err)
	}
	defer func() { _ = v.Close() }()
	list := make([]lineAt, 0, j.rec.Total)
	err = eachLine(v, func(_ int, off int64, raw []byte) error {
		var l struct {
			CustomID string `json:"custom_id"`
		}
		_ = json.Unmarshal(raw, &l) // a line that is none has no id
		list = append(list, lineAt{l.CustomID, off, len(raw)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("lines of %s: %w", j.rec.ID, err)
	}
	j.lines = list
	return nil
}

// recall reads the answers' log of a batch that was there before; a record that was cut off is forgotten, and its line
// answered again.
func (d *desk) recall(j *job) error {
	name := j.rec.ID + answersLog
	v, err := d.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	errTorn := errors.New("torn")
	err = eachLine(v, func(_ int, off int64, raw []byte) error {
		var one answerRecord
		if off+int64(len(raw)) == v.Size() || json.Unmarshal(raw, &one) != nil { // without its newline
			return errTorn
		}
		one.placed(off, len(raw)+1)
		j.answered = append(j.answered, one.outcome)
		j.logged = off + int64(len(raw)) + 1
		return nil
	})
	if errors.Is(err, errTorn) {
		return d.crop(name, j.logged)
	}
	return err
}

// resultOf reads the line that a client gets for an answered one.
func (o *outcome) resultOf(v volume) ([]byte, error) {
	raw := make([]byte, o.size)
	if _, err := v.ReadAt(raw, o.off); err != nil {
		return nil, err
	}
	var one struct {
		Result json.RawMessage `json:"result"`
	}
	err := json.Unmarshal(bytes.TrimSpace(raw), &one)
	return one.Result, err
}
