package sensitive

import (
	"bytes"
	"slices"
)

// Card numbers are found at every run of digits, whatever is glued to it: that a card is missed is worse than that a
// number too many is found. Groups of four that satisfy an issuer's range and Luhn's check are always a card's; digits
// in one group are, unless they are called something else and nobody speaks of paying, or are part of a longer id.

const (
	maxPAN = 19
	// maxGlued is how long a word may be that a card's number is glued to.
	maxGlued = 24
	// hexGlued is how many hexadecimal letters make digits part of a hash.
	hexGlued = 8
)

// pan is digits that may be a card's number, and how they are written.
type pan struct {
	d       [maxPAN + 1]byte
	n       int
	at, end int
	// separator stands between the groups: 0 where there is one group.
	separator byte
	// broken says that a line ends within.
	broken bool
}

func (p *pan) digits() []byte { return p.d[:p.n] }

// usual reports whether the digits are a card's as issuers give them out.
func (p *pan) usual() bool {
	if p.n < 14 || p.n > maxPAN {
		return false
	}
	usual, _ := issued(p.digits())
	return usual && luhn(p.digits()) && !same(p.digits())
}

// pan finds a card's number that begins at a run of digits.
func (x *text) pan(at int) bool {
	if b := x.t[at]; b < '2' || b == '7' || !x.s.on(card) {
		return false
	}
	p := pan{at: at}
	x.run(&p, at)
	found := false
	switch {
	case p.n == 1:
		return x.singles(at)
	case p.n > maxPAN || p.n < 4:
		return false
	case p.n >= 14:
		found = p.usual() && x.plainPAN(&p)
	default:
		fours := p
		found = p.n == 4 && x.fours(&fours)
		if found {
			p = fours
		} else {
			found = x.brokenPAN(&p)
		}
	}
	if found {
		x.add(card, at, p.end)
	}
	return found
}

// run appends the digits at a place, one more than a card has at most.
func (x *text) run(p *pan, at int) int {
	from := at
	for at < len(x.t) && number(x.t[at]) && p.n <= maxPAN {
		p.d[p.n] = x.t[at]
		p.n++
		at++
	}
	p.end = at
	return at - from
}

// plainPAN judges digits in one group.
func (x *text) plainPAN(p *pan) bool {
	if x.fraction(p.at) || x.partOf(p.at, p.end) {
		return false
	}
	return !x.machine(p.at) && !x.apart(p.at, p.end) && !x.other(p.at, p.end) || x.paid(p.at, p.end)
}

// fraction reports that the digits at a place are those of a fraction. What comes after digits tells nothing: tables that
// were read as floating point have card numbers that end in .0.
func (x *text) fraction(at int) bool { return x.at(at-1) == '.' && number(x.at(at-2)) }

// machineNames begin ids that programs make: call_4539148803436467.
var machineNames = []string{"call", "toolu", "msg", "req", "resp", "run", "asst", "thread", "chatcmpl", "span", "trace"}

func (x *text) machine(at int) bool {
	if b := x.at(at - 1); b != '_' && b != '-' {
		return false
	}
	from := x.wordBack(at-1, max(at-1-maxGlued, 0))
	return slices.Contains(machineNames, string(lowered(x.lower[:0], x.t[from:at-1])))
}

// partOf reports that digits are part of a longer word of letters and digits: a hash, an id, base64. A word of letters
// that is glued to them is none.
func (x *text) partOf(at, end int) bool {
	from, to := at, end
	for from > 0 && at-from <= maxGlued && alnum(x.t[from-1]) {
		from--
	}
	for to < len(x.t) && to-end <= maxGlued && alnum(x.t[to]) {
		to++
	}
	before, after := x.t[from:at], x.t[end:to]
	if len(before) > maxGlued || len(after) > maxGlued {
		return true
	}
	letters := len(before) + len(after)
	hexadecimal := letters >= hexGlued
	for _, part := range [2][]byte{before, after} {
		for _, b := range part {
			if number(b) {
				return true
			}
			hexadecimal = hexadecimal && hexByte(b)
		}
	}
	return hexadecimal
}

// apart reports that digits are one part of an id in several, as UUIDs are: a part beside has letters and digits, or
// many digits.
func (x *text) apart(at, end int) bool {
	from, to := at-1, end+1
	if b := x.at(from); b == '-' || b == '_' {
		for from > 0 && at-from <= maxGlued && alnum(x.t[from-1]) {
			from--
		}
		if idPart(x.t[from : at-1]) {
			return true
		}
	}
	if b := x.at(end); b != '-' && b != '_' {
		return false
	}
	for to < len(x.t) && to-end <= maxGlued && alnum(x.t[to]) {
		to++
	}
	return idPart(x.t[end+1 : to])
}

func idPart(part []byte) bool {
	letters, digits := 0, 0
	for _, b := range part {
		if number(b) {
			digits++
		} else {
			letters++
		}
	}
	return digits >= 8 || digits > 1 && letters > 0 && len(part) >= 4
}

// gap reads what may stand between two groups of a card's number: a sign, spaces, the end of a line.
func (x *text) gap(at int) (next int, separator byte, broken bool) {
	separator = ' '
	for next = at; next-at < 5; next++ {
		switch b := x.at(next); {
		case number(b):
			if next == at {
				return at, 0, false
			}
			return next, separator, broken
		case b == ' ' || b == '\t' || b == '\r':
		case b == '\n' && !broken:
			broken = true
		case (b == '-' || b == '.' || b == '_') && separator == ' ':
			separator = b
		default:
			return at, 0, false
		}
	}
	return at, 0, false
}

// fours reads on in groups of four, or in those of Amex and Diners, and judges them.
func (x *text) fours(p *pan) bool {
	for size := 4; ; {
		next, separator, broken := x.gap(p.end)
		if separator == 0 || broken && p.broken {
			return false
		}
		switch {
		case p.separator == 0:
			p.separator = separator
		case p.separator != separator && (p.separator == '.' || separator == '.'): // two numbers with fractions
			return false
		}
		p.broken = p.broken || broken
		switch n := x.run(p, next); {
		case size == 4 && n == 6 && p.n == 10:
			size = 6
		case size == 6:
			return (n == 5 || n == 4) && p.usual() && x.groupedPAN(p)
		case n != 4 || p.n > 16:
			return false
		case p.n == 16 && p.usual():
			return x.groupedPAN(p)
		case p.n == 16:
			return false
		}
	}
}

// groupedPAN judges digits in groups: only what goes on in further groups, as a table does, needs a word that says so.
func (x *text) groupedPAN(p *pan) bool {
	if x.partOf(p.at, p.end) {
		return false
	}
	if p.broken && x.column(p) || x.goesOn(p) {
		return x.paid(p.at, p.end)
	}
	return true
}

// goesOn reports that groups come before a number that it is the end or the middle of, or that its own sign leads on.
func (x *text) goesOn(p *pan) bool {
	if p.separator != ' ' {
		return x.at(p.at-1) == p.separator && (p.separator == '.' || number(x.at(p.at-2))) || x.at(p.end) == p.separator && number(x.at(p.end+1))
	}
	const table = 3
	at := p.at
	for range table {
		if at < 5 || at-5 < x.done || x.t[at-1] != ' ' || alnum(x.at(at-6)) {
			return false
		}
		digits := 0
		for _, b := range x.t[at-5 : at-1] {
			if !hexByte(b) {
				return false
			}
			if number(b) {
				digits++
			}
		}
		if digits == 0 {
			return false
		}
		at -= 5
	}
	return true
}

// column reports that numbers stand above or below one that goes over two lines.
func (x *text) column(p *pan) bool {
	before, after := bytes.TrimRight(x.t[max(p.at-4, 0):p.at], " \t\r"), bytes.TrimLeft(x.t[p.end:min(p.end+4, len(x.t))], " \t\r")
	if n := len(before); n > 1 && before[n-1] == '\n' && number(before[n-2]) {
		return true
	}
	return len(after) > 1 && after[0] == '\n' && number(after[1])
}

// brokenPAN reads on in the next line, where the digits of one group go on.
func (x *text) brokenPAN(p *pan) bool {
	next, separator, broken := x.gap(p.end)
	if !broken || separator != ' ' && separator != '-' {
		return false
	}
	p.broken = true
	if n := x.run(p, next); n < 4 || !p.usual() || x.partOf(p.at, p.end) || x.fraction(p.at) {
		return false
	}
	return !x.column(p) && !x.other(p.at, p.end) || x.paid(p.at, p.end)
}

// singles reads digits that stand one by one.
func (x *text) singles(at int) bool {
	if at < x.alone {
		return false
	}
	p, total, list := pan{at: at}, 0, false
	ends := [maxPAN + 1]int{}
	for i := at; ; {
		if x.alone = i + 1; total <= maxPAN && p.n <= maxPAN {
			p.d[min(p.n, maxPAN)] = x.t[i]
			p.n++
			ends[total] = i + 1
		}
		total++
		next := i + 1
		for next-i < 4 && (x.at(next) == ' ' || x.at(next) == '-' || x.at(next) == ',' || x.at(next) == '\n') {
			list = list || x.at(next) == ',' || x.at(next) == '\n'
			next++
		}
		if next == i+1 || !number(x.at(next)) || number(x.at(next+1)) {
			break
		}
		i = next
	}
	if p.n == total && p.usual() && (!list || x.paid(at, ends[p.n-1])) {
		x.add(card, at, ends[p.n-1])
		return true
	}
	for _, n := range []int{16, 15, 14} {
		if p.n = n; total > n && p.usual() && x.paid(at, ends[n-1]) {
			x.add(card, at, ends[n-1])
			return true
		}
	}
	return false
}
