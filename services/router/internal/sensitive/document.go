package sensitive

import "bytes"

const (
	minDocument = 6
	maxDocument = 18
)

// document judges letters and digits that no rule has taken: codes with a check that come in many shapes, and the numbers
// of passports and licences, which words have to announce.
func (c *candidate) document() (kind, bool) {
	if !c.x.s.on(nationalID) || c.k > maxDocument {
		return 0, false
	}
	if c.k == 16 && c.groups == 1 && codiceFiscale(c.text()) {
		return nationalID, true
	}
	return nationalID, c.hongKong() || c.announced()
}

// hongKong: a letter or two, six digits, and the check in brackets: A123456(3).
func (c *candidate) hongKong() bool {
	x, d := c.x, c.text()
	n := len(d) - 6
	if c.groups != 1 || n < 1 || n > 2 || c.letters != n || number(d[0]) || number(d[n-1]) || x.at(c.end) != '(' || x.at(c.end+2) != ')' {
		return false
	}
	sum := 36 * 9
	if n == 2 {
		sum = int(d[0]-'A'+10) * 9
	}
	sum += int(d[n-1]-'A'+10)*8 + weighted(d[n:], 7, 6, 5, 4, 3, 2)
	if x.at(c.end+1) != "0A987654321"[sum%11] {
		return false
	}
	c.end += 3
	return true
}

// announced: the words right before say that this is a passport's or a licence's number.
func (c *candidate) announced() bool {
	if c.k < minDocument || c.groups > 5 || c.separator == ',' || c.separator == '.' {
		return false
	}
	if c.k-c.letters < 4 || c.letters > 6 && c.groups > 1 || c.dateLike() {
		return false
	}
	if c.lower > 0 && (c.groups > 1 || c.lower > 2 || c.shapes != 2 || number(c.chars[0])) { // words follow the number, or it is none
		return false
	}
	means, _ := c.x.before(c.at)
	means |= c.x.said
	return means&(ofPassport|ofLicence) != 0 && means&ofPhone == 0 && !c.x.other(c.at, c.end) || c.groups == 1 && c.identityCard(means)
}

// identityCard: the German one has letters and digits with a check in fixed places (ICAO 9303), nine or ten of them.
func (c *candidate) identityCard(means topics) bool {
	d := c.text()
	if means&ofID == 0 || len(d) != 10 || bytes.IndexByte([]byte("LMNPRTVWXY"), d[0]) < 0 || !number(d[9]) {
		return false
	}
	sum := 0
	for i, b := range d[:9] {
		n := int(b - '0')
		if !number(b) {
			n = int(b-'A') + 10
		}
		sum += n * [3]int{7, 3, 1}[i%3]
	}
	return sum%10 == int(d[9]-'0')
}
