package sensitive

import (
	"bytes"
	"slices"
)

// callers stand between what a number is called and the number: order no. 17, the order's number is 17.
var callers = []string{
	"no", "nr", "num", "number", "numbers", "nummer", "numéro", "numero", "número", "n", "id", "ids", "code", "is", "was", "ist", "est",
	"es", "é", "è", "номер", "key", "ref", "the", "der", "of",
}

const (
	// maxCalled is how far before a number the word may begin that it is called by.
	maxCalled = 64
	// maxCallers is how many connectors there may be.
	maxCallers = 3
)

// other reports that a number is called the number of something else: by the word directly before it, or by the name of
// a member that holds nothing else. A word elsewhere in the sentence tells nothing of the number.
func (x *text) other(at, end int) bool {
	if x.said&ofOther != 0 && len(bytes.TrimSpace(x.t[:at])) == 0 && len(bytes.TrimSpace(x.t[end:min(len(x.t), end+maxCalled)])) == 0 {
		return true
	}
	floor := max(at-maxCalled, 0)
	i := x.beforeSigns(at, floor, " :#=\"'`*(\t")
	for range maxCallers {
		from := x.wordBack(i, floor)
		if from == i {
			return false
		}
		if x.read(from, i)&ofOther != 0 || x.read(from, at)&ofOther != 0 {
			return true
		}
		if !slices.Contains(callers, string(bytes.Trim(lowered(x.lower[:0], x.t[from:i]), "."))) && !bytes.ContainsAny(x.t[i:at], "№º°") {
			return false
		}
		i = x.beforeSigns(from, floor, " :#=\"'`*(\t_-")
	}
	return false
}

// beforeSigns steps back over signs; those of numbers (№, N°) count as such.
func (x *text) beforeSigns(i, floor int, signs string) int {
	for i > floor {
		if bytes.IndexByte([]byte(signs), x.t[i-1]) < 0 {
			break
		}
		i--
	}
	return i
}

// wordBack is where the word begins that ends at a place.
func (x *text) wordBack(i, floor int) int {
	for i > floor && (classes[x.t[i-1]]&(isLetter|isHigh) != 0 || x.t[i-1] == '.' || x.t[i-1] == '/') {
		i--
	}
	return i
}

const (
	paidBack  = 160
	paidAhead = 80
)

// paid reports that the sentence around a number, or what it is called, speaks of cards or of paying.
func (x *text) paid(at, end int) bool {
	const wanted = ofCard | ofPay
	if x.said&wanted != 0 {
		return true
	}
	from, to := at, end
	for from > max(at-paidBack, 0) && !x.sentenceEnds(from-1) {
		from--
	}
	for to < min(end+paidAhead, len(x.t)) && !x.sentenceEnds(to) {
		to++
	}
	return (x.read(from, at)|x.read(end, to))&wanted != 0
}

// sentenceEnds reports that a sentence ends at a byte; what is short before a dot is an abbreviation.
func (x *text) sentenceEnds(i int) bool {
	switch next := x.at(i + 1); x.t[i] {
	case '.':
		return (next == ' ' || next == '\n') && classes[x.at(i-1)]&isLetter != 0 && classes[x.at(i-2)]&isLetter != 0 && classes[x.at(i-3)]&isLetter != 0
	case '!', '?':
		return next == ' ' || next == '\n'
	case '\n':
		return next == '\n'
	}
	return false
}
