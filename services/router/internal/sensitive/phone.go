package sensitive

import "bytes"

const (
	minPhone = 7
	maxPhone = 15
)

// plus finds an international number: +, a country's code and the rest of at most 15 digits (ITU-T E.164).
func (x *text) plus(at int) {
	if at < x.done || alnum(x.at(at-1)) || !x.s.on(phone) {
		return
	}
	from := at + 1
	if number(x.at(from)) && x.pan(from) {
		return
	}
	if x.at(from) == ' ' {
		from++
	}
	if x.at(from) == '(' {
		from++
	}
	d, end := x.dialled(from)
	if code := countryCode(d); code == 0 || !x.freeAfter(end) || len(d)-code < 6 {
		return
	}
	if len(d) >= 9 && (d[0] != '1' || len(d) == 11 && d[1] >= '2') || x.around(at, end)&ofPhone != 0 {
		x.add(phone, at, end)
	}
}

// bracket finds a number whose area stands in brackets: (415) 555-2671, (0)30 123456, (11) 98765-4321.
func (x *text) bracket(at int) {
	if at < x.done || !number(x.at(at+1)) || !x.s.on(phone) {
		return
	}
	closing := at + 1
	for number(x.at(closing)) && closing-at <= 6 {
		closing++
	}
	area := x.t[at+1 : closing]
	if x.at(closing) != ')' || len(area) < 2 {
		return
	}
	next := closing + 1
	if x.at(next) == ' ' || x.at(next) == '-' {
		next++
	}
	d, end := x.dialled(next)
	if len(d) < 5 || len(area)+len(d) > 12 || !x.freeAfter(end) {
		return
	}
	grouped := next > closing+1 && (len(area) == 3 && len(d) == 7 && area[0] >= '2' || area[0] == '0' || len(area) == 2 && (len(d) == 8 || len(d) == 9))
	tight := next == closing+1 && len(area) == 3 && len(d) == 7 && area[0] >= '2' || area[0] == '0'
	if from := x.prefixed(at); grouped || tight || x.around(at, end)&ofPhone != 0 {
		x.add(phone, from, end)
	}
}

// prefixed is where a number with brackets really begins: a trunk or a country's code may come first.
func (x *text) prefixed(at int) int {
	from := at
	if b := x.at(from - 1); b == ' ' || b == '-' {
		from--
	}
	digits := from
	for digits > 0 && from-digits < 4 && number(x.t[digits-1]) {
		digits--
	}
	if n := from - digits; n == 0 || n > 3 || digits < x.done || alnum(x.at(digits-1)) {
		return at
	}
	return digits
}

// dialled reads the digits of a telephone number with what people put between them, as many as one may have: an area in
// brackets, too. They are valid until the next call.
func (x *text) dialled(from int) (d []byte, end int) {
	d = x.lower[:0]
	end = from
	closes := from - 9 // where a bracket opened; at most one does
	if x.at(from-1) == '(' {
		closes = from - 1
	}
	for i, gap := from, 0; len(d) <= maxPhone; i++ {
		b := x.at(i)
		switch {
		case number(b):
			if d = append(d, b); len(d) > maxPhone {
				return nil, from
			}
			end, gap = i+1, 0
		case gap < 3 && (b == ' ' || b == '-' || b == '.' || b == '/' || b == ')' && closes > i-6 || b == '(' && closes == from-9):
			if b == '(' {
				closes = i
			}
			gap++
		default:
			x.lower = d
			return d, end
		}
	}
	return nil, from
}

// isPhone judges digits that no rule has taken.
func (c *candidate) isPhone() bool {
	if c.k < minPhone || c.k > maxPhone || c.groups > 7 || !c.x.s.on(phone) || c.separator == ',' || c.dateLike() {
		return false
	}
	d := c.digits()
	if !c.row() && (c.national(d) || c.abroad(d)) {
		return !c.x.unlike(c.at, c.end, ofPhone)
	}
	return c.likely(d) && c.near()&ofPhone != 0 && !c.x.unlike(c.at, c.end, 0)
}

// likely reports whether digits may be a telephone number at all, where words have to say so.
func (c *candidate) likely(d []byte) bool {
	said := c.x.said&ofPhone != 0
	switch {
	case c.separator == '.' && (c.groups < 3 || c.last < 2), d[0] == '0' && d[1] == '0':
		return false
	case c.most == 2 && c.row():
		return false
	case c.groups == 1 && (c.k < 8 || c.k == 10 && d[0] == '1'):
		return said
	}
	return true
}

// national: a trunk zero, then groups of usual sizes.
func (c *candidate) national(d []byte) bool {
	if d[0] != '0' || d[1] == '0' || c.groups < 2 || c.groups > 5 || len(d) < 9 || len(d) > 12 || c.first < 2 || c.first > 5 {
		return false
	}
	return c.separator != '.' && (c.first != 5 || c.last != 4 || c.separator != '-') // 02110-1335 is a place
}

// abroad: two zeros and a country's code.
func (c *candidate) abroad(d []byte) bool {
	if !bytes.HasPrefix(d, []byte("00")) || len(d) < 11 || c.first < 2 || c.most == 2 || c.groups > 1 && c.first == 4 && c.most == 4 && c.last == 4 {
		return false
	}
	return countryCode(d[2:]) > 0 && (c.groups > 1 || c.near()&ofPhone != 0)
}

// dateLike: a date, alone or with a time.
func (c *candidate) dateLike() bool {
	s := c.look()
	if len(s) >= 5 && (s[1] == '-' || s[1] == '/' || s[1] == '.') && s[3] == s[1] {
		d := c.text()
		switch {
		case s[0] == 4 && s[2] <= 2 && s[4] <= 2 && (d[0] == '1' || d[0] == '2'):
			return true
		case s[0] <= 2 && s[2] <= 2 && s[4] == 4 && c.groups == 3:
			return true
		}
	}
	return len(s) == 3 && s[0] == 4 && s[2] == 4 && c.k == 8 && (c.chars[0] == '1' || c.chars[0] == '2') // years
}

// countryCode is the length of the country's code that digits begin with, 0 where there is none such (ITU-T E.164).
func countryCode(d []byte) int {
	if len(d) < minPhone {
		return 0
	}
	switch d[0] {
	case '1', '7':
		return 1
	case '0':
		return 0
	}
	switch string(d[:2]) {
	case "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51", "52",
		"53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
		"91", "92", "93",
		"94", "95", "98":
		return 2
	case "21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67", "68", "69", "80", "85", "87", "88", "96", "97", "99":
		return 3
	}
	return 0
}
