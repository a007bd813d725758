package sensitive

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/headgate-mesh/headgate/dialect/rawjson"
	llmv1 "github.com/headgate-mesh/headgate/gen/llm/v1"
)

// maxPasses bounds how often a request is looked into again while it is redacted: an operator's pattern may match what
// stands around a mark.
const maxPasses = 4

// Report says what was found in a request. It holds names, numbers and places, never a value. The zero value found
// nothing.
type Report struct {
	// Label is the highest label of what was found; none where nothing was.
	Label llmv1.Sensitivity
	// Detected is how often each detector found something; nil where none did. Past 100,000 finds it is about as often.
	Detected map[string]int

	scanner *Scanner
	finds   []find
	// size is the length of the body that finds are places of.
	size int
	// over says that there were more finds than are kept.
	over bool
}

// find is a place in a source.
type find struct {
	at, end int
	kind    kind
	// quotes says that the place is a JSON number, which a mark in quotes takes the place of; depth is how many JSON
	// strings it stands in.
	quotes bool
	depth  uint8
	// sealed says that the place is text in base64, and that what was found is within it.
	sealed bool
}

func (s *Scanner) report(w *walk, size int) Report {
	r := Report{Label: llmv1.Sensitivity_SENSITIVITY_NONE, scanner: s, finds: w.found(), size: size, over: w.text.spared != nil}
	for _, f := range r.finds {
		r.count(f.kind, 1)
	}
	for k, n := range w.text.spared {
		if n > 0 {
			r.count(kind(k), n)
		}
	}
	return r
}

func (r *Report) count(k kind, n int) {
	if r.Detected == nil {
		r.Detected = make(map[string]int)
	}
	r.Detected[r.scanner.names[k]] += n
	r.Label = max(r.Label, r.scanner.labels[k])
}

// Found reports whether anything was found.
func (r Report) Found() bool { return len(r.Detected) > 0 }

// RedactBody puts a mark such as [REDACTED:card] in place of what the detectors found, all of them where detectors is
// nil. The body is the one that was reported on. A JSON number becomes a string; all else stays, byte for byte, and the
// result is JSON where the body is. It also returns what is left: nothing but what other detectors found. Where there are
// more finds than are kept, or some are found again and again, a mark takes the place of every text that is looked into.
func (r Report) RedactBody(body []byte, detectors []string) ([]byte, Report) {
	if r.scanner == nil {
		return body, r
	}
	if len(body) != r.size {
		r, _ = r.scanner.Body(body)
	}
	wanted := r.scanner.wanted(detectors)
	for pass := 0; pass <= maxPasses; pass++ {
		k, found := r.first(wanted)
		switch {
		case !found:
			return body, r
		case r.over || pass == maxPasses:
			body = r.scanner.whole(body, k)
		default:
			body = rawjson.Splice(body, r.scanner.edits(body, r.finds, wanted)...)
		}
		r, _ = r.scanner.Body(body)
	}
	return body, r
}

// wanted is which detectors are to be redacted.
func (s *Scanner) wanted(detectors []string) []bool {
	wanted := make([]bool, len(s.names))
	for k, name := range s.names {
		wanted[k] = detectors == nil || slices.Contains(detectors, name)
	}
	return wanted
}

// edits are what takes the wanted finds out. Of finds that overlap the first in the order of kinds gives the mark, which
// takes the place of all of them.
func (s *Scanner) edits(text []byte, finds []find, wanted []bool) []rawjson.Edit {
	var chosen []find
	for _, f := range finds {
		if wanted[f.kind] {
			chosen = append(chosen, f)
		}
	}
	slices.SortFunc(chosen, func(a, b find) int { return cmp.Or(a.at-b.at, b.end-a.end, int(a.kind)-int(b.kind)) })
	var edits []rawjson.Edit
	for i := 0; i < len(chosen); {
		all, next := chosen[i], i+1
		for ; next < len(chosen) && chosen[next].at < all.end; next++ {
			all.end = max(all.end, chosen[next].end)
			all.kind = min(all.kind, chosen[next].kind)
			all.quotes = all.quotes || chosen[next].quotes
		}
		with := s.mark(all)
		if all.sealed {
			with = s.reseal(text[all.at:all.end], wanted)
		}
		edits = append(edits, rawjson.Edit{At: all.at, End: all.end, With: with})
		i = next
	}
	return edits
}

const markOpens = "[REDACTED:"

// mark is what takes the place of a find. A quote within JSON strings is escaped once for each of them: 2^depth-1
// backslashes.
func (s *Scanner) mark(f find) []byte {
	var quote []byte
	if f.quotes {
		quote = append(bytes.Repeat([]byte{'\\'}, 1<<f.depth-1), '"')
	}
	out := append(slices.Clone(quote), markOpens...)
	out = append(append(out, s.names[f.kind]...), ']')
	return append(out, quote...)
}

// marks drops the hits that lie in a mark: what was redacted isn't found again.
func (s *Scanner) marks(text []byte, hits []hit) []hit {
	if len(hits) == 0 || !bytes.Contains(text, []byte(markOpens)) {
		return hits
	}
	var spans []hit
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(markOpens))
		if i < 0 {
			break
		}
		at += i
		if end := s.markEnd(text, at); end > 0 {
			spans = append(spans, hit{at: at, end: end})
			at = end
			continue
		}
		at += len(markOpens)
	}
	return slices.DeleteFunc(hits, func(h hit) bool { return within(spans, h) })
}

// markEnd is where the mark that begins at a place ends; 0 where it is none of ours.
func (s *Scanner) markEnd(text []byte, at int) int {
	from := at + len(markOpens)
	limit := min(len(text), from+maxName+1)
	n := bytes.IndexByte(text[from:limit], ']')
	if n < 0 || !slices.Contains(s.names, string(text[from:from+n])) {
		return 0
	}
	return from + n + 1
}

// within reports whether a hit lies in a mark. Spans are in order.
func within(spans []hit, h hit) bool {
	i, _ := slices.BinarySearchFunc(spans, h.at, func(s hit, at int) int {
		if s.end <= at {
			return -1
		}
		return 1
	})
	return i < len(spans) && spans[i].at <= h.at && h.end <= spans[i].end
}
