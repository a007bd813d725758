package sensitive

import "bytes"

// ibanLengths are the lengths by country, from the registry of SWIFT, release 99.
var ibanLengths = map[[2]byte]int{
	{'A', 'D'}: 24, {'A', 'E'}: 23, {'A', 'L'}: 28, {'A', 'T'}: 20, {'A', 'Z'}: 28, {'B', 'A'}: 20, {'B', 'E'}: 16,
	{'B', 'G'}: 22, {'B', 'H'}: 22, {'B', 'I'}: 27, {'B', 'R'}: 29, {'B', 'Y'}: 28, {'C', 'H'}: 21, {'C', 'R'}: 22,
	{'C', 'Y'}: 28, {'C', 'Z'}: 24, {'D', 'E'}: 22, {'D', 'J'}: 27, {'D', 'K'}: 18, {'D', 'O'}: 28, {'E', 'E'}: 20,
	{'E', 'G'}: 29, {'E', 'S'}: 24, {'F', 'I'}: 18, {'F', 'K'}: 18, {'F', 'O'}: 18, {'F', 'R'}: 27, {'G', 'B'}: 22,
	{'G', 'E'}: 22, {'G', 'I'}: 23, {'G', 'L'}: 18, {'G', 'R'}: 27, {'G', 'T'}: 28, {'H', 'N'}: 28, {'H', 'R'}: 21,
	{'H', 'U'}: 28, {'I', 'E'}: 22, {'I', 'L'}: 23, {'I', 'Q'}: 23, {'I', 'S'}: 26, {'I', 'T'}: 27, {'J', 'O'}: 30,
	{'K', 'W'}: 30, {'K', 'Z'}: 20, {'L', 'B'}: 28, {'L', 'C'}: 32, {'L', 'I'}: 21, {'L', 'T'}: 20, {'L', 'U'}: 20,
	{'L', 'V'}: 21, {'L', 'Y'}: 25, {'M', 'C'}: 27, {'M', 'D'}: 24, {'M', 'E'}: 22, {'M', 'K'}: 19, {'M', 'N'}: 20,
	{'M', 'R'}: 27, {'M', 'T'}: 31, {'M', 'U'}: 30, {'N', 'I'}: 28, {'N', 'L'}: 18, {'N', 'O'}: 15, {'O', 'M'}: 23,
	{'P', 'K'}: 24, {'P', 'L'}: 28, {'P', 'S'}: 29, {'P', 'T'}: 25, {'Q', 'A'}: 29, {'R', 'O'}: 24, {'R', 'S'}: 22,
	{'R', 'U'}: 33, {'S', 'A'}: 24, {'S', 'C'}: 31, {'S', 'D'}: 18, {'S', 'E'}: 24, {'S', 'I'}: 19, {'S', 'K'}: 24,
	{'S', 'M'}: 27, {'S', 'O'}: 23, {'S', 'T'}: 25, {'S', 'V'}: 28, {'T', 'L'}: 23, {'T', 'N'}: 24, {'T', 'R'}: 26,
	{'U', 'A'}: 29, {'V', 'A'}: 22, {'V', 'G'}: 24, {'X', 'K'}: 20, {'Y', 'E'}: 30,
}

const (
	maxIBAN = 34
	// minIBANDigits is less than any country has; names in programs have fewer.
	minIBANDigits = 8
)

// iban finds an account number of ISO 13616, in groups of any size.
func (x *text) iban(at int) bool {
	country := [2]byte{x.at(at) &^ 0x20, x.at(at+1) &^ 0x20}
	length := ibanLengths[country]
	if length == 0 {
		return false
	}
	chars := make([]byte, 0, maxIBAN)
	end, broken := at, false
	for i := at; len(chars) < length; i++ {
		b := x.at(i)
		switch {
		case alnum(b):
			if classes[b] == isLower {
				b &^= 0x20
			}
			chars = append(chars, b)
			end = i + 1
		case len(chars) >= 4 && b == '\n' && !broken:
			broken = true
		case len(chars) >= 4 && b == '\r' && x.at(i+1) == '\n':
		case len(chars) < 2 || !alnum(x.at(i+1)) && x.at(i+1) != '\n' && x.at(i+1) != '\r' || b != ' ' && b != '-':
			return false
		}
	}
	if x.goesOnAfter(end) || !number(chars[2]) || !number(chars[3]) || mod97(chars) != 1 {
		return false
	}
	if _, _, digits, _, _ := kindsOf(chars); digits < minIBANDigits {
		return false
	}
	if lower, upper, _, _, _ := kindsOf(x.t[at:end]); lower > 0 && upper > 0 && alnum(x.at(at-1)) { // base64
		return false
	}
	x.add(iban, at, end)
	return true
}

// goesOnAfter reports that what ends at a place is part of something longer: letters alone that are glued to it aren't.
func (x *text) goesOnAfter(end int) bool {
	const most = 8
	for i := end; i-end <= most; i++ {
		if b := x.at(i); !alnum(b) {
			return false
		} else if number(b) {
			return true
		}
	}
	return true
}

// mod97 is the check of ISO/IEC 7064, MOD 97-10, of an account number: its first four characters come last.
func mod97(chars []byte) int {
	n := 0
	for _, part := range [2][]byte{chars[4:], chars[:4]} {
		for _, c := range part {
			if number(c) {
				n = (n*10 + int(c-'0')) % 97
				continue
			}
			n = (n*100 + int(c-'A') + 10) % 97
		}
	}
	return n
}

// account finds account numbers, where words say that they are: the routing number has its check in the rules.
func (c *candidate) account() (kind, bool) {
	if c.groups > 4 || c.k < 6 || c.k > 17 || c.separator == '/' || c.separator == '.' || c.separator == ',' || !c.x.s.on(bankAccount) {
		return 0, false
	}
	if bytes.Equal(c.look(), []byte{2, '-', 2, '-', 2}) {
		return bankAccount, c.sortCode()
	}
	if c.separator == '-' && c.first == 4 || c.groups == 1 && c.k == 8 && (c.chars[0] == '1' || c.chars[0] == '2') && yymmdd(c.chars[2:8]) {
		return 0, false
	}
	return bankAccount, c.k >= 7 && c.near()&ofBank != 0 && c.x.accountBefore(c.at)
}

func (c *candidate) sortCode() bool {
	back := c.x.leading(c.at, lookClose)
	return bytes.Contains(back, []byte("sort"))
}

// accountWords come right before the number of an account at a bank.
var accountWords = []string{
	"bank account", "checking acc", "savings acc", "checking number", "account number", "account no", "acct",
	"kontonummer", "konto-nr", "kto", "rekening", "cuenta", "conta ", "conto ", "rachun", "konta", "compte", "a/c",
	"账号", "口座",
}

// accountBefore reports that the words right before a number call it an account's, not a customer's.
func (x *text) accountBefore(at int) bool {
	back := x.leading(at, lookClose+14)
	for _, word := range accountWords {
		if bytes.Contains(back, []byte(word)) {
			return !x.other(at, at)
		}
	}
	return false
}

// leading is the text right before a place in small letters, until the next use of it.
func (x *text) leading(at, size int) []byte {
	x.lower = lowered(x.lower[:0], x.t[max(at-size, 0):at])
	return x.lower
}
