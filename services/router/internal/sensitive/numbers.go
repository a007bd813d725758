package sensitive

import "bytes"

// A candidate is groups of letters and digits that stand together, each parted from the next by at most one separator.
// What it looks like is its shape: the length of each run of digits, that of each run of letters, and the separators.
// Rules are found by shape, and have to be satisfied by the characters.

const (
	maxShape  = 48
	maxChars  = 40
	maxRun    = 31
	maxGroups = 10
	// maxSingles is how many groups of one digit any rule begins with; a card's, digit by digit, isn't read as a candidate.
	maxSingles = 2
)

// candidate is what begins at a group and may be a number of some kind.
type candidate struct {
	x *text
	// at and end are where it stands.
	at, end int
	// shape is the lengths of runs (digits as they are, letters from 'a' on) and separators; chars what is in them,
	// letters in capitals.
	shape [maxShape]byte
	chars [maxChars]byte
	// shapes and k are how much of them is filled, groups the number of groups.
	shapes, k, groups int
	// letters counts the letters in chars, lower those that were small.
	letters, lower int
	// separator is the one between the groups: 0 where there is none, '?' where they differ.
	separator byte
	// first, last and most are lengths of groups.
	first, last, most int
}

func (c *candidate) look() []byte { return c.shape[:c.shapes] }
func (c *candidate) text() []byte { return c.chars[:c.k] }

// digits are the characters where all are digits; nil otherwise.
func (c *candidate) digits() []byte {
	if c.letters > 0 {
		return nil
	}
	return c.chars[:c.k]
}

// near is what the words around it speak of.
func (c *candidate) near() topics { return c.x.around(c.at, c.end) }

// numbers looks at the groups of a word that has digits.
func (x *text) numbers(at, end int) {
	for at < end {
		for at < end && x.t[at] == '_' {
			at++
		}
		to, digits := at, false
		for ; to < end && x.t[to] != '_'; to++ {
			digits = digits || number(x.t[to])
		}
		if digits && at >= x.done {
			x.group(at)
			x.inner(at, to)
		}
		at = to
	}
}

// inner looks at the runs of digits that letters are glued to.
func (x *text) inner(at, end int) {
	first := true
	for i := at; i < end; {
		if !number(x.t[i]) {
			i++
			continue
		}
		if i > at && i >= x.done && (!first || !x.glued(at, i)) {
			x.pan(i)
		}
		first = false
		for i++; i < end && number(x.t[i]); i++ {
		}
	}
}

// glued looks for an account or a person's number right after the word that names it: IBANDE89..., SSN123-45-6789.
func (x *text) glued(at, digits int) bool {
	if digits-at > maxGlued {
		return false
	}
	if digits-at > 2 && x.iban(digits-2) {
		return true
	}
	if digits-at < 3 || x.read(at, digits)&(ofSSN|ofID|ofBriefID) == 0 {
		return false
	}
	return x.candidates(digits)
}

// capitals looks at a short word that digits follow, in capitals or of two letters: the first group of some numbers.
func (x *text) capitals(at, end int) {
	next := end
	if isSeparator(x.at(next)) {
		next++
	}
	if next > end && number(x.at(next)) || next > end && end-at == 3 && classes[x.at(next)] == isUpper {
		x.group(at)
	}
}

// group tries everything that may begin with the group at a place.
func (x *text) group(at int) {
	if x.uuid(at) {
		return
	}
	if x.ipv4(at) || x.ipv6(at) || x.iban(at) || number(x.t[at]) && x.pan(at) || !x.freeBefore(at) {
		return
	}
	if !x.candidates(at) {
		x.dated(at)
	}
}

// candidates tries every candidate that begins at a place, and keeps the longest number.
func (x *text) candidates(at int) bool {
	c := &x.c
	*c = candidate{x: x, at: at}
	var best hit
	found := false
	for c.grow() {
		if !x.freeAfter(c.end) {
			continue
		}
		if k, ok := c.judge(); ok {
			best, found = hit{at, c.end, k}, true
		}
	}
	if found {
		x.add(best.kind, best.at, best.end)
	}
	return found
}

// freeBefore reports whether a number may begin at a place: not within a decimal, an amount or a longer number.
func (x *text) freeBefore(at int) bool {
	switch c := x.at(at - 1); c {
	case ',':
		return !number(x.at(at-2)) || !x.thousands(at)
	case '-', '.', '/', '_', ':':
		return !number(x.at(at-2)) || x.done == at-1
	case '$', '+':
		return false
	case '\xa3', '\xac': // the ends of the signs of pound and euro in UTF-8
		return at < 3 || x.t[at-2] != '\xc2' && x.t[at-3] != '\xe2'
	default:
		return !alnum(c)
	}
}

// beside returns the lengths of the groups with digits, or of two hexadecimal ones, that stand right before at and right
// after end, parted by spaces: numbers in a row are a table, or memory, rather than one number.
func (x *text) beside(at, end int) (before, after int) {
	from := at
	for from > 0 && at-from < 3 && x.t[from-1] == ' ' {
		from--
	}
	to := end
	for to < len(x.t) && to-end < 3 && x.t[to] == ' ' {
		to++
	}
	stop, start := to, from
	for from < at && start > 0 && from-start < maxRun && alnum(x.t[start-1]) {
		start--
	}
	for to > end && stop < len(x.t) && stop-to < maxRun && alnum(x.t[stop]) {
		stop++
	}
	if start >= x.done {
		before = counted(x.t[start:from])
	}
	return before, counted(x.t[to:stop])
}

// counted is the length of a group that counts something, 0 of a word.
func counted(group []byte) int {
	if len(group) == 2 && hexByte(group[0]) && hexByte(group[1]) || bytes.ContainsAny(group, "0123456789") {
		return len(group)
	}
	return 0
}

// row reports that a number in groups parted by spaces goes on in further groups on either side.
func (c *candidate) row() bool {
	if c.groups == 1 || c.separator != ' ' && c.separator != '?' {
		return false
	}
	before, after := c.x.beside(c.at, c.end)
	return before > 0 || after > 0
}

// thousands reports that three digits stand at a place, as in 1,234.
func (x *text) thousands(at int) bool {
	return number(x.at(at)) && number(x.at(at+1)) && number(x.at(at+2)) && !number(x.at(at+3)) && x.at(at+3) != '-'
}

// suffix reports that a number is the end of a name, as ids have it: user_12345678Z.
func (x *text) suffix(at int) bool {
	return (x.at(at-1) == '_' || x.at(at-1) == '-') && alnum(x.at(at-2))
}

// freeAfter reports whether a number may end at a place.
func (x *text) freeAfter(end int) bool {
	switch c := x.at(end); c {
	case ',':
		return !x.thousands(end+1) || number(x.at(end-4))
	case '-', '.', '/', '_':
		return !number(x.at(end + 1))
	case '%':
		return false
	default:
		return !alnum(c)
	}
}

// grow takes in the next group; false where there is none, or more than any rule has use for.
func (c *candidate) grow() bool {
	at := c.at
	if c.groups > 0 {
		var separator byte
		if at, separator = c.x.separated(c.end); separator == 0 || !c.join(separator) {
			return false
		}
	}
	end, ok := c.take(at)
	if !ok {
		return false
	}
	size := end - at
	if c.groups == 0 {
		c.first = size
	}
	c.last, c.most, c.end = size, max(c.most, size), end
	c.groups++
	return true
}

// join notes a separator.
func (c *candidate) join(separator byte) bool {
	if c.groups >= maxGroups || c.k >= maxPAN || c.groups == maxSingles && c.most == 1 || c.shapes >= maxShape-2 {
		return false
	}
	switch c.separator {
	case 0, separator:
		c.separator = separator
	default:
		c.separator = '?'
	}
	c.shape[c.shapes] = separator
	c.shapes++
	return true
}

// take reads one group, run by run.
func (c *candidate) take(at int) (end int, ok bool) {
	t := c.x.t
	for at < len(t) && alnum(t[at]) {
		from, digits := at, number(t[at])
		for at < len(t) && alnum(t[at]) && number(t[at]) == digits {
			if c.k >= maxChars || at-from >= maxRun {
				return at, false
			}
			c.put(t[at])
			at++
		}
		if c.shapes >= maxShape-1 {
			return at, false
		}
		c.shape[c.shapes] = byte(at - from)
		if !digits {
			c.shape[c.shapes] += 'a' - 1
			c.letters += at - from
		}
		c.shapes++
	}
	return at, at > c.end
}

func (c *candidate) put(b byte) {
	if classes[b] == isLower {
		b &^= 0x20
		c.lower++
	}
	c.chars[c.k] = b
	c.k++
}

func isSeparator(b byte) bool {
	return b == ' ' || b == '-' || b == '.' || b == '/' || b == '_' || b == ','
}

// separated returns where the next group begins, and what stands between: a separator, which may have a space on either
// side, or up to three spaces. It is 0 where no group follows.
func (x *text) separated(at int) (next int, separator byte) {
	separator = ' '
	for spaces := 0; ; at++ {
		b := x.at(at)
		switch {
		case alnum(b):
			return at, separator
		case b == ' ' && spaces < 3:
			spaces++
		case isSeparator(b) && separator == ' ':
			if separator = b; b == ',' && x.at(at+1) == ' ' {
				return at, 0
			}
		default:
			return at, 0
		}
	}
}

// uuid steps over an identifier such as 123e4567-e89b-12d3-a456-426614174000.
func (x *text) uuid(at int) bool {
	const size = 36
	if at+size > len(x.t) || x.t[at+8] != '-' || x.t[at+13] != '-' || x.t[at+18] != '-' || x.t[at+23] != '-' || alnum(x.at(at+size)) {
		return false
	}
	for i, b := range x.t[at : at+size] {
		if i != 8 && i != 13 && i != 18 && i != 23 && !hexByte(b) {
			return false
		}
	}
	x.done = max(x.done, at+size)
	return true
}

func hexByte(b byte) bool { return number(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

// judge tells what a candidate is, by its shape and its characters.
func (c *candidate) judge() (kind, bool) {
	if c.letters == 0 {
		if c.k >= 12 && c.card() {
			return card, true
		}
		if c.most == 1 { // digits one by one
			return 0, false
		}
		if k, ok := c.rules(); ok {
			return k, ok
		}
		switch {
		case c.x.s.on(nationalID) && c.announced():
			return nationalID, true
		case c.isPhone():
			return phone, true
		}
		return c.account()
	}
	if k, ok := c.rules(); ok {
		return k, ok
	}
	return c.document()
}

// rules tries those for the candidate's shape.
func (c *candidate) rules() (kind, bool) {
	of := shapes[string(c.look())]
	for i := range of {
		if r := &of[i]; r.holds(c) {
			return r.kind, true
		}
	}
	return 0, false
}
