package sensitive

import (
	"strings"
	"unicode/utf8"
)

// dated finds the date of a birth, where words say that it is one.
func (x *text) dated(at int) {
	if !x.s.on(dateOfBirth) {
		return
	}
	end := x.numericDate(at)
	if end == 0 {
		end = x.spelledDate(at)
	}
	from := at
	if end == 0 {
		from, end = x.monthFirst(at)
	}
	if end > 0 && x.around(from, end)&ofBirth != 0 {
		x.add(dateOfBirth, from, end)
	}
}

// digitsAt reads up to most digits.
func (x *text) digitsAt(at, most int) (n, end int) {
	for end = at; end-at < most && number(x.at(end)); end++ {
		n = n*10 + int(x.t[end]-'0')
	}
	if number(x.at(end)) {
		return 0, at
	}
	return n, end
}

// numericDate is the end of 12/03/1985, 1985-03-12, 12.03.85 and 1985年3月12日; 0 where there is none.
func (x *text) numericDate(at int) int {
	a, i := x.digitsAt(at, 4)
	size := i - at
	if size == 0 {
		return 0
	}
	sign, i := x.dateSign(i)
	b, j := x.digitsAt(i, 2)
	if sign == 0 || j == i {
		return 0
	}
	second, k := x.dateSign(j)
	c, end := x.digitsAt(k, 4)
	if second == 0 || end == k || alnum(x.at(end)) {
		return 0
	}
	switch last := end - k; {
	case size == 4 && last <= 2:
		return x.dateEnd(end, year(a) && (day(b, c) || day(c, b)))
	case size <= 2 && (last == 4 && year(c) || last == 2):
		return x.dateEnd(end, day(a, b) || day(b, a))
	}
	return 0
}

func (x *text) dateEnd(end int, ok bool) int {
	if !ok {
		return 0
	}
	if strings.HasPrefix(string(x.t[end:min(end+3, len(x.t))]), "日") || strings.HasPrefix(string(x.t[end:min(end+3, len(x.t))]), "일") {
		end += 3
	}
	return end
}

func year(n int) bool { return n >= 1880 && n < 2100 }

// dateSign reads what stands between the numbers of a date.
func (x *text) dateSign(at int) (sign byte, next int) {
	if b := x.at(at); b != '/' && b != '-' && b != '.' && b != ' ' && b < utf8.RuneSelf {
		return 0, at
	}
	if x.at(at) == ' ' && x.at(at+1) != '/' && x.at(at+1) != '-' {
		return 0, at
	}
	for _, s := range []string{"/", "-", ". ", ".", "年", "月", "년 ", "월 ", "년", "월", " / ", " - "} {
		if at+len(s) <= len(x.t) && string(x.t[at:at+len(s)]) == s {
			return s[0], at + len(s)
		}
	}
	return 0, at
}

// months are the first three letters of the months' names.
var months = func() map[string]bool {
	names := make(map[string]bool)
	for _, m := range strings.Fields(`jan feb mar apr may jun jul aug sep oct nov dec mär mrz mai okt dez fév fev avr jui aoû aou
		déc ene abr ago dic mag giu lug set ott gen out mei maa maj sty lut kwi cze lip sie wrz paź lis gru янв фев мар апр мая
		июн июл авг сен окт ноя дек`) {
		names[m] = true
	}
	return names
}()

// month is the end of a month's name at a place; 0 where there is none.
func (x *text) month(at int) int {
	end, letters, third := at, 0, 0
	for end < len(x.t) && end-at < 24 && classes[x.t[end]]&(isLetter|isHigh) != 0 {
		_, n := utf8.DecodeRune(x.t[end:])
		end += n
		if letters++; letters == 3 {
			third = end
		}
	}
	if third == 0 {
		return 0
	}
	x.lower = lowered(x.lower[:0], x.t[at:third])
	if !months[string(x.lower)] {
		return 0
	}
	return end
}

// spelledDate is the end of 12 March 1985, 12. März 1985, 12 de marzo de 1985, 3rd of May 1985.
func (x *text) spelledDate(at int) int {
	d, i := x.digitsAt(at, 2)
	if d < 1 || d > 31 {
		return 0
	}
	if x.wordless(i, min(i+4, len(x.t))) {
		return 0
	}
	i = x.fillers(i, "st", "nd", "rd", "th", "er", ".", " ", "of ", "de ", "-")
	m := x.month(i)
	if m == 0 {
		return 0
	}
	return x.yearAt(x.fillers(m, ".", ",", " ", "de ", "del ", "-"))
}

// monthFirst is where the date whose day stands at a place begins and ends: March 12, 1985.
func (x *text) monthFirst(at int) (from, end int) {
	d, i := x.digitsAt(at, 2)
	if d < 1 || d > 31 || x.at(at-1) != ' ' {
		return 0, 0
	}
	from = at - 1
	if x.at(from-1) == '.' {
		from--
	}
	stop := from
	for from > 0 && stop-from < 24 && classes[x.t[from-1]]&(isLetter|isHigh) != 0 {
		from--
	}
	if from == stop || x.month(from) == 0 {
		return 0, 0
	}
	return from, x.yearAt(x.fillers(i, "st", "nd", "rd", "th", ",", " "))
}

func (x *text) yearAt(at int) int {
	if y, end := x.digitsAt(at, 4); year(y) && end-at == 4 {
		return end
	}
	return 0
}

// fillers steps over any of the words, each once, in order or not.
func (x *text) fillers(at int, words ...string) int {
	for range 3 {
		for _, w := range words {
			if hasFold(x.t[min(at, len(x.t)):], w) {
				at += len(w)
			}
		}
	}
	return at
}
